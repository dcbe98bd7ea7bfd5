import { availableParallelism } from "node:os";
import type { Shape } from "../../model/instance.ts";

/** How the guest's processors run. */
export type Accelerator = "kvm" | "tcg";

/** What the sandbox provider in the guest gives to containers, of the memory that it finds available. */
const CONTAINER_SHARE = 0.8;
/** The kernel, the host agent, and the images' pages that everything runs from. */
const GUEST_BASE_MIB = 256;
/** The kernel keeps 64 bytes for each page of 4096. */
const PAGE_TABLE_SHARE = 1 / 64;

/** QEMU's own: devices, and for emulation the translated code (`TRANSLATION_MIB`) with what it takes to look it up. */
const QEMU_MIB: Readonly<Record<Accelerator, number>> = { kvm: 128, tcg: 448 };
export const TRANSLATION_MIB = 256;
/** Of QEMU's threads that move data, beside the guest's processors. */
const IO_CPU_MILLI = 250;

/**
 * The guest's memory for an instance whose containers have `shape` together: an instance of 1024 MiB holds 1024 MiB of
 * containers, beside its kernel, its host agent and its agent.
 */
export function guestMemoryMiB({ memoryMiB }: Shape): number {
  return Math.ceil((memoryMiB / CONTAINER_SHARE + GUEST_BASE_MIB) * (1 + PAGE_TABLE_SHARE));
}

export function guestProcessors({ cpuMilli }: Shape): number {
  return Math.min(Math.ceil(cpuMilli / 1000), availableParallelism());
}

/** What the instance takes of the host at most, with all that belongs to it. */
export function hostShape(shape: Shape, accelerator: Accelerator): Shape {
  return {
    memoryMiB: guestMemoryMiB(shape) + QEMU_MIB[accelerator],
    cpuMilli: shape.cpuMilli + IO_CPU_MILLI,
  };
}

/** The most that the containers of one instance can have where the host gives `hostMiB` to it; may be below 0. */
export function containersMiBWithin(hostMiB: number, accelerator: Accelerator): number {
  const guestMiB = hostMiB - QEMU_MIB[accelerator] - 1; // What was rounded up.
  return Math.floor((guestMiB / (1 + PAGE_TABLE_SHARE) - GUEST_BASE_MIB) * CONTAINER_SHARE);
}
