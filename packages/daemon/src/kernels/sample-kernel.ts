/** Kernels for the tests: files that are shaped like one, and boot nothing. */

export const RELEASE = '6.1.0-test';
const DRIVERS = ['virtio-pci', 'virtio_blk', 'virtio_console', 'virtio_net', 'squashfs', 'ext4', 'overlay'];
const HEADER_BYTES = 64;
const SEGMENT_BYTES = 56;

type Sample = { drivers?: string[]; pvh?: boolean; machine?: number; release?: string };

/** An ELF file with what a kernel tells of itself: its banner, its PVH note, the names of its drivers. */
export function sampleVmlinux({ drivers = DRIVERS, pvh = true, machine = 62, release = RELEASE }: Sample = {}): Buffer {
  const header = Buffer.alloc(HEADER_BYTES + SEGMENT_BYTES);
  header.write('\x7fELF\x02\x01\x01', 0, 'latin1');
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(machine, 18);
  header.writeBigUInt64LE(BigInt(HEADER_BYTES), 32);
  header.writeUInt16LE(SEGMENT_BYTES, 54);
  header.writeUInt16LE(1, 56);
  const note = Buffer.alloc(20);
  note.writeUInt32LE(4, 0);
  note.writeUInt32LE(4, 4);
  note.writeUInt32LE(pvh ? 18 : 6, 8);
  note.write('Xen\0', 12, 'latin1');
  header.writeUInt32LE(4, HEADER_BYTES);
  header.writeBigUInt64LE(BigInt(header.length), HEADER_BYTES + 8);
  header.writeBigUInt64LE(BigInt(note.length), HEADER_BYTES + 32);
  const banner = `Linux version ${release} (builder@host) #1\n\0`;
  return Buffer.concat([header, note, Buffer.from(banner), Buffer.from(drivers.map((name) => `${name}\0`).join(''))]);
}

/** A bzImage around a compressed payload; all but gzip have the unpacked size at their end. */
export function sampleBzImage(payload: Buffer, { sizeField = true } = {}): Buffer {
  const setup = Buffer.alloc(5 * 512);
  setup[0x1f1] = 4;
  setup.write('HdrS', 0x202, 'latin1');
  setup.writeUInt16LE(0x20f, 0x206);
  const tail = Buffer.alloc(sizeField ? 4 : 0, 1);
  setup.writeUInt32LE(100, 0x248);
  setup.writeUInt32LE(payload.length + tail.length, 0x24c);
  return Buffer.concat([setup, Buffer.alloc(100), payload, tail, Buffer.alloc(64)]);
}
