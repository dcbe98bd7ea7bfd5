import { formatAddress, type Network4 } from "./address-range.ts";

/** Before the host's own filters (priority 0): what we drop, nobody else lets through. */
const FILTER_PRIORITY = -10;
const NAT_PRIORITY = 100;

/**
 * Rules for nft: instances reach the world behind the host's address, and nothing else. Not the
 * host itself, on any of its addresses; no other instance; no link-local address, where clouds
 * keep their credentials. Nobody reaches an instance.
 *
 * @param interfaces pattern of the names of the instances' interfaces, `hab12-*`.
 */
export function firewallRules(table: string, interfaces: string, range: Network4): string {
  const network = `${formatAddress(range.address)}/16`;
  return `
    ${noFirewallRules(table)}
    table inet ${table} {
      chain input {
        type filter hook input priority ${FILTER_PRIORITY}; policy accept;
        iifname "${interfaces}" drop
      }
      chain forward {
        type filter hook forward priority ${FILTER_PRIORITY}; policy accept;
        iifname "${interfaces}" ip daddr { 169.254.0.0/16, ${network} } drop
        iifname "${interfaces}" ip saddr != ${network} drop
        iifname "${interfaces}" meta nfproto ipv6 drop
        oifname "${interfaces}" ct state established,related accept
        oifname "${interfaces}" drop
      }
      chain postrouting {
        type nat hook postrouting priority ${NAT_PRIORITY}; policy accept;
        ip saddr ${network} oifname != "${interfaces}" masquerade
      }
    }
  `;
}

/** Takes the rules away, whether there are any or not. */
export function noFirewallRules(table: string): string {
  return `
    table inet ${table} {}
    delete table inet ${table}
  `;
}
