import { formatAddress, type Network4, SLOTS_MAX } from "./address-range.ts";

/** Before the host's own filters (priority 0): what we drop, nobody else lets through. */
const FILTER_PRIORITY = -10;
const NAT_PRIORITY = 100;

/**
 * Connections that the host tracks for one instance: an eighth of what a small host tracks in all
 * (65,536). One over is dropped; closed ones do not count. Each look-up of a name counts for 30 s.
 */
const CONNECTIONS_MAX = 8192;

/**
 * Where clouds keep credentials and the host's own services: link-local addresses, then those that
 * Azure, Alibaba and Oracle took from elsewhere. Some of them answer for names too, see `nameservers`.
 */
const METADATA = ["169.254.0.0/16", "168.63.129.16", "100.100.100.200", "192.0.0.192"];

export type Firewall = {
  readonly table: string;
  /** Pattern of the names of the instances' interfaces, `hab12-*`. */
  readonly interfaces: string;
  /** All instances' addresses. */
  readonly range: Network4;
  /** Names may be looked up there, also where all else is forbidden. */
  readonly nameservers: readonly string[];
};

/**
 * Rules of the host, for nft: instances reach the world behind the host's address, and nothing
 * else. Not the host itself, on any of its addresses, nor what it forwards from there to its own
 * containers; no other instance; no cloud's metadata. Nobody reaches an instance.
 *
 * @param boundsConnections needs the kernel's connection count (nft_connlimit).
 */
export function hostRules(firewall: Firewall, boundsConnections: boolean): string {
  const { table, interfaces } = firewall;
  const network = networkOf(firewall);
  return `
    ${noHostRules(table)}
    table inet ${table} {
      set connections {
        type ipv4_addr
        size ${SLOTS_MAX}
        flags dynamic
      }
      chain input {
        type filter hook input priority ${FILTER_PRIORITY}; policy accept;
        iifname "${interfaces}" drop
      }
      chain forward {
        type filter hook forward priority ${FILTER_PRIORITY}; policy accept;
        iifname "${interfaces}" jump leaving
        oifname "${interfaces}" ct state established,related accept
        oifname "${interfaces}" drop
      }
      chain leaving {
        meta nfproto ipv6 drop
        ip saddr != ${network} drop
        ct status dnat drop
        ${boundsConnections ? `ct state new add @connections { ip saddr ct count over ${CONNECTIONS_MAX} } drop` : ""}
        ${allowNames(firewall)}
        ip daddr { ${[...METADATA, network].join(", ")} } drop
      }
      chain postrouting {
        type nat hook postrouting priority ${NAT_PRIORITY}; policy accept;
        ip saddr ${network} oifname != "${interfaces}" masquerade
      }
    }
  `;
}

/** Takes the host's rules away, whether there are any or not. */
export function noHostRules(table: string): string {
  return `
    table inet ${table} {}
    delete table inet ${table}
  `;
}

/**
 * Rules inside an instance's network namespace, where no container can change them: a second line,
 * which stands when somebody on the host flushes all its rules. They track no connections, so that
 * loopback inside the instance stays fast.
 *
 * @param hostAddresses IPv4 addresses of the host at this moment.
 */
export function instanceRules(firewall: Firewall, hostAddresses: readonly string[]): string {
  return `
    table inet hearth {
      set forbidden {
        type ipv4_addr
        flags interval
        auto-merge
        elements = { ${[...METADATA, networkOf(firewall), ...hostAddresses].join(", ")} }
      }
      chain output {
        type filter hook output priority ${FILTER_PRIORITY}; policy accept;
        oifname "lo" accept
        meta nfproto ipv6 drop
        ${allowNames(firewall)}
        ip daddr @forbidden drop
      }
    }
  `;
}

function allowNames({ nameservers }: Firewall): string {
  if (nameservers.length === 0) return "";
  return `ip daddr { ${nameservers.join(", ")} } meta l4proto { tcp, udp } th dport 53 accept`;
}

function networkOf({ range }: Firewall): string {
  return `${formatAddress(range.address)}/16`;
}
