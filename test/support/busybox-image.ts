/** A root filesystem of one static program and its names, and no init: the smallest machine. Made without root. */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tarEnd, tarPadding } from '@banger/contract/tar/tar-block.ts';
import { sampleEntry } from '../../packages/daemon/src/images/sample-tar.ts';

export { sampleEntry } from '../../packages/daemon/src/images/sample-tar.ts';

const COMMANDS =
  'sh cat chmod chown dd df echo false grep head hostname id ip kill ls mkdir nc nslookup ps rm sleep stat sync true uname wc wget';
const PATHS = ['/bin/busybox', '/usr/bin/busybox'];

/** Writes the tarball; `extra` are entries as bytes. */
export async function writeBusyboxTarball(path: string, extra: Buffer[] = []): Promise<void> {
  const folders = ['bin', 'dev', 'etc', 'proc', 'root', 'run', 'sys', 'tmp', 'var'];
  await writeFile(
    path,
    Buffer.concat([
      ...folders.map((name) => sampleEntry({ name: `${name}/`, type: '5' })),
      fileEntry('bin/busybox', await readBusybox()),
      ...COMMANDS.split(' ').map((name) => sampleEntry({ name: `bin/${name}`, type: '2', linkName: 'busybox' })),
      sampleEntry({
        name: 'etc/passwd',
        mode: 0o644,
        content: 'root:x:0:0::/root:/bin/sh\nmia:x:1000:1000::/tmp:/bin/sh\n',
      }),
      sampleEntry({ name: 'etc/group', mode: 0o644, content: 'root:x:0:\nmia:x:1000:\n' }),
      ...extra,
      tarEnd(),
    ]),
  );
}

export async function readBusybox(): Promise<Buffer> {
  const path = PATHS.find(existsSync);
  if (path === undefined)
    throw new Error('busybox is not installed; "scripts/setup for-tests" installs busybox-static');
  return readFile(path);
}

/** A file with any bytes as its content. */
export function fileEntry(
  name: string,
  content: Buffer,
  rest: Omit<Parameters<typeof sampleEntry>[0], 'name' | 'content'> = {},
): Buffer {
  const header = sampleEntry({ ...rest, name, sizeBytes: content.length });
  return Buffer.concat([header, content, tarPadding(content.length)]);
}
