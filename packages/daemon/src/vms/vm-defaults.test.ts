import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MIB } from '@banger/contract/api/vms.ts';
import { defaultSize } from './vm-defaults.ts';

const host = (cpus: number, gib: number) => ({ cpus, memoryBytes: gib * 1024 * MIB, memoryAvailableBytes: 0 });

test('a vm gets a quarter of the processors and an eighth of the memory', () => {
  assert.deepEqual(defaultSize(host(8, 32)), { cpus: 2, memoryBytes: 4096 * MIB, diskBytes: 8192 * MIB });
});

test('a small host still gives a usable vm, a large one is not used up', () => {
  assert.deepEqual(defaultSize(host(1, 2)), { cpus: 1, memoryBytes: 512 * MIB, diskBytes: 8192 * MIB });
  assert.deepEqual(defaultSize(host(128, 1024)), { cpus: 4, memoryBytes: 8192 * MIB, diskBytes: 8192 * MIB });
});
