/** The limit: Node's own HTTP server that calls the handler in its process. Prints `ready PORT`. */
import { createServer } from "node:http";
import { handler } from "./echo.mjs";

const server = createServer({ noDelay: true }, (request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", async () => {
    const result = await handler(JSON.parse(Buffer.concat(chunks).toString()));
    const body = Buffer.from(JSON.stringify(result));
    response.writeHead(200, ["Content-Type", "application/json", "Content-Length", String(body.length)]);
    response.end(body);
  });
});
server.listen(0, "127.0.0.1", () => console.log(`ready ${server.address().port}`));
