/** Story: a kernel of one's own boots, and one that could not is refused before it is tried. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { Kernel } from '@banger/contract/api/images.ts';
import type { Vm } from '@banger/contract/api/vms.ts';
import { CHECKOUT, createHome } from '../support/banger-home.ts';

test("a kernel from the user's own files", async (t) => {
  const home = await createHome(t, { env: { BANGER_QEMU: join(CHECKOUT, 'test/support/qemu-without-probe') } });
  const [vmlinux] = globSync(join(home.paths.data, 'kernels/*/vmlinux'));
  assert.ok(vmlinux);
  const { kernels } = await home.json<{ kernels: Kernel[] }>(['kernel', 'ls']);
  const release = kernels.find(({ name }) => name === 'debian')?.release ?? '';
  const modules = join(home.folder, release);
  await mkdir(modules);
  execFileSync('rdsquashfs', ['--quiet', '-u', '/', '-p', modules, join(dirname(vmlinux), 'modules.squashfs')]);
  await writeFile(join(modules, 'kernel/mine'), 'mine\n');
  const refused = async (...args: string[]) => {
    const { code, stderr } = await home.run(['kernel', 'import', 'mine', ...args]);
    assert.equal(code, 65);
    assert.match(stderr, /\(KERNEL_INVALID\)/);
    return stderr;
  };

  await t.test('without its modules it has no virtio, and is refused', async () => {
    assert.match(await refused(vmlinux), /lacks virtio_pci, virtio_blk, .*no modules folder was given/);
  });

  await t.test('the modules of another kernel are refused', async () => {
    assert.match(await refused(vmlinux, '--modules', home.env.HOME ?? ''), /does not hold the modules/);
  });

  await t.test('with its modules it boots, and they can be loaded', async () => {
    const kernel = await home.json<Kernel>(['kernel', 'import', 'mine', vmlinux, '--modules', modules]);
    assert.deepEqual([kernel.name, kernel.source, kernel.release], ['mine', 'import', release]);
    const size = ['--memory', '384M', '--kernel', 'mine'];
    const script = 'uname -r; modprobe dummy && ls -d /sys/module/dummy; cat /lib/modules/*/kernel/mine';
    const { code, stdout, stderr } = await home.run(['vm', 'run', '--name', 'web', ...size, '--', 'sh', '-c', script]);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, `${release}\n/sys/module/dummy\nmine\n`);
    assert.equal((await home.json<Vm>(['vm', 'show', 'web'])).kernel.name, 'mine');
  });

  await t.test('while a vm boots it, it is not removed, and afterwards it is', async () => {
    assert.match((await home.run(['kernel', 'rm', 'mine'])).stderr, /boots the vm web.*\(KERNEL_IN_USE\)/);
    await home.json(['vm', 'rm', '--force', 'web']);
    await home.json(['kernel', 'rm', 'mine']);
    assert.deepEqual(await home.leftovers(), []);
  });

  await t.test('modules that lack a virtio driver are named', async () => {
    await rm(globSync(join(modules, 'kernel/drivers/block/virtio_blk.ko*'))[0] ?? '');
    assert.match(await refused(vmlinux, '--modules', modules), /lacks virtio_blk \(/);
  });
});
