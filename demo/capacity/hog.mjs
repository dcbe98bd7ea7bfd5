// Somebody else's work on this host: takes so many MiB of memory and keeps them until it is killed.
const blocks = [];
for (let left = Number(process.argv[2]); left > 0; left -= 64) {
  blocks.push(Buffer.alloc(Math.min(64, left) * 1024 * 1024, 1));
  await new Promise((resolve) => setTimeout(resolve, 10));
}
setInterval(() => blocks.length, 1000);
