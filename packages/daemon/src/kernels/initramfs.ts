/**
 * The archive that a kernel unpacks as its first root: the agent as /init, and the modules that it loads first.
 *
 * A plain "newc" cpio: the same parts give the same bytes. Not compressed, since unpacking costs the guest more time
 * than the host saves.
 */

export type InitramfsModule = { fileName: string; content: Buffer };
type InitramfsParts = { agent: Buffer; modules: InitramfsModule[]; vsockModules: InitramfsModule[] };

/** Raised whenever the same parts come to give other bytes: what is cached under the old one is then made anew. */
export const INITRAMFS_LAYOUT = 3;

/**
 * QEMU puts the archive on the last page boundary that leaves room for it, and the firmware has its ACPI tables in the
 * last page of memory. On a microvm nothing keeps the two apart but this: an archive of whole pages ends where that page
 * begins. One that reaches into it overwrites the tables, and the kernel hangs where it first reads them.
 */
const PAGE_BYTES = 4096;

type Entry = { name: string; mode: number; content?: Buffer; device?: { major: number; minor: number } };

const FOLDER = 0o040755;
const PROGRAM = 0o100755;
const FILE = 0o100644;
const CHARACTER_DEVICE = 0o020600;

/** Both kinds of modules are in load order; those for a vsock are loaded after the others, and only where there is one. */
export function buildInitramfs({ agent, modules, vsockModules }: InitramfsParts): Buffer {
  const order = (some: InitramfsModule[]) => Buffer.from(some.map(({ fileName }) => `${fileName}\n`).join(''));
  return writeCpio([
    { name: 'dev', mode: FOLDER },
    // The kernel opens it as /init's standard streams before anything is mounted.
    { name: 'dev/console', mode: CHARACTER_DEVICE, device: { major: 5, minor: 1 } },
    { name: 'init', mode: PROGRAM, content: agent },
    { name: 'modules', mode: FOLDER },
    { name: 'modules/order', mode: FILE, content: order(modules) },
    { name: 'modules/order-vsock', mode: FILE, content: order(vsockModules) },
    ...[...modules, ...vsockModules].map(({ fileName, content }) => {
      return { name: `modules/${fileName}`, mode: FILE, content };
    }),
  ]);
}

function writeCpio(entries: Entry[]): Buffer {
  const parts = entries.flatMap((entry, index) => writeEntry(entry, index + 1));
  const archive = Buffer.concat([...parts, ...writeEntry({ name: 'TRAILER!!!', mode: 0 }, 0)]);
  return Buffer.concat([archive, padding(archive.length, PAGE_BYTES)]);
}

function writeEntry({ name, mode, content = Buffer.alloc(0), device }: Entry, inode: number): Buffer[] {
  const nameBytes = Buffer.from(`${name}\0`);
  const links = (mode & 0o170000) === 0o040000 ? 2 : 1;
  // inode mode uid gid links mtime size, the archive's device, the entry's device, name's length, checksum
  const { major = 0, minor = 0 } = device ?? {};
  const fields = [inode, mode, 0, 0, links, 0, content.length, 0, 0, major, minor, nameBytes.length, 0];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`);
  // Header with name, and content, each end on a multiple of four bytes.
  return [header, nameBytes, padding(header.length + nameBytes.length, 4), content, padding(content.length, 4)];
}

function padding(bytes: number, multiple: number): Buffer {
  return Buffer.alloc((multiple - (bytes % multiple)) % multiple);
}
