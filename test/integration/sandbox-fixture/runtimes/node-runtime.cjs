// Evaluates the lines that arrive on file descriptor 3, as functions of its own process, and answers each.
const { Socket } = require("node:net");
const { createInterface } = require("node:readline");

const channel = new Socket({ fd: 3 });
channel.write(`${JSON.stringify({ kind: "blank" })}\n`);
createInterface({ input: channel }).on("line", async (line) => {
  const { id, code } = JSON.parse(line);
  try {
    const value = await new Function("require", `return (async () => { ${code} })()`)(require);
    channel.write(`${JSON.stringify({ id, value })}\n`);
  } catch (error) {
    channel.write(`${JSON.stringify({ id, error: String(error.code ?? error.message) })}\n`);
  }
});
channel.on("end", () => process.exit(0));
