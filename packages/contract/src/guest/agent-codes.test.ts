import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ERRORS } from '../errors.ts';
import { AGENT_CODES, meaningOf } from './agent-codes.ts';

test('every code of the agent has a meaning, and none else has', () => {
  const shared = JSON.parse(readFileSync(new URL('../../vectors/agent-codes.json', import.meta.url), 'utf8'));
  assert.deepEqual(AGENT_CODES, Object.keys(shared));
  for (const code of AGENT_CODES) assert.ok(Object.hasOwn(ERRORS, meaningOf(code)), code);
});

test('a guest cannot choose one of banger’s own codes', () => {
  const agentsOwn = ['USER_NOT_FOUND', 'COMMAND_NOT_FOUND', 'COMMAND_NOT_EXECUTABLE', 'COMMAND_TOO_LONG'];
  const banger = Object.keys(ERRORS).filter((code) => !agentsOwn.includes(code));
  for (const code of [...banger, 'toString', 'constructor', '__proto__', 'hasOwnProperty', '', 'not_found']) {
    assert.equal(meaningOf(code), 'GUEST_REFUSED', code);
  }
  assert.equal(meaningOf('NOT_FOUND', 'SESSION_NOT_FOUND'), 'SESSION_NOT_FOUND');
});
