/** One load, as ordered by closed-loop.ts in the first message; answers with its LoadResult and ends. */
import { connect } from "node:net";

const HEAD_END = Buffer.from("\r\n\r\n");

process.once("message", async (order) => {
  const latenciesUs = [];
  let errors = 0;
  const startMs = performance.now();
  const endMs = startMs + order.seconds * 1000;
  const onAnswer = (latencyUs, isOk) => {
    latenciesUs.push(latencyUs);
    if (!isOk) errors++;
    return performance.now() < endMs;
  };
  const onBreak = () => errors++;
  const request = Buffer.from(order.request);
  await Promise.all(Array.from({ length: order.callers }, () => call(order, request, onAnswer, onBreak)));
  const tookMs = performance.now() - startMs;
  latenciesUs.sort((a, b) => a - b);
  const at = (share) => latenciesUs[Math.max(0, Math.ceil(latenciesUs.length * share) - 1)] ?? Number.NaN;
  const requests = latenciesUs.length;
  process.send(
    { requests, requestsPerSecond: (requests * 1000) / tookMs, errors, p50Us: at(0.5), p99Us: at(0.99), maxUs: at(1) },
    () => process.disconnect(),
  );
});

/** One connection, one request at a time; resolves when `onAnswer` wants no more. */
function call({ host, port }, request, onAnswer, onBreak) {
  return new Promise((resolve) => {
    let beganMs = 0;
    let answer = Buffer.alloc(0);
    const socket = connect({ host, port, noDelay: true });
    const send = () => {
      beganMs = performance.now();
      socket.write(request);
    };
    socket.on("connect", send);
    socket.on("data", (bytes) => {
      answer = answer.length === 0 ? bytes : Buffer.concat([answer, bytes]);
      const status = statusOf(answer);
      if (status === undefined) return;
      answer = Buffer.alloc(0);
      if (onAnswer((performance.now() - beganMs) * 1000, status >= 200 && status < 300)) send();
      else socket.end();
    });
    socket.on("error", onBreak);
    socket.on("close", resolve);
  });
}

/** undefined while the answer is incomplete. All sides answer with a Content-Length or in chunks. */
function statusOf(answer) {
  const headEnd = answer.indexOf(HEAD_END);
  if (headEnd === -1) return undefined;
  const head = answer.latin1Slice(0, headEnd);
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  const isWhole =
    length === undefined
      ? answer.subarray(-5).equals(Buffer.from("0\r\n\r\n"))
      : answer.length >= headEnd + 4 + Number(length);
  return isWhole ? Number(head.slice(9, 12)) : undefined;
}
