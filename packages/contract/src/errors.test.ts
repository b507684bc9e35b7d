import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BangerError, ERRORS, toBangerError, type WireError } from './errors.ts';

test('every code has an HTTP error status and an exit code of its range', () => {
  for (const [code, { status, exit, meaning }] of Object.entries(ERRORS)) {
    assert.match(code, /^[A-Z_]+$/);
    assert.ok(status >= 400 && status < 600, code);
    assert.ok((exit >= 64 && exit <= 78) || [126, 127, 130].includes(exit), code);
    assert.match(meaning, /^[A-Z].*\.$/, code);
  }
});

test('an error survives the wire', () => {
  const error = new BangerError('VM_NOT_FOUND', { message: 'm', hint: 'h', details: { name: 'web' } });
  const back = BangerError.fromWire(JSON.parse(JSON.stringify(error.toWire())));
  assert.deepEqual([back.code, back.message, back.hint, back.details], ['VM_NOT_FOUND', 'm', 'h', { name: 'web' }]);
});

test('a code that this version does not know, or a foreign error, becomes INTERNAL', () => {
  for (const code of ['FROM_THE_FUTURE', 'toString', '__proto__']) {
    assert.equal(BangerError.fromWire({ code, message: 'm' } as unknown as WireError).code, 'INTERNAL');
  }
  const cause = new TypeError('boom');
  assert.deepEqual([toBangerError(cause).code, toBangerError(cause).cause], ['INTERNAL', cause]);
});
