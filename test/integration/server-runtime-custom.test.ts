import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { findProgram } from "../../src/host/command.ts";
import { skipUnless } from "../skip.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";
import { LambdaCaller } from "./server-fixture/lambda-caller.ts";

const COMPILER = await findProgram("cc");
const RUNTIME = { runtime: "provided.al2023", handler: "any.thing" } as const;

const hearth = needsSandbox.skip === true ? undefined : await HearthProcess.start({ provider: "sandbox" });
const lambda = new LambdaCaller(() => hearth?.url ?? "");
afterAll(async () => {
  lambda.close();
  await hearth?.[Symbol.asyncDispose]();
});

/** Answers with what it was told, and fails or ends as the event asks. */
const SHELL = `#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime
calls=0
while :; do
  curl -sS -D /tmp/headers -o /tmp/event "$api/invocation/next" || exit 1
  id=$(tr -d '\\r' </tmp/headers | sed -n 's/^lambda-runtime-aws-request-id: //Ip')
  calls=$((calls + 1))
  echo "call $calls of $id"
  case $(cat /tmp/event) in
    *fail*) curl -sS -o /dev/null -d '{"errorType":"Shell.Failed","errorMessage":"as asked"}' "$api/invocation/$id/error" ;;
    *leave*) exit 3 ;;
    *hang*) sleep 600 ;;
    *headers*) tr -d '\\r' </tmp/headers | tail -n +2 | sed '/^$/d; s/"/\\\\"/g; s/^\\([^:]*\\): *\\(.*\\)$/"\\1":"\\2"/' | paste -sd, | sed 's/^/{/; s/$/}/' |
        curl -sS -o /dev/null --data-binary @- "$api/invocation/$id/response" ;;
    *) curl -sS -o /dev/null -d "{\\"calls\\":$calls,\\"handler\\":\\"$_HANDLER\\",\\"pwd\\":\\"$PWD\\"}" "$api/invocation/$id/response" ;;
  esac
done
`;

/** Asks whatever listens beside it, in the same instance, for the next invocation. */
const IMPOSTOR = `
const http = require("node:http"), fs = require("node:fs");
const LISTENING = "0A";
exports.handler = async () => {
  const rows = fs.readFileSync("/proc/net/tcp", "utf8").split("\\n").slice(1).map((row) => row.trim().split(/\\s+/));
  const ports = rows.filter((row) => row[3] === LISTENING).map((row) => parseInt(row[1].split(":")[1], 16));
  const ask = (port) => new Promise((resolve) => {
    http.get({ port, path: "/2018-06-01/runtime/invocation/next", timeout: 1000 }, (answer) => resolve(answer.statusCode))
      .on("timeout", () => resolve("no answer")).on("error", (error) => resolve(error.code));
  });
  return { ports, answers: await Promise.all(ports.map(ask)) };
};`;

