import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VmId } from '@banger/contract/names.ts';
import type { VmFault, VmRecord } from '../store/records/vms.ts';
import { clearFault, raiseFault, takeOverFaults } from './vm-faults.ts';
import type { VmParts } from './vm-parts.ts';

const ID = '0123456789ab' as VmId;
const AT = '2026-06-01T00:00:00.000Z';
const CODES = ['NETWORK_FAILED', 'PORT_TAKEN', 'DISK_FULL', 'VM_LOST'];

function makeParts(told: string | null = null) {
  let vm = { id: ID, state: { is: 'running' }, fault: told && { code: told, message: 'm', at: AT } } as VmRecord;
  const run = { faults: [] as VmFault[] };
  const parts = {
    records: {
      findById: () => vm,
      note: (changed: VmRecord) => {
        vm = changed;
      },
    },
    running: { find: () => run },
    now: () => new Date(AT),
  } as unknown as VmParts;
  return {
    shown: () => vm.fault?.code ?? null,
    raise: (code: string) => raiseFault(parts, ID, { code, message: 'm' }),
    clear: (code: string) => clearFault(parts, ID, code),
    takeOver: () => takeOverFaults(parts, ID),
  };
}

test('of several faults the gravest is shown, whichever came first, and each that goes takes no other along', () => {
  for (const first of CODES) {
    const { raise, clear, shown } = makeParts();
    for (const code of [first, ...CODES]) raise(code);
    assert.equal(shown(), 'DISK_FULL');
    clear('NETWORK_FAILED');
    assert.equal(shown(), 'DISK_FULL');
    clear('DISK_FULL');
    assert.equal(shown(), 'VM_LOST');
    raise('NETWORK_FAILED');
    clear('VM_LOST');
    assert.equal(shown(), 'NETWORK_FAILED');
    assert.equal(clear('VM_LOST'), false, 'there is none');
    clear('NETWORK_FAILED');
    assert.equal(shown(), 'PORT_TAKEN');
    clear('PORT_TAKEN');
    assert.equal(shown(), null);
  }
});

test('what a daemon before this one told stays, unless adopting the vm finds it out anew', () => {
  const told = ['VM_SILENT', 'DISK_FULL', 'VM_LOST', 'NETWORK_FAILED', 'PORT_TAKEN', 'ACCESS_DENIED'];
  const after = told.map((code) => {
    const { takeOver, shown } = makeParts(code);
    takeOver();
    return shown();
  });
  assert.deepEqual(after, [null, 'DISK_FULL', 'VM_LOST', 'NETWORK_FAILED', null, null]);
});
