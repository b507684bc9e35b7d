import assert from 'node:assert/strict';
import { test } from 'node:test';
import { begun, startFakeDaemon, writeEvent } from '@banger/sdk/testing/fake-daemon.ts';
import { run } from './testing/run-banger.ts';

const hex = '0123456789abcdef'.repeat(4);
const pulled = { version: '1.16.1', digest: `sha256:${hex}`, sizeBytes: 3e6, path: '/p', createdAt: '2026-01-01' };

test('hypervisor pull hands on where from, whole, and the digest as sha256sum prints it', async () => {
  await using daemon = await startFakeDaemon();
  const asked: unknown[] = [];
  daemon.routes['POST /v1/hypervisors/pull'] = (_, response, body) => {
    asked.push(JSON.parse(String(body)));
    writeEvent(response, begun('op1', 'firecracker'));
    writeEvent(response, { is: 'done', result: { name: 'firecracker', pulled }, durationMs: 2 });
    response.end();
  };
  const given = await run(daemon, `hypervisor pull firecracker --from https://releases.example/all --digest ${hex}`);
  assert.equal(given.stdout, `firecracker: 1.16.1 sha256:${hex} 2.9M\n`);
  await run(daemon, 'hypervisor pull firecracker --force --from /usr/bin/../bin');
  assert.deepEqual(asked, [
    { name: 'firecracker', force: false, from: 'https://releases.example/all', digest: `sha256:${hex}` },
    { name: 'firecracker', force: true, from: '/usr/bin' },
  ]);
  for (const words of ['--digest 0123', '--from ./nowhere']) {
    const { code } = await run(daemon, `hypervisor pull firecracker ${words}`);
    assert.ok(code === 64 || code === 66, words);
  }
  assert.match((await run(daemon, 'hypervisor pull fircracker')).stderr, /firecracker/);
  assert.equal(asked.length, 2);
});
