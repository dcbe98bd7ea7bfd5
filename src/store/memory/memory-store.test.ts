import { describeStore } from "../../ports/contract/store-contract.ts";
import { createMemoryStore } from "./memory-store.ts";

describeStore("memory", async () => createMemoryStore(), undefined);
