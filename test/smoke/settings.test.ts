/** Story: the owner's defaults are what a machine really gets, and its disk takes on the host what is written to it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DiskSpace, PruneResult } from '@banger/contract/api/disk-space.ts';
import type { Vm } from '@banger/contract/api/vms.ts';
import { createHome } from '../support/banger-home.ts';

const MIB = 2 ** 20;
const WRITTEN_MIB = 64;

test('defaults and disk space', async (t) => {
  const home = await createHome(t, { env: { https_proxy: 'http://mia:word@proxy.example:3128' } });
  const inside = async (script: string) => {
    const { code, stdout, stderr } = await home.run(['vm', 'exec', 'web', '--', 'sh', '-c', script]);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  };
  const taken = async () => {
    const { uses } = await home.json<DiskSpace>(['system', 'df']);
    return uses.find(({ kind, name }) => kind === 'vm' && name === 'web')?.bytes ?? Number.NaN;
  };

  await t.test('the guest has the processors, the memory and the disk of the config', async () => {
    await home.writeConfig('[vm_defaults]\ncpus = 2\nmemory = "400M"\ndisk_size = "3G"\n[inside]\nproxy = true\n');
    await home.json<Vm>(['vm', 'create', '--name', 'web', '--start', '--wait', 'system']);
    assert.equal(await inside('nproc'), '2');
    const memoryMib = Number(await inside("sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo")) / 1024;
    assert.ok(memoryMib > 300 && memoryMib <= 400, `${memoryMib} MiB`);
    const diskMib = Number(
      await inside('df -BM --output=size /root | tail -n 1').then((text) => text.replace('M', '')),
    );
    assert.ok(diskMib > 2700 && diskMib <= 3072, `${diskMib} MiB`);
  });

  await t.test('a command and a login have the proxies of the host, whoever runs it', async () => {
    const expected = 'http://mia:word@proxy.example:3128';
    assert.equal(await inside('echo $HTTPS_PROXY'), expected);
    const session = await home.run(['vm', 'ssh', 'web', '--', 'printenv', 'https_proxy']);
    assert.equal(session.stdout.trim(), expected, session.stderr);
    const nobody = await home.run(['vm', 'exec', '-u', 'nobody', 'web', '--', 'printenv', 'https_proxy']);
    assert.equal(nobody.stdout.trim(), expected, nobody.stderr);
  });

  await t.test('system df tells what was written, and prune leaves it', async () => {
    const before = await taken();
    assert.ok(before < 100 * MIB, `${before} bytes for an empty disk of 3G`);
    await inside(`head -c ${WRITTEN_MIB}M /dev/urandom >/root/large && sync`);
    assert.ok((await taken()) >= before + WRITTEN_MIB * MIB);
    const { removed } = await home.json<PruneResult>(['system', 'prune']);
    assert.ok(!removed.some(({ kind }) => ['vm', 'image', 'kernel'].includes(kind)), JSON.stringify(removed));
    assert.equal(await inside('stat -c %s /root/large'), String(WRITTEN_MIB * MIB));
  });

  await t.test('what is deleted in the guest is given back to the host', async () => {
    const full = await taken();
    await inside('rm /root/large && sync');
    await home.json(['vm', 'stop', 'web']);
    const left = await taken();
    assert.ok(left <= full - (WRITTEN_MIB * MIB) / 2, `${left} of ${full} bytes`);
  });
});
