import type { InstanceId } from "../../../src/model/ids.ts";
import type { LaunchOrder } from "../../../src/ports/capacity-provider.ts";
import type { HostTerms } from "../../../src/ports/remote-host.ts";
import type { Ec2Options } from "../../../src/provider/ec2/ec2-provider.ts";
import type { HostOwner, RemoteHost } from "../../../src/provider/remote/remote-hosts.ts";

/** The remote endpoint of a server to which machines are invited, and which the test says have joined. */
export class InvitedHosts implements Ec2Hosts {
  readonly invitations: { readonly terms: HostTerms; readonly order: LaunchOrder; readonly expiresInMs: number }[] = [];
  readonly forgotten: InstanceId[] = [];
  readonly #joined = new Set<InstanceId>();
  owner: HostOwner | undefined;

  own(_: string, owner: HostOwner): void {
    this.owner = owner;
  }

  async inviteForInstance(terms: HostTerms, order: LaunchOrder, expiresInMs: number) {
    this.invitations.push({ terms, order, expiresInMs });
    return {
      token: this.tokenOf(order.instanceId),
      addresses: ["hearth.test:9601"],
      expiresMs: Date.now() + expiresInMs,
    };
  }

  async forgetInstance(instanceId: InstanceId): Promise<void> {
    this.forgotten.push(instanceId);
  }

  hostOfInstance(instanceId: InstanceId): RemoteHost | undefined {
    return this.#joined.has(instanceId) ? ({} as RemoteHost) : undefined;
  }

  tokenOf(instanceId: InstanceId): string {
    return `one-time-token-of-${instanceId}`;
  }

  join(instanceId: InstanceId): void {
    this.#joined.add(instanceId);
  }
}

type Ec2Hosts = Ec2Options["hosts"];
