/** What an ELF kernel tells of itself: whether it is bootable here, its release, and the drivers it has built in. */
import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { kernelInvalid } from './kernel-invalid.ts';
import { REQUIRED_MODULES } from './modules.ts';

const ELF_HEADER_BYTES = 64;
const X86_64 = 62;
const NOTE_SEGMENT = 4;
/** The note "Xen", type 18: where a hypervisor enters the kernel without a boot loader (PVH) */
const PVH_NOTE_TYPE = 18;
const MAX_CONFIG_BYTES = 16 * 2 ** 20;

/** Text that is in a kernel only when the driver is built in, and the option that builds it in */
const TRACES: Record<(typeof REQUIRED_MODULES)[number], { text: string; option: string }> = {
  virtio_pci: { text: 'virtio-pci\0', option: 'CONFIG_VIRTIO_PCI' },
  virtio_blk: { text: 'virtio_blk\0', option: 'CONFIG_VIRTIO_BLK' },
  virtio_console: { text: 'virtio_console\0', option: 'CONFIG_VIRTIO_CONSOLE' },
  virtio_net: { text: 'virtio_net\0', option: 'CONFIG_VIRTIO_NET' },
  squashfs: { text: 'squashfs\0', option: 'CONFIG_SQUASHFS' },
  ext4: { text: 'ext4\0', option: 'CONFIG_EXT4_FS' },
  overlay: { text: 'overlay\0', option: 'CONFIG_OVERLAY_FS' },
};

export type Vmlinux = {
  release: string;
  /** Required drivers that are surely not built in */
  notBuiltIn: string[];
};

/** Throws KERNEL_INVALID for what no hypervisor here could boot. */
export async function inspectVmlinux(path: string): Promise<Vmlinux> {
  const elf = await readFile(path);
  if (elf.length < ELF_HEADER_BYTES || elf[4] !== 2 || elf[5] !== 1 || elf.readUInt16LE(18) !== X86_64) {
    throw kernelInvalid('The kernel is not one for x86-64');
  }
  if (!hasPvhEntry(elf)) throw kernelInvalid('The kernel has no PVH entry: it was built without CONFIG_PVH');
  const release = readRelease(elf);
  if (release === null) throw kernelInvalid('The file does not say which Linux release it is');
  return { release, notBuiltIn: findNotBuiltIn(elf) };
}

function hasPvhEntry(elf: Buffer): boolean {
  const tableAt = Number(elf.readBigUInt64LE(32));
  const entryBytes = elf.readUInt16LE(54);
  const entries = elf.readUInt16LE(56);
  for (let index = 0; index < entries; index++) {
    const at = tableAt + index * entryBytes;
    if (at + 56 > elf.length || elf.readUInt32LE(at) !== NOTE_SEGMENT) continue;
    const start = Number(elf.readBigUInt64LE(at + 8));
    const bytes = Number(elf.readBigUInt64LE(at + 32));
    if (hasPvhNote(elf.subarray(start, start + bytes))) return true;
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

function readRelease(elf: Buffer): string | null {
  const banner = 'Linux version ';
  for (let at = elf.indexOf(banner); at >= 0; at = elf.indexOf(banner, at + 1)) {
    const text = elf.toString('latin1', at + banner.length, at + banner.length + 128);
    const release = /^(\d+\.\d+[\w.+~-]*) /.exec(text)?.[1];
    if (release) return release;
  }
  return null;
}

/** By the kernel's own configuration where it carries it (CONFIG_IKCONFIG), else by traces of the drivers. */
function findNotBuiltIn(elf: Buffer): string[] {
  const config = readOwnConfig(elf);
  return REQUIRED_MODULES.filter((name) => {
    const { text, option } = TRACES[name];
    return config === null ? !elf.includes(text) : !config.includes(`\n${option}=y\n`);
  });
}

function readOwnConfig(elf: Buffer): string | null {
  const start = elf.indexOf('IKCFG_ST');
  const end = start < 0 ? -1 : elf.indexOf('IKCFG_ED', start);
  if (end < 0) return null;
  try {
    return gunzipSync(elf.subarray(start + 8, end), { maxOutputLength: MAX_CONFIG_BYTES }).toString('latin1');
  } catch {
    return null; // the mark was something else
  }
}
