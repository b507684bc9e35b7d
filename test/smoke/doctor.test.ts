/** Story: is everything all right here? */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TimedCheck } from '@banger/contract/api/doctor.ts';
import { createHome } from '../support/banger-home.ts';

test('the doctor boots a canary that works in every way, and leaves nothing', async (t) => {
  const home = await createHome(t);
  const { checks } = await home.json<{ checks: TimedCheck[] }>(['doctor', '--boot']);
  const of = (name: string) => checks.find((check) => check.name === name) as TimedCheck;
  for (const name of ['boot', 'agent', 'clock', 'disk write', 'shutdown', 'dns', 'outbound']) {
    assert.equal(of(name)?.status, 'pass', `${name}: ${of(name)?.text}`);
  }
  for (const { name, durationMs } of checks.filter((check) => 'durationMs' in check)) {
    t.diagnostic(`${name}: ${durationMs} ms`);
  }
  assert.doesNotMatch(of('kvm').text, /no guest was tried/, 'a guest was tried on it, if there is one');
  assert.equal(of('leftovers').status, 'pass');
  assert.deepEqual(await home.leftovers(), []);
  assert.deepEqual(await home.json(['vm', 'ls']), { vms: [] });
});
