import { crc32, deflateRawSync } from "node:zlib";

/** One entry of an archive for tests; what is not given is as it should be. */
export type ZipEntry = {
  readonly name: string;
  readonly data?: string | Buffer;
  /** Unix mode with its file type; default a plain file 0644. */
  readonly mode?: number;
  readonly stored?: boolean;
  readonly crc?: number;
  readonly flags?: number;
  readonly method?: number;
  /** What the headers say of the inflated size. */
  readonly claimedBytes?: number;
};

const FILE_MODE = 0o100644;
const DEFLATED = 8;

/** Writes archives that honest tools would not. The format: APPNOTE.TXT of PKWARE, sections 4.3.7, 4.3.12, 4.3.16. */
export function zipOfEntries(entries: readonly ZipEntry[]): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const name = Buffer.from(entry.name);
    const data = Buffer.from(entry.data ?? "");
    const packed = entry.stored === true ? data : deflateRawSync(data);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(entry.flags ?? 0x800, 2);
    common.writeUInt16LE(entry.method ?? (entry.stored === true ? 0 : DEFLATED), 4);
    common.writeUInt32LE(entry.crc ?? crc32(data), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(entry.claimedBytes ?? data.length, 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), common, name, packed]);
    const attributes = Buffer.alloc(14);
    attributes.writeUInt32LE(((entry.mode ?? FILE_MODE) << 16) >>> 0, 6);
    attributes.writeUInt32LE(offset, 10);
    const madeByUnix = Buffer.from([20, 3]);
    centrals.push(Buffer.concat([Buffer.from("PK\x01\x02"), madeByUnix, common, attributes, name]));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(centrals);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}
