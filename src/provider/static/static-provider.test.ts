import { expect, test } from "vitest";
import type { Offer } from "../../model/capacity.ts";
import type { HostOwner, RemoteHost, RemoteHosts } from "../remote/remote-hosts.ts";
import { createStaticProvider } from "./static-provider.ts";

function hostOf(hostId: string, name: string): RemoteHost {
  const terms = { provider: "static", subPool: "fixed", priceUsdPerHour: 1 };
  const offered = { memoryMiB: 2048, cpuMilli: 1000 };
  return { hostId, name, zone: "z", terms, offered, isConnected: true, instanceIds: [] } as unknown as RemoteHost;
}

test("the offer of a host that was removed ends, unless another host has its name by then", () => {
  const hosts: RemoteHost[] = [];
  let owner: HostOwner | undefined;
  const provider = createStaticProvider({
    hostsOf: () => hosts,
    own: (_kind: string, own: HostOwner) => {
      owner = own;
    },
  } as unknown as RemoteHosts);
  const told: [string, boolean][] = [];
  const onOffers = (offers: readonly Offer[]) =>
    told.push(...offers.map(({ id, isAvailable }): [string, boolean] => [id, isAvailable]));
  provider.watch({ onOffers, onAtRisk() {}, onReclaim() {}, onExit() {} });
  const [first, second] = [hostOf("h-1", "debian"), hostOf("h-2", "debian")];
  owner?.onHost(first);
  owner?.onRemoved(first);
  owner?.onHost(second);
  expect(told).toEqual([
    ["static/z/debian/owned", true],
    ["static/z/debian/owned", false],
    ["static/z/debian/owned", true],
  ]);
  expect(provider.offers()).toHaveLength(1);

  // A machine that joins under the name of one that is removed only afterwards.
  owner?.onHost(first);
  owner?.onRemoved(first);
  expect(told.at(-1)).toEqual(["static/z/debian/owned", true]);
  expect(provider.offers()).toMatchObject([{ isAvailable: true }]);
});
