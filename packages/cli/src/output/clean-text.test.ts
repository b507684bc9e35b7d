import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cleanConsole, cleanLine } from './clean-text.ts';

test('a line has no control characters at all', () => {
  assert.equal(cleanLine('a\u001b[2J\nb\u0007\u009bc'), 'a [2J b  c');
});

test('a console keeps lines, tabs and colours', () => {
  const text = '\u001b[1;32mok\u001b[0m\tfine\n';
  assert.equal(cleanConsole(text), text);
});

test('a console cannot move the cursor, set titles, ask for answers or hide in unfinished sequences', () => {
  for (const evil of [
    '\u001b[2J',
    '\u001b[10;10H',
    '\u001b]0;title\u0007',
    '\u001b]52;c;ZXZpbA==\u001b\\',
    '\u001bP$q"p\u001b\\',
    '\u001bc',
    '\u001b[6n',
    '\u001b[?1049h',
    '\u009b2J',
    '\u0008\u0008',
    '\r',
    '\u001b',
    '\u001b]0;no end',
  ]) {
    assert.equal(cleanConsole(`a${evil}`), 'a', JSON.stringify(evil));
  }
  assert.ok(!cleanConsole('\u001b\u001b[2J[2J\u001b[').replaceAll('\u001b[2J', '!').includes('!'));
});
