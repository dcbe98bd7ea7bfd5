/** A file, folder or device of an archive that the kernel unpacks as its first root (initramfs). */
export type CpioEntry = {
  /** Without a leading slash. */
  readonly path: string;
  readonly content:
    | { readonly kind: "folder" }
    | { readonly kind: "file"; readonly bytes: Uint8Array; readonly isExecutable: boolean }
    | { readonly kind: "characterDevice"; readonly major: number; readonly minor: number };
};

const FOLDER_MODE = 0o040755;
const FILE_MODE = 0o100644;
const EXECUTABLE_MODE = 0o100755;
const CHARACTER_DEVICE_MODE = 0o020600;
const TRAILER = "TRAILER!!!";
const ALIGNMENT_BYTES = 4;

/**
 * Writes an archive in the "new ASCII" format (Documentation/driver-api/early-userspace/buffer-format.rst of Linux). All
 * belongs to root and is as old as the epoch, so the same entries give the same bytes.
 */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const parts = entries.map(({ path, content }, index) => record(path, content, index + 1));
  return Buffer.concat([...parts, record(TRAILER, { kind: "file", bytes: new Uint8Array(), isExecutable: false }, 0)]);
}

function record(path: string, content: CpioEntry["content"], inode: number): Buffer {
  const bytes = content.kind === "file" ? content.bytes : new Uint8Array();
  const name = Buffer.from(`${path}\0`);
  const device = content.kind === "characterDevice" ? content : { major: 0, minor: 0 };
  const numbers = [
    inode,
    modeOf(content),
    0, // uid
    0, // gid
    1, // links
    0, // modified
    bytes.length,
    0, // device that holds it, major and minor
    0,
    device.major,
    device.minor,
    name.length,
    0, // checksum: none in this format
  ];
  const header = `070701${numbers.map((number) => number.toString(16).padStart(8, "0")).join("")}`;
  return Buffer.concat([padded(Buffer.concat([Buffer.from(header), name])), padded(bytes)]);
}

function modeOf(content: CpioEntry["content"]): number {
  switch (content.kind) {
    case "folder":
      return FOLDER_MODE;
    case "file":
      return content.isExecutable ? EXECUTABLE_MODE : FILE_MODE;
    case "characterDevice":
      return CHARACTER_DEVICE_MODE;
    default:
      return content satisfies never;
  }
}

function padded(bytes: Uint8Array): Buffer {
  const rest = bytes.length % ALIGNMENT_BYTES;
  return Buffer.concat([bytes, Buffer.alloc(rest === 0 ? 0 : ALIGNMENT_BYTES - rest)]);
}
