import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MIB } from '@banger/contract/api/vms.ts';
import { resolveVmDefaults, sizeOf } from './vm-defaults.ts';

const host = (cpus: number, gib: number) => ({ cpus, memoryBytes: gib * 1024 * MIB, memoryAvailableBytes: 0 });
const sizeOn = (cpus: number, gib: number) => sizeOf(resolveVmDefaults(host(cpus, gib)));

test('a vm gets a quarter of the processors and an eighth of the memory', () => {
  assert.deepEqual(sizeOn(8, 32), { cpus: 2, memoryBytes: 4096 * MIB, diskBytes: 8192 * MIB });
});

test('a small host still gives a usable vm, a large one is not used up', () => {
  assert.deepEqual(sizeOn(1, 2), { cpus: 1, memoryBytes: 512 * MIB, diskBytes: 8192 * MIB });
  assert.deepEqual(sizeOn(128, 1024), { cpus: 4, memoryBytes: 8192 * MIB, diskBytes: 8192 * MIB });
});

test('what the config says goes first, and every value tells where it comes from', () => {
  const resolved = resolveVmDefaults(host(8, 2), {
    cpus: 3,
    memoryBytes: null,
    diskBytes: null,
    driver: null,
    network: null,
  });
  assert.deepEqual(
    [resolved.cpus, resolved.memoryBytes, resolved.diskBytes].map(({ from }) => from),
    ['config', 'built-in', 'built-in'],
  );
  assert.equal(resolved.cpus.value, 3);
  assert.equal(resolveVmDefaults(host(8, 32)).cpus.from, 'host');
});
