import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Task } from '../platform/task.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { checkFreeMemory, checkMemory } from './check-memory.ts';

const GIB = 2 ** 30;
const HOST = { cpus: 2, memoryBytes: 24 * GIB, memoryAvailableBytes: 20 * GIB };
const vm = (id: string, gib: number, is = 'running') =>
  ({ id, name: id, memoryBytes: gib * GIB, state: { is } }) as unknown as VmRecord;

function start(wanted: VmRecord, all: VmRecord[], mayOvercommit: boolean): string[] {
  const notes: string[] = [];
  const task = new Task(new AbortController().signal, (event) => event.is === 'note' && notes.push(event.text));
  checkFreeMemory(task, wanted, { host: HOST, all: [...all, wanted], mayOvercommit });
  return notes;
}

test('what the host never has, or does not have free, is refused', () => {
  assert.throws(() => checkMemory(25 * GIB, HOST), { code: 'NOT_ENOUGH_MEMORY', message: /this host has 24576 MiB/ });
  checkMemory(24 * GIB, HOST);
  for (const mayOvercommit of [true, false]) {
    assert.throws(() => start(vm('web', 21), [], mayOvercommit), { message: /has free 20480 MiB/ });
  }
});

const running = Array.from({ length: 7 }, (_, index) => vm(`vm${index}`, 3));

test('running vms that are promised more than the host has are told of, or refused when the config says so', () => {
  assert.deepEqual(start(vm('web', 3, 'stopped'), running, true), [], 'the eighth of 3 GiB on 24');
  assert.deepEqual(start(vm('web', 3, 'stopped'), running, false), []);
  const eight = [...running, vm('vm7', 3, 'starting')];
  assert.match(start(vm('web', 3, 'stopped'), eight, true).join(), /9 running vms may take 27648 MiB.*24576 MiB/);
  assert.throws(() => start(vm('web', 3, 'stopped'), eight, false), {
    code: 'NOT_ENOUGH_MEMORY',
    message: /With "web" 9 running vms/,
  });
});

test('vms that do not run are promised nothing', () => {
  const stopped = Array.from({ length: 20 }, (_, index) => vm(`old${index}`, 8, 'stopped'));
  assert.deepEqual(start(vm('web', 3, 'stopped'), stopped, false), []);
});
