import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BangerError } from '@banger/contract/errors.ts';
import type { Guest } from '../guest/guest.ts';
import { Task } from '../platform/task.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { awaitSystem } from './await-system.ts';

const WEB = { name: 'web' } as VmRecord;
const guestThat = (untilInitReady: Guest['untilInitReady']) => ({ untilInitReady }) as Guest;

test('an init that does not finish in time is told with what it may wait for', async () => {
  const never = guestThat((task) => task.race(new Promise(() => {})));
  await assert.rejects(awaitSystem(Task.background(), WEB, never, 20), (fault: BangerError) => {
    assert.equal(fault.code, 'VM_BOOT_TIMEOUT');
    assert.match(fault.hint ?? '', /banger vm exec web -- systemctl list-jobs/);
    return true;
  });
});

test('what the guest says of itself, and giving up, stay what they are', async () => {
  const refuses = guestThat(() => Promise.reject(new BangerError('GUEST_REFUSED', { message: 'it does not say' })));
  await assert.rejects(awaitSystem(Task.background(), WEB, refuses), { code: 'GUEST_REFUSED' });

  const giving = new AbortController();
  const waits = guestThat((task) => {
    giving.abort();
    return task.race(new Promise(() => {}));
  });
  await assert.rejects(awaitSystem(Task.background().withSignal(giving.signal), WEB, waits), { code: 'CANCELLED' });
});
