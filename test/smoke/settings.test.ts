/** Story: the owner's defaults are what a machine really gets, and of the host it takes what it uses and no more. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { DiskSpace, PruneResult } from '@banger/contract/api/disk-space.ts';
import type { StatsSample, VmUsage } from '@banger/contract/api/stats.ts';
import type { Vm } from '@banger/contract/api/vms.ts';
import { createHome } from '../support/banger-home.ts';

const MIB = 2 ** 20;
const WRITTEN_MIB = 64;
const USED_BYTES = 300 * MIB;
const MEMORY_LIMIT_MS = 60_000;
/** Signed by itself, until 2126; nobody has its key */
const ROOT_CA = `-----BEGIN CERTIFICATE-----
MIIBjTCCATOgAwIBAgIUMrlxX385VrQEIZRZdMM/uyr//KQwCgYIKoZIzj0EAwIw
GzEZMBcGA1UEAwwQYmFuZ2VyIHRlc3Qgcm9vdDAgFw0yNjExMjYxNDE4MDhaGA8y
MTI2MTEwMjE0MTgwOFowGzEZMBcGA1UEAwwQYmFuZ2VyIHRlc3Qgcm9vdDBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABEd2r1Ac+aOK+s4UiDMydwHdQptDtDbxDVIo
d3FZsWK3SUbCyKTBlkPcLAGx/eMj3xIlLb0hswnVsjyk3RxXk5ajUzBRMB0GA1Ud
DgQWBBQ4XEpYPnL3qcA0/YfSsm9GUgLKeTAfBgNVHSMEGDAWgBQ4XEpYPnL3qcA0
/YfSsm9GUgLKeTAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIBJH
E9MODsnU0SwXPhWXU1XkbtH6lkkSqkqtjSHyNv57AiEAoTufgkAXbiDgeZ03owYP
VK1iekbDhDLrgP0JyAjzUSY=
-----END CERTIFICATE-----
`;

test('defaults and disk space', async (t) => {
  const home = await createHome(t, { env: { https_proxy: 'http://mia:word@proxy.example:3128' } });
  home.env.BANGER_HOST_ROOT = join(home.folder, 'host');
  const certificates = join(home.folder, 'host/usr/local/share/ca-certificates');
  await mkdir(certificates, { recursive: true });
  await writeFile(join(certificates, 'root.crt'), ROOT_CA);
  await mkdir(join(home.folder, 'host/etc'));
  await symlink('/usr/share/zoneinfo/Asia/Tokyo', join(home.folder, 'host/etc/localtime'));
  const inside = async (script: string) => {
    const { code, stdout, stderr } = await home.run(['vm', 'exec', 'web', '--', 'sh', '-c', script]);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  };
  const taken = async () => {
    const { uses } = await home.json<DiskSpace>(['system', 'df']);
    return uses.find(({ kind, name }) => kind === 'vm' && name === 'web')?.bytes ?? Number.NaN;
  };

  const usage = async () => {
    const { vms } = await home.json<StatsSample>(['vm', 'stats', '--once', 'web']);
    return vms[0] as VmUsage;
  };

  await t.test('the guest has the processors, the memory and the disk of the config', async () => {
    await home.writeConfig(
      '[vm_defaults]\ncpus = 2\nmemory = "768M"\ndisk_size = "3G"\n[inside]\nproxy = true\nca_certificates = true\ntime_zone = true\n',
    );
    await home.json<Vm>(['vm', 'create', '--name', 'web', '--start', '--wait', 'system']);
    assert.equal(await inside('nproc'), '2');
    const memoryMib = Number(await inside("sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo")) / 1024;
    assert.ok(memoryMib > 640 && memoryMib <= 768, `${memoryMib} MiB`);
    const diskMib = Number(
      await inside('df -BM --output=size /root | tail -n 1').then((text) => text.replace('M', '')),
    );
    assert.ok(diskMib > 2700 && diskMib <= 3072, `${diskMib} MiB`);
  });

  await t.test('memory that a guest has freed is the host’s again', async () => {
    const { state } = await home.json<Vm>(['vm', 'show', 'web']);
    assert.ok(state.is === 'running');
    const before = residentBytes(state.pid);

    await inside(`head -c ${USED_BYTES} /dev/zero >/dev/shm/used`);
    const used = residentBytes(state.pid);
    assert.ok(used - before > 0.8 * USED_BYTES, `${(used - before) / MIB} MiB more`);

    await inside('rm /dev/shm/used');
    const deadlineMs = Date.now() + MEMORY_LIMIT_MS;
    // The guest tells of freed pages a while later, and QEMU tells nobody.
    while (used - residentBytes(state.pid) < 0.7 * USED_BYTES) {
      assert.ok(Date.now() < deadlineMs, `${(used - residentBytes(state.pid)) / MIB} MiB came back`);
      await delay(200);
    }
  });

  await t.test('a command and a login have the proxies of the host, whoever runs it', async () => {
    const expected = 'http://mia:word@proxy.example:3128';
    assert.equal(await inside('echo $HTTPS_PROXY'), expected);
    const session = await home.run(['vm', 'ssh', 'web', '--', 'printenv', 'https_proxy']);
    assert.equal(session.stdout.trim(), expected, session.stderr);
    const nobody = await home.run(['vm', 'exec', '-u', 'nobody', 'web', '--', 'printenv', 'https_proxy']);
    assert.equal(nobody.stdout.trim(), expected, nobody.stderr);
  });

  await t.test('it trusts the certificates of the host beside its own, and has its time zone', async () => {
    const trusting = ['-no-CApath -CAfile /etc/ssl/certs/ca-certificates.crt', '-no-CAfile -CApath /etc/ssl/certs'];
    const certificate = '/usr/local/share/ca-certificates/banger-host-0-root.crt';
    for (const where of trusting) {
      assert.equal(await inside(`openssl verify ${where} ${certificate}`), `${certificate}: OK`);
    }
    assert.ok(Number(await inside('grep -c BEGIN /etc/ssl/certs/ca-certificates.crt')) > 100);
    assert.equal(await inside('date +%Z'), 'JST');
  });

  await t.test('system df and vm stats tell what was written, and prune leaves it', async () => {
    const [before, idle] = [await taken(), await usage()];
    assert.ok(before < 100 * MIB, `${before} bytes for an empty disk of 3G`);
    await inside(`head -c ${WRITTEN_MIB}M /dev/urandom >/root/large && sync`);
    const busy = await usage();
    assert.ok((await taken()) >= before + WRITTEN_MIB * MIB);
    assert.ok(busy.diskAllocatedBytes >= idle.diskAllocatedBytes + WRITTEN_MIB * MIB);
    const workedMs = (busy.machine?.cpuMs.total ?? 0) - (idle.machine?.cpuMs.total ?? 0);
    assert.ok(workedMs >= 100, `${workedMs} ms of a processor`);
    assert.ok((busy.machine?.residentBytes ?? 0) > 200 * MIB, JSON.stringify(busy));
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

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}
