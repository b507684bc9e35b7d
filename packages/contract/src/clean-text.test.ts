import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { cleanConsole, cleanJson, cleanLine, cleanLines, cleanQuote } from './clean-text.ts';

type Evil = { does: string; text: string };
const EVIL: Evil[] = JSON.parse(readFileSync(new URL('../vectors/evil-text.json', import.meta.url), 'utf8'));

/** What a terminal obeys, or what makes it show another text than the one that is there */
const HARMFUL = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/v;

for (const { does, text } of EVIL) {
  test(`text that ${does} is washed, in a line, a quote, a console and JSON`, () => {
    assert.match(cleanLine(`a${text}`), /^a *$/);
    assert.equal(cleanQuote(`a${text}`), 'a');
    assert.deepEqual(cleanLines(`a${text}`), ['a']);
    assert.equal(cleanConsole(`a${text}`), 'a');
    assert.doesNotMatch(cleanJson({ text }), HARMFUL);
    assert.doesNotMatch(cleanJson({ [text]: [text] }, 2).replaceAll('\n', ''), HARMFUL);
    assert.deepEqual(JSON.parse(cleanJson({ text })), { text });
  });
}

test('evil that is in the middle of other evil does not come together', () => {
  for (const { text: outer } of EVIL) {
    for (const { text: inner } of EVIL) {
      const nested = `${outer.slice(0, 1)}${inner}${outer.slice(1)}`;
      assert.doesNotMatch(cleanLine(nested), HARMFUL);
      assert.doesNotMatch(cleanConsole(nested), HARMFUL);
    }
  }
});

test('a line keeps its words, and a quote only so many', () => {
  assert.equal(cleanLine('a\nb\tc  d é 👩‍💻'), 'a b c  d é 👩‍💻');
  assert.equal(cleanQuote(' a\n  b '), 'a b');
  assert.equal(cleanQuote('x'.repeat(600)).length, 500);
});

test('the lines of a console are those with something in them', () => {
  const hostile = '\u001b[2J\u001b]0;title\u0007[ 0.1] Kernel panic\r\r\n\r\n\u009b31mred\u0000\u0007\n';
  assert.deepEqual(cleanLines(hostile), ['[ 0.1] Kernel panic', 'red']);
});

test('a console keeps lines, tabs and colours', () => {
  for (const colour of ['\u001b[1;32m', '\u001b[38;5;208m', '\u001b[48;2;1;2;3m', '\u001b[97m']) {
    const text = `${colour}ok\u001b[0m\tfine\n`;
    assert.equal(cleanConsole(text), text);
  }
});

test('a colour ends with its line', () => {
  assert.equal(cleanConsole('\u001b[31mred\nplain\n'), '\u001b[31mred\u001b[0m\nplain\n');
  assert.equal(
    cleanConsole('\u001b[31mred\u001b[0m and \u001b[7mmore'),
    '\u001b[31mred\u001b[0m and \u001b[7mmore\u001b[0m',
  );
});

test('a megabyte of unfinished sequences is washed at once', () => {
  for (const { text } of EVIL) {
    const before = performance.now();
    cleanConsole(`${text.slice(0, 2).repeat(500_000)}\u001b`);
    assert.ok(performance.now() - before < 5000, JSON.stringify(text));
  }
});