describe("provided.al2023 in a sandbox", needsSandbox, () => {
  test("runs a shell script as bootstrap", async () => {
    // The share of a processor that 128 MB come with makes a dozen programs take more than a second.
    await lambda.deploy("shell", { ...RUNTIME, timeoutS: 2, memoryMiB: 1024, files: { bootstrap: SHELL } });
    const first = await lambda.invoke("shell", {}, { tail: true });
    expect(first.json).toEqual({ calls: 1, handler: "any.thing", pwd: "/var/task" });
    expect(first.log).toContain(`call 1 of ${first.requestId}\n`);
    expect(first.log).toMatch(/\tInit Duration: [\d.]+ ms/);
    const second = await lambda.invoke("shell", {}, { tail: true });
    expect(second.json.calls).toBe(2);
    expect(second.log).not.toContain("Init Duration");
  });

  test("tells it of the invocation in headers", async () => {
    const { json, requestId } = await lambda.invoke("shell", '"headers"');
    const headers = Object.fromEntries(Object.entries(json ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
    expect(headers).toMatchObject({
      "lambda-runtime-aws-request-id": requestId,
      "lambda-runtime-invoked-function-arn": "arn:aws:lambda:us-east-1:000000000000:function:shell",
    });
    expect(Number(headers["lambda-runtime-deadline-ms"])).toBeGreaterThan(Date.now() - 60_000);
    expect(headers["lambda-runtime-trace-id"]).toMatch(/^Root=1-/);
  });

  test("its errors, exits and timeouts are reported", async () => {
    const failed = await lambda.invoke("shell", '"fail"');
    expect([failed.functionError, failed.json]).toEqual([
      "Unhandled",
      { errorType: "Shell.Failed", errorMessage: "as asked" },
    ]);
    const left = await lambda.invoke("shell", '"leave"');
    expect(left.json).toEqual({
      errorType: "Runtime.ExitError",
      errorMessage: `RequestId: ${left.requestId} Error: Runtime exited with error: exit status 3`,
    });
    const hung = await lambda.invoke("shell", '"hang"');
    expect(hung.json.errorType).toBe("Sandbox.Timedout");
    expect((await lambda.invoke("shell")).json.calls).toBe(1);
  });

  test("keeps its Runtime API to itself", async () => {
    await lambda.deploy("impostor", { files: { "index.js": IMPOSTOR } });
    const { ports, answers } = (await lambda.invoke("impostor")).json;
    expect(ports).not.toEqual([]);
    expect(answers).toContain("ECONNRESET");
    expect(answers).not.toContain(200);
    expect((await lambda.invoke("shell")).json.handler).toBe("any.thing");
  });

  test("says what is wrong with an archive that has no usable bootstrap", async () => {
    await lambda.deploy("no-bootstrap", { ...RUNTIME, files: { readme: "nothing here" } });
    const { functionError, json } = await lambda.invoke("no-bootstrap");
    expect(functionError).toBe("Unhandled");
    expect(json.errorMessage).toMatch(/exit status 127$/);
    expect(await hearth?.functionLog("no-bootstrap")).toContain("Runtime.InvalidEntrypoint");
  });
});

describe("a static binary as bootstrap", {
  ...skipUnless(COMPILER !== undefined, "needs a C compiler"),
  ...needsSandbox,
}, () => {
  test("runs, without a shell or a library of its own", async () => {
    await lambda.deploy("binary", { ...RUNTIME, files: { bootstrap: compiled(PROGRAM) } });
    for (const payload of [{ echo: [1, "two"] }, { echo: "x".repeat(100_000) }]) {
      expect((await lambda.invoke("binary", payload)).json).toEqual(payload);
    }
  });
});

/** Speaks HTTP by hand: one connection for each request, the event goes back as it came. */
const PROGRAM = `
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
static char *exchange(const char *head, const char *body, size_t size, size_t *got) {
  char host[64], *port, *all = malloc(8 << 20);
  strncpy(host, getenv("AWS_LAMBDA_RUNTIME_API"), 63);
  port = strchr(host, ':');
  *port++ = 0;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
  inet_aton(host, &to.sin_addr);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) exit(1);
  write(fd, head, strlen(head));
  for (size_t sent = 0; sent < size;) {
    ssize_t n = write(fd, body + sent, size - sent);
    if (n <= 0) exit(2);
    sent += n;
  }
  *got = 0;
  for (ssize_t n; (n = read(fd, all + *got, (8 << 20) - *got - 1)) > 0;) *got += n;
  all[*got] = 0;
  close(fd);
  return all;
}
int main(void) {
  for (;;) {
    size_t got, ignored;
    char head[512];
    char *all = exchange("GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n", "", 0, &got);
    char *id = strcasestr(all, "lambda-runtime-aws-request-id:") + 30;
    while (*id == ' ') id++;
    char *body = strstr(all, "\\r\\n\\r\\n") + 4;
    size_t size = all + got - body;
    snprintf(head, sizeof head, "POST /2018-06-01/runtime/invocation/%.36s/response HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\nContent-Length: %zu\\r\\n\\r\\n", id, size);
    free(exchange(head, body, size, &ignored));
    free(all);
  }
}
`;

function compiled(program: string): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "hearth-bootstrap-"));
  try {
    writeFileSync(join(folder, "bootstrap.c"), program);
    execFileSync(COMPILER ?? "cc", ["-static", "-O1", "-D_GNU_SOURCE", "-w", "-o", "bootstrap", "bootstrap.c"], {
      cwd: folder,
    });
    return readFileSync(join(folder, "bootstrap"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
