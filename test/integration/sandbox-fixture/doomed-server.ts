import { SandboxHost } from "./host.ts";

/** A server that launches an instance with a container and is then killed by the test. */
const host = new SandboxHost(process.argv[2]);
await host.open({ network: true });
const instance = await host.launch("i-survivor");
await instance.create("c-1");
process.stdout.write("launched\n");
