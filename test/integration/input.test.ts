/** Bad input: a clear error with a hint, the right exit code, and nothing made. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createFakeHome } from '../support/fake-home.ts';

test('bad input is refused', async (t) => {
  const home = await createFakeHome(t);
  const junk = join(home.folder, 'junk');
  await writeFile(junk, 'neither a tarball nor a kernel\n'.repeat(1000));

  const cases: [string[], string, number][] = [
    [['vm', 'create', '--name', 'Not_A_Name'], 'BAD_NAME', 65],
    [['vm', 'create', '--name', '../../etc'], 'BAD_NAME', 65],
    [['vm', 'create', '--memory', 'lots'], 'BAD_SIZE', 65],
    [['vm', 'create', '--memory', '1M'], 'BAD_SIZE', 65],
    [['vm', 'create', '--cpus', '0'], 'BAD_SIZE', 65],
    [['vm', 'create', '--memory', '4000G'], 'NOT_ENOUGH_MEMORY', 71],
    [['vm', 'create', '--disk-size', '1M'], 'BAD_SIZE', 65],
    [['vm', 'create', '--image', 'No-Such-Image'], 'IMAGE_NOT_FOUND', 66],
    [['vm', 'create', '--image', 'https://no.such/image'], 'BAD_NAME', 65],
    [['vm', 'create', '--kernel', 'no-such-kernel'], 'KERNEL_NOT_FOUND', 66],
    [['vm', 'create', '--colour', 'red'], 'USAGE', 64],
    [['vm', 'craete'], 'USAGE', 64],
    [['vm', 'start', 'nobody'], 'VM_NOT_FOUND', 66],
    [['vm', 'exec', 'nobody', '--', 'true'], 'VM_NOT_FOUND', 66],
    [['image', 'import', 'junk', junk], 'IMAGE_INVALID', 65],
    [['image', 'import', 'junk', join(home.folder, 'missing')], 'FILE_NOT_FOUND', 66],
    [['kernel', 'import', 'junk', junk], 'KERNEL_INVALID', 65],
    [['image', 'pull', 'No-Such-Image'], 'BAD_NAME', 65],
    [['image', 'rm', 'no-such-image'], 'IMAGE_NOT_FOUND', 66],
  ];
  for (const [args, code, exit] of cases) {
    await t.test(`banger ${args.map((arg) => arg.replace(home.folder, '…')).join(' ')}`, async () => {
      const output = await home.run(args);
      assert.match(output.stderr, new RegExp(`\\((${code})\\)`), output.stderr);
      assert.equal(output.code, exit);
      assert.equal(output.stdout, '');
    });
  }
  await t.test('nothing was made', async () => assert.deepEqual(await home.leftovers(), []));
});

test('a name can be used once, and again after the vm is gone', async (t) => {
  const home = await createFakeHome(t);
  await home.json(['vm', 'create', '--name', 'web']);
  const taken = await home.run(['vm', 'create', '--name', 'web']);
  assert.match(taken.stderr, /VM_EXISTS/);
  await home.json(['vm', 'rm', 'web']);
  await home.json(['vm', 'create', '--name', 'web']);
});

test('an image or kernel that a vm was made from is not removed', async (t) => {
  const home = await createFakeHome(t);
  await home.json(['vm', 'create', '--name', 'web']);
  for (const [what, code] of [
    ['image', 'IMAGE_IN_USE'],
    ['kernel', 'KERNEL_IN_USE'],
  ] as const) {
    const { stderr } = await home.run([what, 'rm', 'debian']);
    assert.match(stderr, new RegExp(`web[\\s\\S]*${code}`));
  }
});
