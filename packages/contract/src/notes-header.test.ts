import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readNotes, writeNotes } from './notes-header.ts';

test('notes of any characters come through a header as they are', () => {
  for (const notes of [[], ['one', 'two'], ['ünï "q" %41+&=\r\nx: y', '🐢\u202e\u0000']]) {
    assert.match(writeNotes(notes), /^[\x21-\x7e]*$/);
    assert.deepEqual(readNotes(writeNotes(notes)), notes);
  }
});

test('notes that are too long are cut, and those after them left out', () => {
  const header = writeNotes(['first', '\u0001'.repeat(100_000), 'last']);
  assert.ok(header.length < 48_000);
  const [first, long, ...more] = readNotes(header);
  assert.deepEqual([first, long?.endsWith('…'), more], ['first', true, []]);
});

test('a header that is not there, or no list, has no notes', () => {
  for (const header of [undefined, '', 'x', 'notes=1', 'notes=%5B1%5D', 'notes=%5B'])
    assert.deepEqual(readNotes(header), []);
});
