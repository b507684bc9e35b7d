/**
 * What an ELF kernel tells of itself: whether it is bootable here, its release, and the drivers it has built in.
 *
 * The file may be anybody's and up to a gigabyte: it is read in pieces, and what its headers claim is bounded.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Task } from '../platform/task.ts';
import { findTexts } from './find-texts.ts';
import { kernelInvalid } from './kernel-invalid.ts';
import { REQUIRED_MODULES, VSOCK_MODULE } from './modules.ts';

const ELF_HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const X86_64 = 62;
const NOTE_SEGMENT = 4;
/** The note "Xen", type 18: where a hypervisor enters the kernel without a boot loader (PVH) */
const PVH_NOTE_TYPE = 18;
/** Kernels have about five program headers and less than a kilobyte of notes */
const MAX_PROGRAM_HEADERS = 64;
const MAX_NOTE_BYTES = 64 * 1024;
const MAX_PACKED_CONFIG_BYTES = 4 * 2 ** 20;
const MAX_CONFIG_BYTES = 16 * 2 ** 20;

const BANNER = 'Linux version ';
const CONFIG_START = 'IKCFG_ST';
const CONFIG_END = 'IKCFG_ED';

/** Text that is in a kernel only when the driver is built in, and the option that builds it in */
const TRACES: Record<(typeof REQUIRED_MODULES)[number] | typeof VSOCK_MODULE, { text: string; option: string }> = {
  virtio_pci: { text: 'virtio-pci\0', option: 'CONFIG_VIRTIO_PCI' },
  virtio_blk: { text: 'virtio_blk\0', option: 'CONFIG_VIRTIO_BLK' },
  virtio_console: { text: 'virtio_console\0', option: 'CONFIG_VIRTIO_CONSOLE' },
  virtio_net: { text: 'virtio_net\0', option: 'CONFIG_VIRTIO_NET' },
  squashfs: { text: 'squashfs\0', option: 'CONFIG_SQUASHFS' },
  ext4: { text: 'ext4\0', option: 'CONFIG_EXT4_FS' },
  overlay: { text: 'overlay\0', option: 'CONFIG_OVERLAY_FS' },
  vmw_vsock_virtio_transport: { text: 'vmw_vsock_virtio_transport\0', option: 'CONFIG_VIRTIO_VSOCKETS' },
};

export type Vmlinux = {
  release: string;
  /** Required drivers that are surely not built in */
  notBuiltIn: string[];
  /** Whether a vsock seems to be built in */
  hasVsock: boolean;
};

/** Throws KERNEL_INVALID for what no hypervisor here could boot. */
export async function inspectVmlinux(task: Task, path: string): Promise<Vmlinux> {
  await using file = await open(path, 'r');
  const header = await readBytes(file, 0, ELF_HEADER_BYTES);
  if (header.length < ELF_HEADER_BYTES || header[4] !== 2 || header[5] !== 1 || header.readUInt16LE(18) !== X86_64) {
    throw kernelInvalid('The kernel is not one for x86-64');
  }
  if (!(await hasPvhEntry(file, header))) {
    throw kernelInvalid('The kernel has no PVH entry: it was built without CONFIG_PVH');
  }
  const texts = [BANNER, CONFIG_START, CONFIG_END, ...Object.values(TRACES).map(({ text }) => text)];
  const found = await findTexts(task, file, texts);
  const release = await readRelease(file, found.get(BANNER) ?? []);
  if (release === null) throw kernelInvalid('The file does not say which Linux release it is');
  const isBuiltIn = await findBuiltIn(file, found);
  const notBuiltIn = REQUIRED_MODULES.filter((name) => !isBuiltIn(name));
  return { release, notBuiltIn, hasVsock: isBuiltIn(VSOCK_MODULE) };
}

async function hasPvhEntry(file: FileHandle, header: Buffer): Promise<boolean> {
  const tableAt = Number(header.readBigUInt64LE(32));
  const entries = header.readUInt16LE(56);
  if (header.readUInt16LE(54) !== PROGRAM_HEADER_BYTES || entries > MAX_PROGRAM_HEADERS) return false;
  const table = await readBytes(file, tableAt, entries * PROGRAM_HEADER_BYTES);
  for (let at = 0; at + PROGRAM_HEADER_BYTES <= table.length; at += PROGRAM_HEADER_BYTES) {
    if (table.readUInt32LE(at) !== NOTE_SEGMENT) continue;
    const notesAt = Number(table.readBigUInt64LE(at + 8));
    const bytes = Math.min(Number(table.readBigUInt64LE(at + 32)), MAX_NOTE_BYTES);
    if (hasPvhNote(await readBytes(file, notesAt, bytes))) return true;
  }
  return false;
}

function hasPvhNote(notes: Buffer): boolean {
  for (let at = 0; at + 12 <= notes.length; ) {
    const nameBytes = notes.readUInt32LE(at);
    const valueBytes = notes.readUInt32LE(at + 4);
    const isXen = notes.toString('latin1', at + 12, at + 16) === 'Xen\0';
    if (isXen && notes.readUInt32LE(at + 8) === PVH_NOTE_TYPE) return true;
    at += 12 + Math.ceil(nameBytes / 4) * 4 + Math.ceil(valueBytes / 4) * 4;
  }
  return false;
}

/** The first of the places that goes on as a kernel's banner does; other code prints such words too. */
async function readRelease(file: FileHandle, places: readonly number[]): Promise<string | null> {
  for (const at of places) {
    const text = (await readBytes(file, at + BANNER.length, 128)).toString('latin1');
    const release = /^(\d+\.\d+[\w.+~-]*) /.exec(text)?.[1];
    if (release) return release;
  }
  return null;
}

/** By the kernel's own configuration where it carries it (CONFIG_IKCONFIG), else by traces of the drivers. */
async function findBuiltIn(file: FileHandle, found: ReadonlyMap<string, number[]>) {
  const config = await readOwnConfig(file, found);
  return (name: keyof typeof TRACES): boolean => {
    const { text, option } = TRACES[name];
    return config === null ? found.has(text) : config.includes(`\n${option}=y\n`);
  };
}

async function readOwnConfig(file: FileHandle, found: ReadonlyMap<string, number[]>): Promise<string | null> {
  const start = (found.get(CONFIG_START)?.[0] ?? Number.POSITIVE_INFINITY) + CONFIG_START.length;
  const end = found.get(CONFIG_END)?.find((at) => at > start);
  if (end === undefined || end - start > MAX_PACKED_CONFIG_BYTES) return null;
  const packed = await readBytes(file, start, end - start);
  try {
    return (await promisify(gunzip)(packed, { maxOutputLength: MAX_CONFIG_BYTES })).toString('latin1');
  } catch {
    return null; // the mark was something else
  }
}

/** Fewer where the file ends. */
async function readBytes(file: FileHandle, at: number, bytes: number): Promise<Buffer> {
  if (!Number.isSafeInteger(at + bytes)) return Buffer.alloc(0);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, at);
  return buffer.subarray(0, bytesRead);
}
