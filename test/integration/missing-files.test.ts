/** A file that a vm needs is gone, or is not what it was: told at the start, with what to do, and nothing else stops. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Image, Kernel } from '@banger/contract/api/images.ts';
import type { Vm } from '@banger/contract/api/vms.ts';
import { createFakeHome } from '../support/fake-home.ts';

type Harm = { what: string; path: string; code: string; words: RegExp; harm: (path: string, kept: string) => void };

test('a file that a vm needs and that is not what it was is told at its start, with what to do', async (t) => {
  const home = await createFakeHome(t);
  const { id } = await home.json<Vm>(['vm', 'create', '--name', 'web', '--disk-size', '1G']);
  const { images } = await home.json<{ images: Image[] }>(['image', 'ls']);
  const { kernels } = await home.json<{ kernels: Kernel[] }>(['kernel', 'ls']);
  const disk = join(home.paths.data, 'vms', id, 'disk.ext4');
  const image = join(home.paths.data, 'images', String(images[0]?.digest).slice(7));
  const kernel = join(home.paths.data, 'kernels', String(kernels[0]?.digest).slice(7));
  const forget = /banger vm rm web/;
  const again = /again, or bring (it|them) back/;
  const gone = () => {};
  const cut = (bytes: number) => (path: string, kept: string) => {
    copyFileSync(kept, path); // homes share images and kernels as hard links
    truncateSync(path, bytes);
  };
  const asIs = (path: string, kept: string) => copyFileSync(kept, path);
  const unreadable = (path: string, kept: string) => {
    asIs(path, kept);
    chmodSync(path, 0);
  };
  const HARMS: Harm[] = [
    { what: 'the disk is gone', path: disk, code: 'DISK_MISSING', words: forget, harm: gone },
    {
      what: 'the disk is empty',
      path: disk,
      code: 'DISK_DAMAGED',
      words: /has 0B of its 1G/,
      harm: cut(0),
    },
    { what: 'the disk is cut off', path: disk, code: 'DISK_DAMAGED', words: /512M of its 1G/, harm: cut(2 ** 29) },
    { what: 'the disk is a folder', path: disk, code: 'DISK_DAMAGED', words: forget, harm: (path) => mkdirSync(path) },
    {
      what: 'the disk is a link',
      path: disk,
      code: 'DISK_DAMAGED',
      words: /is a link/,
      harm: (path, kept) => symlinkSync(kept, path),
    },
    {
      what: 'the disk leads nowhere',
      path: disk,
      code: 'DISK_DAMAGED',
      words: /is a link/,
      harm: (path) => symlinkSync('/nowhere', path),
    },
    { what: 'the folder of the vm is gone', path: join(disk, '..'), code: 'DISK_MISSING', words: forget, harm: gone },
    { what: 'the base is gone', path: join(image, 'base.squashfs'), code: 'IMAGE_NOT_FOUND', words: again, harm: gone },
    {
      what: 'the base is cut off',
      path: join(image, 'base.squashfs'),
      code: 'IMAGE_DAMAGED',
      words: again,
      harm: cut(4096),
    },
    { what: 'the image is gone', path: image, code: 'IMAGE_NOT_FOUND', words: again, harm: gone },
    { what: 'the kernel is gone', path: kernel, code: 'KERNEL_NOT_FOUND', words: again, harm: gone },
    { what: 'the vmlinux is gone', path: join(kernel, 'vmlinux'), code: 'KERNEL_DAMAGED', words: again, harm: gone },
    {
      what: 'the vmlinux is cut off',
      path: join(kernel, 'vmlinux'),
      code: 'KERNEL_DAMAGED',
      words: again,
      harm: cut(4096),
    },
    {
      what: 'the modules are gone',
      path: join(kernel, 'modules.squashfs'),
      code: 'KERNEL_DAMAGED',
      words: again,
      harm: gone,
    },
    {
      what: 'its manifest is not understood',
      path: join(kernel, 'manifest.json'),
      code: 'KERNEL_DAMAGED',
      words: again,
      harm: (path) => writeFileSync(path, '{"v":2}'),
    },
    ...(process.getuid?.() === 0
      ? [] // nothing is unreadable to root
      : [
          { what: 'the disk cannot be read', path: disk, code: 'ACCESS_DENIED', words: /ls -ld/, harm: unreadable },
          {
            what: 'the base cannot be read',
            path: join(image, 'base.squashfs'),
            code: 'ACCESS_DENIED',
            words: /ls -ld/,
            harm: unreadable,
          },
        ]),
  ];
  for (const { what, path, code, words, harm } of HARMS) {
    await t.test(what, async () => {
      const kept = join(home.folder, 'kept');
      renameSync(path, kept);
      try {
        harm(path, kept);
        const { stderr, code: exit } = await home.run(['vm', 'start', 'web']);
        assert.match(stderr, new RegExp(`\\(${code}\\)\\n  hint: `));
        assert.match(stderr, words);
        assert.notEqual(exit, 0);
        const [vm] = (await home.json<{ vms: Vm[] }>(['vm', 'ls'])).vms;
        assert.deepEqual([vm?.name, vm?.state.is, vm?.fault?.code], ['web', 'stopped', code]);
      } finally {
        rmSync(path, { recursive: true, force: true });
        renameSync(kept, path);
      }
    });
  }
  await t.test(
    'once they are back it starts, and one whose disk is a link is removed without what that leads to',
    async () => {
      await home.json(['vm', 'start', 'web']);
      await home.json(['vm', 'kill', 'web']);
      const kept = join(home.folder, 'kept');
      renameSync(disk, kept);
      symlinkSync(kept, disk);
      await home.json(['vm', 'rm', 'web']);
      assert.deepEqual(await home.leftovers(), []);
      rmSync(kept);
    },
  );
});
