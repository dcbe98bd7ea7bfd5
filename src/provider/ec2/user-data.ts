import type { Shape } from "../../model/instance.ts";
import type { HostAgentConfigInput } from "../../protocol/host-agent-config.ts";
import type { Ec2Settings } from "./ec2-settings.ts";

/** EC2's limit, before it is encoded. */
const USER_DATA_BYTES_MAX = 16_384;
const CONFIG_PATH = "/etc/hearth/host.json";
const DATA_DIR = "/var/lib/hearth";
/** Where the first boot of a plain image puts things. */
const INSTALL_DIR = "/opt/hearth";
/** What the sandbox provider uses of Debian, and the installation itself. */
const PACKAGES = ["runc", "iproute2", "nftables", "e2fsprogs", "util-linux", "ca-certificates", "curl", "xz-utils"];
/** Starts of the host agent within ten minutes before the machine counts as broken. */
const STARTS_MAX = 20;

export type UserDataInput = {
  readonly setup: Ec2Settings["setup"];
  /** Of the server's remote endpoint, `HOST:PORT`. */
  readonly server: string;
  /** One-time, for this instance. */
  readonly joinToken: string;
  /** Letters, digits, `.`, `_`, `-`. */
  readonly name: string;
  readonly zone: string;
  /** What the one instance is to have; the rest of the machine is the system's. */
  readonly shape: Shape;
  readonly joinMsMax: number;
};

/**
 * The script that a machine runs as root at its first boot: installs Hearth where the image has none, and starts the host
 * agent. A machine whose installation fails, or whose host agent ends for good, powers off, and with it is terminated.
 *
 * The only secret in it is the join token: used once, void after `joinMsMax`, good for this one instance.
 *
 * @throws Error when it is longer than EC2 takes.
 */
export function userDataOf(input: UserDataInput): string {
  const script = scriptOf(input);
  if (Buffer.byteLength(script) > USER_DATA_BYTES_MAX)
    throw new Error(`the user data is longer than the ${USER_DATA_BYTES_MAX} bytes that EC2 takes`);
  return script;
}

function scriptOf({ setup, server, joinToken, name, zone, shape, joinMsMax }: UserDataInput): string {
  const config = JSON.stringify({
    server,
    token: joinToken,
    name,
    zone,
    ...shape,
    dataDir: DATA_DIR,
    provider: "sandbox",
    isSingle: true,
    orphanMs: joinMsMax,
    notices: "imds",
  } satisfies HostAgentConfigInput);
  const hearth = setup.kind === "prepared" ? setup.hearthPath : `${INSTALL_DIR}/app/bin/hearth.mjs`;
  return `#!/bin/bash
# Made by Hearth: this machine is one instance of a Hearth server, and powers off when it is that no more.
set -euo pipefail
exec > >(tee -a /var/log/hearth-boot.log > /dev/console) 2>&1
trap 'status=$?; [ "$status" = 0 ] || { echo "hearth: the first boot failed at line $LINENO"; systemctl poweroff; }' EXIT
install -d -m 0700 /etc/hearth ${DATA_DIR}
(umask 077; cat > ${CONFIG_PATH} << 'END_OF_CONFIG'
${config}
END_OF_CONFIG
)
${setup.kind === "debian" ? installation(setup) : ""}
cat > /etc/systemd/system/hearth.service << 'END_OF_UNIT'
${unitOf(hearth)}END_OF_UNIT
systemctl daemon-reload
systemctl enable --now hearth.service
echo 'hearth: the host agent is started'
`;
}

/** Downloads are checked before anything of them is run or unpacked. */
function installation({ node, hearth, pythons }: Extract<Ec2Settings["setup"], { kind: "debian" }>): string {
  const packages = [...PACKAGES, ...pythons.flatMap((python) => [python, "python3-boto3"])];
  return `export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install --yes --no-install-recommends ${packages.join(" ")}
fetch() { # URL SHA256 FILE
  curl --fail --silent --show-error --location --retry 5 --retry-all-errors --max-time 300 --output "$3" "$1"
  echo "$2  $3" | sha256sum --check --strict --quiet
}
cd "$(mktemp -d)"
fetch ${quote(node.url)} ${node.sha256} node.tar.xz
fetch ${quote(hearth.url)} ${hearth.sha256} hearth.tgz
mkdir -p ${INSTALL_DIR}/app
tar -xJf node.tar.xz -C ${INSTALL_DIR} --strip-components=1 --no-same-owner
tar -xzf hearth.tgz -C ${INSTALL_DIR}/app --strip-components=1 --no-same-owner
cd ${INSTALL_DIR}/app
PATH="${INSTALL_DIR}/bin:$PATH" npm ci --omit=dev --no-audit --no-fund
`;
}

/**
 * Killed, the host agent is started again and finds its instance. When it ended by itself (0: its work is done or it was told to;
 * 2, 3: it will never work) the machine ends as well.
 */
function unitOf(hearth: string): string {
  return `[Unit]
Description=Hearth host agent
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=600
StartLimitBurst=${STARTS_MAX}
StartLimitAction=poweroff

[Service]
Environment=PATH=${INSTALL_DIR}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ExecStart=${hearth} agent --config ${CONFIG_PATH}
ExecStopPost=/bin/sh -c 'case "$EXIT_CODE:$EXIT_STATUS" in exited:0|exited:2|exited:3) systemctl --no-block poweroff ;; esac'
Restart=on-failure
RestartPreventExitStatus=2 3
RestartSec=1
KillMode=process
Delegate=yes
TasksMax=infinity
LimitNOFILE=1048576

[Install]
WantedBy=multi-user.target
`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
