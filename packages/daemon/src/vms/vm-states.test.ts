import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VmRecord } from '../store/records/vms.ts';
import { assertMove, canMove, expectState } from './vm-states.ts';

const states = ['creating', 'stopped', 'starting', 'running', 'stopping', 'removing'] as const;

test('a removed vm never comes back, and from everywhere else it can be removed', () => {
  for (const state of states) {
    assert.equal(canMove('removing', state), false);
    assert.equal(canMove(state, 'removing'), state !== 'removing');
  }
});

test('a vm runs only by way of starting', () => {
  assert.deepEqual(
    states.filter((state) => canMove(state, 'running')),
    ['starting'],
  );
  assert.throws(() => assertMove('stopped', 'running'), /from stopped to running/);
});

test('a wrong state names the command that helps', () => {
  const stopped = { name: 'web', state: { is: 'stopped' } } as VmRecord;
  assert.throws(() => expectState(stopped, 'running', 'used'), {
    code: 'VM_WRONG_STATE',
    hint: 'Run "banger vm start web" first.',
  });
});
