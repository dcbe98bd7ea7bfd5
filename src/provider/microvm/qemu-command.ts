import { GATEWAY, GUEST_NETWORK } from "./guest-network.ts";
import { type Accelerator, TRANSLATION_MIB } from "./guest-shape.ts";

export type Machine = {
  readonly accelerator: Accelerator;
  readonly memoryMiB: number;
  readonly processors: number;
  readonly kernelPath: string;
  readonly initrdPath: string;
  /** Read-only, in this order: /dev/vda, /dev/vdb. */
  readonly imagePaths: readonly string[];
  /** Writable, the next one; undefined: none. */
  readonly dataPath: string | undefined;
  /** Name below `opt/hearth/` to the file with its content, read when the machine starts. */
  readonly configFiles: Readonly<Record<string, string>>;
  /** What the guest's kernel is told beside the console. */
  readonly kernelOptions: readonly string[];
  /** Where the guest's console goes: a file, or standard output. */
  readonly console: { readonly kind: "file"; readonly path: string } | { readonly kind: "output" };
  /** Number that QEMU runs as once it has opened its files. */
  readonly uid: number;
};

export const QEMU = "qemu-system-x86_64";

/**
 * Arguments for QEMU: a machine without display, monitor or anything that is not asked for. QEMU may start no programs,
 * and gives up its rights before the guest runs; a guest that reboots or panics ends it.
 */
export function qemuArguments(machine: Machine): string[] {
  const { accelerator, memoryMiB, processors, kernelPath, initrdPath, uid } = machine;
  const images = machine.imagePaths.map((path) => ({ path, options: "readonly=on" }));
  // A full disk of the host fails the guest's write; the default would stop the machine until somebody says go on.
  const data = { options: "cache=unsafe,discard=unmap,detect-zeroes=unmap,werror=report,rerror=report" };
  const disks = [...images, ...(machine.dataPath === undefined ? [] : [{ path: machine.dataPath, ...data }])];
  return [
    ["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-monitor", "none"],
    ["-sandbox", "on,obsolete=deny,resourcecontrol=deny,spawn=deny"],
    ["-runas", `${uid}:${uid}`],
    ["-machine", "q35,usb=off,vmport=off,smbus=off,graphics=off", "-m", String(memoryMiB), "-smp", String(processors)],
    ...ACCELERATION[accelerator],
    ["-kernel", kernelPath, "-initrd", initrdPath, "-append", kernelCommandLine(machine.kernelOptions)],
    consoleArguments(machine.console),
    ...disks.flatMap(({ path, options }, at) => [
      ["-drive", `if=none,id=disk${at},format=raw,file=${escaped(path)},${options}`],
      ["-device", `virtio-blk-pci,drive=disk${at}`],
    ]),
    ["-netdev", `user,id=net,ipv6=off,net=${GUEST_NETWORK},host=${GATEWAY}`],
    ["-device", "virtio-net-pci,netdev=net,romfile="],
    ["-device", "virtio-rng-pci"],
    ...Object.entries(machine.configFiles).map(([name, path]) => [
      "-fw_cfg",
      `name=opt/hearth/${name},file=${escaped(path)}`,
    ]),
  ].flat();
}

/** Appending, so that a file that was emptied is written from its beginning again. */
function consoleArguments(console: Machine["console"]): string[] {
  if (console.kind === "output") return ["-serial", "stdio"];
  return ["-chardev", `file,id=console,path=${escaped(console.path)},append=on`, "-serial", "chardev:console"];
}

const ACCELERATION: Readonly<Record<Accelerator, readonly (readonly string[])[]>> = {
  kvm: [["-accel", "kvm", "-cpu", "host"]],
  tcg: [["-accel", `tcg,thread=multi,tb-size=${TRANSLATION_MIB}`, "-cpu", "max"]],
};

/** The first process, not a person, says what goes wrong; a panic ends the machine at once. */
function kernelCommandLine(options: readonly string[]): string {
  return ["console=ttyS0", "loglevel=4", "panic=-1", "random.trust_cpu=on", ...options].join(" ");
}

/** In QEMU's lists of options a comma is written twice. */
function escaped(path: string): string {
  return path.replaceAll(",", ",,");
}
