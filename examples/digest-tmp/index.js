const { createHash, randomBytes } = require("node:crypto");
const { readFile, writeFile } = require("node:fs/promises");
const { tmpdir } = require("node:os");
const { join } = require("node:path");

// What is in the temporary folder stays there while the container is warm.
const cacheFile = join(tmpdir(), "salt");

async function salt() {
  try {
    return { value: await readFile(cacheFile, "hex"), cached: true };
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
    const value = randomBytes(16);
    await writeFile(cacheFile, value);
    return { value: value.toString("hex"), cached: false };
  }
}

exports.handler = async (event) => {
  const { value, cached } = await salt();
  const sha256 = createHash("sha256").update(value).update(JSON.stringify(event)).digest("hex");
  return { sha256, saltWasCached: cached };
};
