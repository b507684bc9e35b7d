import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from './log.ts';
import { UndoStack } from './undo-stack.ts';

const lines: string[] = [];
const log = createLog((line) => lines.push(line));

async function story(undone: string[], ending: (undo: UndoStack) => void): Promise<void> {
  await using undo = new UndoStack(log);
  undo.add('a', () => undone.push('a'));
  undo.add('b', () => Promise.reject(new Error('stuck')));
  undo.add('c', () => undone.push('c'));
  ending(undo);
}

test('a failure undoes in reverse order, past an undo that fails', async () => {
  const undone: string[] = [];
  await assert.rejects(
    story(undone, () => {
      throw new Error('no');
    }),
    { message: 'no' },
  );
  assert.deepEqual(undone, ['c', 'a']);
  assert.match(lines.join(''), /could not undo: b: Error: stuck/);
});

test('what is kept is not undone', async () => {
  const undone: string[] = [];
  await story(undone, (undo) => undo.keep());
  assert.deepEqual(undone, []);
});
