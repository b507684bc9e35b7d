import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findLine } from './find-line.ts';

const TEXT = `# a comment
ssh_key = "~/.ssh/mine"

[vm_defaults]
cpus = 2
memory = [
  1,
  2,
]
  # indented
vm.idle = 1

[[file_sync]]
from = "a"
[[file_sync]]
from = "b"
`;

test('a key is found on the line where its statement begins', () => {
  assert.equal(findLine(TEXT, ['ssh_key']), 2);
  assert.equal(findLine(TEXT, ['vm_defaults']), 4);
  assert.equal(findLine(TEXT, ['vm_defaults', 'cpus']), 5);
  assert.equal(findLine(TEXT, ['vm_defaults', 'memory']), 6);
  assert.equal(findLine(TEXT, ['vm_defaults', 'vm', 'idle']), 11);
});

test('entries of a list are told apart', () => {
  assert.equal(findLine(TEXT, ['file_sync', 0, 'from']), 14);
  assert.equal(findLine(TEXT, ['file_sync', 1]), 15);
  assert.equal(findLine(TEXT, ['file_sync', 1, 'from']), 16);
});

test('what is not there has no line', () => {
  assert.equal(findLine(TEXT, ['file_sync', 2]), null);
  assert.equal(findLine(TEXT, ['ssh_key', 'deeper']), null);
  assert.equal(findLine('', ['constructor']), null);
});
