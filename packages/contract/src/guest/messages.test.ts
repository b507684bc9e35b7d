import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guestStatSchema, sessionInfoSchema } from './messages.ts';

test('a guest names no moment that a Date cannot tell, and no size below nothing', () => {
  const session = { id: 'a1', argv: ['sh'], user: 'root', tty: false, keep: true, attached: false, exit: null };
  for (const startedUnixMs of [-1, 8.7e15, 1e300, '0', null])
    assert.equal(sessionInfoSchema.safeParse({ ...session, startedUnixMs }).success, false, String(startedUnixMs));
  assert.ok(sessionInfoSchema.safeParse({ ...session, startedUnixMs: Date.now() }).success);
  for (const sizeBytes of [-1, 0.5, 1e300])
    assert.equal(guestStatSchema.safeParse({ kind: 'file', sizeBytes, mode: 0o644 }).success, false, String(sizeBytes));
});
