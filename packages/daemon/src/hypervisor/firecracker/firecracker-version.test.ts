import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFirecrackerVersion } from './firecracker-version.ts';

test('versions as Firecracker prints them', () => {
  assert.equal(parseFirecrackerVersion('Firecracker v1.16.1\n\n'), '1.16.1');
  assert.equal(parseFirecrackerVersion('Firecracker v1.17.0-dev\n\n'), '1.17.0-dev');
  assert.equal(parseFirecrackerVersion('Firecracker v2.0.0\n'), '2.0.0');
});

test('one that is too old, and what is no Firecracker, are refused', () => {
  assert.throws(() => parseFirecrackerVersion('Firecracker v1.13.1\n'), { code: 'TOOL_TOO_OLD', message: /1\.13\.1/ });
  assert.throws(() => parseFirecrackerVersion('QEMU emulator version 7.2'), { code: 'HYPERVISOR_FAILED' });
});
