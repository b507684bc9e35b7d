import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildInitramfs } from './initramfs.ts';

const PARTS = {
  agent: Buffer.from('agent'),
  modules: [
    { fileName: 'virtio.ko', content: Buffer.from('one') },
    { fileName: 'virtio-rng.ko', content: Buffer.from('seven b') },
  ],
  vsockModules: [{ fileName: 'vsock.ko', content: Buffer.from('three') }],
};

test('the initramfs holds the agent, the order and the modules', () => {
  const entries = readCpio(buildInitramfs(PARTS));
  assert.deepEqual(
    entries.map(({ name, mode, content }) => [name, mode.toString(8), content]),
    [
      ['dev', '40755', ''],
      ['dev/console', '20600', ''],
      ['init', '100755', 'agent'],
      ['modules', '40755', ''],
      ['modules/order', '100644', 'virtio.ko\nvirtio-rng.ko\n'],
      ['modules/order-vsock', '100644', 'vsock.ko\n'],
      ['modules/virtio.ko', '100644', 'one'],
      ['modules/virtio-rng.ko', '100644', 'seven b'],
      ['modules/vsock.ko', '100644', 'three'],
    ],
  );
  assert.deepEqual(entries[1]?.device, [5, 1]);
  assert.equal(new Set(entries.map(({ inode }) => inode)).size, entries.length);
});

test('the same parts give the same bytes', () => {
  assert.deepEqual(buildInitramfs(PARTS), buildInitramfs(PARTS));
});

test('it is made of whole pages, whatever the size of its parts', () => {
  for (const bytes of [0, 1, 3000, 4095, 4096, 5000]) {
    const { length } = buildInitramfs({ agent: Buffer.alloc(bytes), modules: [], vsockModules: [] });
    assert.equal(length % 4096, 0, `${bytes} bytes of agent`);
  }
});

test('a kernel with everything built in gets an empty order', () => {
  const archive = buildInitramfs({ agent: PARTS.agent, modules: [], vsockModules: [] });
  const order = readCpio(archive).find(({ name }) => name.endsWith('order'));
  assert.equal(order?.content, '');
});

/** Reads "newc" as Documentation/driver-api/early-userspace/buffer-format.rst describes it. */
function readCpio(archive: Buffer) {
  const entries = [];
  for (let at = 0; ; ) {
    assert.equal(at % 4, 0);
    assert.equal(archive.toString('latin1', at, at + 6), '070701');
    const field = (index: number) =>
      Number.parseInt(archive.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16);
    const nameEnd = at + 110 + field(11);
    const name = archive.toString('latin1', at + 110, nameEnd - 1);
    assert.equal(archive[nameEnd - 1], 0);
    if (name === 'TRAILER!!!') return entries;
    const contentAt = Math.ceil(nameEnd / 4) * 4;
    const content = archive.toString('latin1', contentAt, contentAt + field(6));
    entries.push({ name, inode: field(0), mode: field(1), device: [field(9), field(10)], content });
    at = Math.ceil((contentAt + field(6)) / 4) * 4;
  }
}
