import { createServer, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCommandLine } from "../../src/cli/command-line-fixture.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";
import { LambdaCaller } from "./server-fixture/lambda-caller.ts";

/** One exception has several causes: what the command line advises must help against the one that it was. */
describe("what the command line advises when a real server refuses", () => {
  let hearth: HearthProcess;
  let lambda: LambdaCaller;
  let accountKey: Record<string, string>;
  beforeAll(async () => {
    hearth = await HearthProcess.start({ provider: "process" });
    lambda = new LambdaCaller(() => hearth.url);
    await lambda.deploy("stopped", { files: { "index.js": "exports.handler = async () => 1;" } });
    await lambda.request(
      "PUT",
      "/2017-10-31/functions/stopped/concurrency",
      JSON.stringify({ ReservedConcurrentExecutions: 0 }),
    );
    const { accountId } = JSON.parse((await run(["account", "create", "team", "--json"])).out);
    const key = JSON.parse((await run(["account", "key", accountId, "--json"])).out);
    accountKey = { HEARTH_ACCESS_KEY_ID: key.accessKeyId, HEARTH_SECRET_ACCESS_KEY: key.secretAccessKey };
  });
  afterAll(async () => {
    lambda.close();
    await hearth[Symbol.asyncDispose]();
  });

  function run(args: readonly string[], env: Record<string, string> = {}) {
    return runCommandLine(args, { HEARTH_SERVER: hearth.url, HEARTH_DATA: hearth.dataDir, ...env });
  }

  async function failureOf(args: readonly string[], env: Record<string, string> = {}) {
    const { error } = JSON.parse((await run([...args, "--json"], env)).err);
    return error as { readonly code: string; readonly message: string; readonly remedy?: string };
  }

  const functions = "`hearth list` shows the functions";
  test.each([
    ["invoke none", functions],
    ["rm none", functions],
    ["schedule pause none", "`hearth schedule list` shows the schedules"],
    ["source show none", "`hearth source list` shows the sources"],
    ["host remove none", "`hearth host list` shows the hosts"],
    ["account key none", "`hearth account list` shows the accounts"],
    ["account show none", "`hearth account list` shows the accounts"],
    ["explain none", "`hearth logs FUNCTION` shows the ids of its invocations"],
    ["offers price none 1", undefined],
    ["sizing none", "`hearth list` shows the functions, `hearth account list` the accounts"],
  ])("what is not there: hearth %s", async (command, remedy) => {
    const { code, ...failure } = await failureOf(command.split(" "));
    expect([code, failure.remedy]).toEqual(["ResourceNotFoundException", remedy]);
  });

  test("who may not", async () => {
    const arn = "arn:aws:lambda:us-east-1:000000000000:function:stopped";
    const operator = "use a key of the operator's account";
    const owner = "use a key of the account that has the function, or let it allow yours: `aws lambda add-permission`";
    expect(await failureOf(["status"], accountKey)).toMatchObject({ code: "AccessDeniedException", remedy: operator });
    const ofOther = ["waits", "--account", "000000000000"];
    expect(await failureOf(ofOther, accountKey)).toMatchObject({ code: "AccessDeniedException", remedy: operator });
    expect(await failureOf(["invoke", arn], accountKey)).toMatchObject({
      code: "AccessDeniedException",
      remedy: owner,
    });
    expect(await failureOf(["rm", arn], accountKey)).toMatchObject({
      code: "AccessDeniedException",
      remedy: "use a key of that account",
    });
  });

  test("a name that a server on loopback does not answer to", async () => {
    const server = hearth.url.replace("127.0.0.1", "0.0.0.0");
    expect(await failureOf(["status", "--server", server])).toMatchObject({
      code: "AccessDeniedException",
      remedy: "call it 127.0.0.1 or localhost: bound to loopback it answers to no other name",
    });
  });

  test("another region, and another secret", async () => {
    expect(await failureOf(["status"], { HEARTH_REGION: "eu-west-1" })).toMatchObject({
      code: "InvalidSignatureException",
      remedy: "leave HEARTH_REGION out, or set it to the server's region",
    });
    expect(await failureOf(["list"], { ...accountKey, HEARTH_SECRET_ACCESS_KEY: "wrong" })).toMatchObject({
      code: "InvalidSignatureException",
      remedy: "check the secret access key and this machine's clock",
    });
  });

  test("what will not be there in a moment: reserved concurrency of 0, variable capacity, a deadline", async () => {
    expect(await failureOf(["invoke", "stopped"])).toMatchObject({
      code: "TooManyRequestsException",
      remedy: expect.stringContaining("or is 0 and stops it"),
    });
    await lambda.deploy("varied", { files: { "index.js": "exports.handler = async () => 1;" } });
    await run(["account", "set", "000000000000", "--class", "variable", "--on-shortage", "fail:100ms"]);
    expect(await failureOf(["invoke", "varied"])).toMatchObject({
      code: "TooManyRequestsException",
      remedy: expect.stringContaining("`hearth offers`"),
    });
    await run(["account", "set", "000000000000", "--class", "variable", "--on-shortage", "wait"]);
    expect(await failureOf(["invoke", "varied", "--deadline", "+1s"])).toMatchObject({
      code: "TooManyRequestsException",
      remedy: expect.stringContaining("give it a later --deadline"),
    });
  });

  test("what is no Hearth, or speaks no TLS", async () => {
    const remedy = "name the server with --server URL (HEARTH_SERVER): http:// unless something before it does TLS";
    const tls = await failureOf(["status", "--server", hearth.url.replace("http:", "https:")]);
    expect(tls).toMatchObject({ code: "Disconnected", remedy });
    expect(tls.message).not.toContain("\n");
    const sockets = new Set<Socket>();
    const other = createServer((socket) => {
      sockets.add(socket.on("error", () => {}));
      socket.end("220 mail.example ESMTP\r\n");
    });
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as { port: number };
    expect(await failureOf(["status", "--server", `http://127.0.0.1:${port}`])).toMatchObject({ remedy });
    for (const socket of sockets) socket.destroy();
    other.close();
  });
});
