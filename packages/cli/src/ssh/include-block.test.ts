import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addBlock, includeLine, type MadeFor, removeBlock } from './include-block.ts';

const INCLUDE = includeLine('/home/me/.local/share/banger/ssh/config');

test('the lines go to the top, once, and out again to the byte', () => {
  for (const text of ['', 'Host *\n', 'Host a', '\n\n# \xe9\r\nHost *\r\n', '# >>> another tool >>>\n']) {
    const before = Buffer.from(text, 'latin1');
    const after = addBlock(before, INCLUDE, 'nothing');
    assert.equal(after.indexOf(`# >>> banger`), 0);
    assert.ok(after.includes(`\n${INCLUDE}\n`));
    assert.deepEqual(addBlock(after, INCLUDE, 'nothing'), after);
    assert.deepEqual(removeBlock(after), { content: before, madeFor: 'nothing' });
  }
});

test('what was made for them is remembered, also when the path changes', () => {
  for (const madeFor of ['nothing', 'file', 'folder'] as MadeFor[]) {
    const first = addBlock(Buffer.alloc(0), INCLUDE, madeFor);
    const moved = addBlock(first, includeLine('/elsewhere/config'), 'nothing');
    assert.ok(!moved.includes(INCLUDE));
    assert.deepEqual(removeBlock(moved), { content: Buffer.alloc(0), madeFor });
  }
});

test('what the user writes around them stays', () => {
  const after = addBlock(Buffer.from('Host b\n'), INCLUDE, 'file');
  const edited = Buffer.concat([Buffer.from('Host a\n'), after]);
  assert.equal(removeBlock(edited)?.content.toString(), 'Host a\nHost b\n');
});

test('a file without them has nothing to remove, and lines that were cut are refused', () => {
  assert.equal(removeBlock(Buffer.from('Host *\n')), null);
  const cut = addBlock(Buffer.alloc(0), INCLUDE, 'file').subarray(0, -10);
  assert.throws(() => removeBlock(cut), { code: 'SSH_CONFIG_BROKEN' });
  assert.throws(() => addBlock(cut, INCLUDE, 'file'), { code: 'SSH_CONFIG_BROKEN' });
});

test('a path with blanks and quotes is one word for ssh', () => {
  assert.equal(includeLine('/a b/"c"\\d'), 'Include "/a b/\\"c\\"\\\\\\\\d"');
  assert.equal(includeLine('/[a]*?'), 'Include "/\\\\[a\\\\]\\\\*\\\\?"');
});
