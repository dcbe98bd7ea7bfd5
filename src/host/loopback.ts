import { closeSync } from "node:fs";
import { checked, libc } from "./libc.ts";

/** Switches on the loopback interface of this process's network namespace, so that 127.0.0.1 exists. */
export function bringLoopbackUp(): void {
  const AF_INET = 2;
  const SOCK_DGRAM = 2;
  const SIOCSIFFLAGS = 0x8914n;
  const IFF_UP = 1;
  const fd = checked(libc().socket(AF_INET, SOCK_DGRAM, 0), () => "socket");
  try {
    const request = Buffer.alloc(40); // struct ifreq: name[16], then the flags
    request.write("lo");
    request.writeInt16LE(IFF_UP, 16);
    checked(libc().ioctl(fd, SIOCSIFFLAGS, request), () => "switch on the loopback interface");
  } finally {
    closeSync(fd);
  }
}
