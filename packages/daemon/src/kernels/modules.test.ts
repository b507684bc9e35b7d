import assert from 'node:assert/strict';
import { test } from 'node:test';
import { moduleName, plainFileName, planModules } from './modules.ts';

const V = 'kernel/drivers/virtio';
const DEP = `
${V}/virtio.ko:
${V}/virtio_ring.ko: ${V}/virtio.ko
${V}/virtio_pci.ko: ${V}/virtio_pci_modern_dev.ko ${V}/virtio_ring.ko ${V}/virtio.ko
${V}/virtio_pci_modern_dev.ko:
kernel/drivers/block/virtio_blk.ko: ${V}/virtio_ring.ko ${V}/virtio.ko
kernel/drivers/char/virtio_console.ko: ${V}/virtio_ring.ko ${V}/virtio.ko
kernel/drivers/char/hw_random/virtio-rng.ko: ${V}/virtio_ring.ko ${V}/virtio.ko
kernel/drivers/net/virtio_net.ko: kernel/net/core/failover.ko ${V}/virtio_ring.ko ${V}/virtio.ko
kernel/net/core/failover.ko:
kernel/fs/squashfs/squashfs.ko:
kernel/fs/overlayfs/overlay.ko:
kernel/crypto/crc32c_generic.ko:
`;

test('each module comes after all that it needs, and once', () => {
  const { order, missing } = planModules({ dep: DEP, builtin: 'kernel/fs/ext4/ext4.ko\n' });
  assert.deepEqual(missing, []);
  assert.equal(new Set(order).size, order.length);
  for (const line of DEP.trim().split('\n')) {
    const [path, needs] = line.split(':') as [string, string];
    if (!order.includes(path)) continue;
    for (const need of needs.split(' ').filter(Boolean)) assert.ok(order.indexOf(need) < order.indexOf(path), line);
  }
  assert.ok(order.includes('kernel/drivers/char/hw_random/virtio-rng.ko'));
  assert.equal(order.includes('kernel/crypto/crc32c_generic.ko'), false, 'ext4 is built in and brings its own');
});

test('a modular ext4 gets its checksum first', () => {
  const dep = `${DEP}kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz\nkernel/fs/jbd2/jbd2.ko.xz:\n`;
  const { order } = planModules({ dep, builtin: '' });
  assert.equal(order[0], 'kernel/crypto/crc32c_generic.ko');
  assert.ok(order.indexOf('kernel/fs/jbd2/jbd2.ko.xz') < order.indexOf('kernel/fs/ext4/ext4.ko.xz'));
});

test('what is neither a module nor built in is named', () => {
  const dep = DEP.replace(/^.*virtio_blk.*\n/m, '');
  assert.deepEqual(planModules({ dep, builtin: '' }).missing, ['virtio_blk', 'ext4']);
  assert.deepEqual(planModules({ dep: '', builtin: '' }).missing.length, 7);
});

test('a vsock has its modules for itself, after those that it needs and that are loaded anyway', () => {
  const VSOCK = 'kernel/net/vmw_vsock';
  const transport = `${VSOCK}/vmw_vsock_virtio_transport.ko.xz`;
  const common = `${VSOCK}/vmw_vsock_virtio_transport_common.ko.xz`;
  const needs = [common, `${VSOCK}/vsock.ko.xz`, `${V}/virtio_ring.ko`, `${V}/virtio.ko`];
  const { order, vsock } = planModules({ dep: `${DEP}${transport}: ${needs.join(' ')}\n`, builtin: '' });
  assert.deepEqual(vsock, [`${VSOCK}/vsock.ko.xz`, common, transport]);
  assert.equal(
    order.some((path) => path.includes('vsock')),
    false,
  );
  assert.deepEqual(planModules({ dep: DEP, builtin: transport }).vsock, []);
  assert.equal(planModules({ dep: DEP, builtin: '' }).vsock, null);
});

test('names are compared as the kernel compares them, whatever the compression', () => {
  assert.equal(moduleName('kernel/drivers/char/hw_random/virtio-rng.ko.xz'), 'virtio_rng');
  assert.equal(plainFileName('kernel/drivers/char/hw_random/virtio-rng.ko.xz'), 'virtio-rng.ko');
});
