/** What an extension of a test does; each line that it writes begins with its name. */
export type Behaviour = {
  readonly events?: readonly string[];
  /** JavaScript, run before it registers, before its first `next`, and at each event (`event`, `name`, `call`). */
  readonly atStart?: string;
  readonly atInit?: string;
  readonly atEvent?: string;
};

/** An external extension in Node.js, as a program with this interpreter. */
export function nodeExtension(nodePath: string, behaviour: Behaviour = {}): string {
  return `#!${nodePath}
const name = require("node:path").basename(__filename);
${extensionBody(behaviour)}`;
}

/** The same inside the runtime's process, as the beginning of an ES module; init waits for its registration. */
export function internalExtension(name: string, behaviour: Behaviour = {}): string {
  return `await new Promise((isRegistered) => {
  const name = ${JSON.stringify(name)};
  ${extensionBody({ events: ["INVOKE"], ...behaviour, atInit: `isRegistered(); ${behaviour.atInit ?? ""}` })}
});
`;
}

function extensionBody({
  events = ["INVOKE", "SHUTDOWN"],
  atStart = "",
  atInit = "",
  atEvent = "",
}: Behaviour): string {
  return `
const api = "http://" + process.env.AWS_LAMBDA_RUNTIME_API + "/2020-01-01/extension/";
let id;
const call = async (method, path, headers = {}, body) => {
  const response = await fetch(api + path, {
    method, body, headers: { ...(id === undefined ? { "Lambda-Extension-Name": name } : { "Lambda-Extension-Identifier": id }), ...headers },
  });
  id ??= response.headers.get("lambda-extension-identifier") ?? undefined;
  return response;
};
const say = (...words) => process.stdout.write(name + " " + words.join(" ") + "\\n");
(async () => {
  ${atStart}
  const registered = await call("POST", "register", { "Lambda-Extension-Accept-Feature": "accountId" }, ${JSON.stringify(JSON.stringify({ events }))});
  say("registered", await registered.text());
  ${atInit}
  for (;;) {
    const event = await (await call("GET", "event/next")).json();
    say(event.eventType, event.requestId ?? event.shutdownReason);
    ${atEvent}
    if (event.eventType === "SHUTDOWN") process.exit(0);
  }
})().catch((error) => { say("failed", error.cause ?? error); process.exit(9); });
`;
}

/** An external extension as a shell script with curl. */
export const SHELL_EXTENSION = `#!/bin/sh
name=\${0##*/}
api="http://$AWS_LAMBDA_RUNTIME_API/2020-01-01/extension"
id=$(curl -s -D - -o /dev/null -H "Lambda-Extension-Name: $name" -d '{"events":["INVOKE","SHUTDOWN"]}' "$api/register" |
  tr -d '\\r' | sed -n 's/^lambda-extension-identifier: //Ip')
while :; do
  event=$(curl -s -H "Lambda-Extension-Identifier: $id" "$api/event/next")
  type=$(echo "$event" | sed 's/.*"eventType":"\\([A-Z]*\\)".*/\\1/')
  echo "$name $type"
  [ "$type" = INVOKE ] || exit 0
done
`;
