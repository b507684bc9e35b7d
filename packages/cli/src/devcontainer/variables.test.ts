// biome-ignore-all lint/suspicious/noTemplateCurlyInString: as documents have them
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asksGuest, fill, fillFromGuest } from './variables.ts';

const words = new Map([['containerWorkspaceFolder', '/w']]);

test('what the shell means stays, and what is handed over is not read again', () => {
  const filled = fill('${containerWorkspaceFolder} ${HOME} ${A:-b} $X ${localEnv:T} ${localEnv:U:a:b} ${unknown}', {
    words,
    handed: { T: '${localEnv:U}' },
  });
  assert.deepEqual(filled, {
    text: '/w ${HOME} ${A:-b} $X ${localEnv:U} a:b ${unknown}',
    missing: [],
    isHanded: true,
  });
});

test('what is not handed over is missing, whatever objects are called', () => {
  const { text, missing, isHanded } = fill('${localEnv:toString}${env:__proto__}${localEnv:}', { words, handed: {} });
  assert.deepEqual([text, missing, isHanded], ['', ['toString', '__proto__', ''], false]);
});

test('what never ends takes no time, and what would grow has a bound', () => {
  const text = '${localEnv:a:'.repeat(80_000);
  assert.equal(fill(text, { words, handed: {} }).text, text);
  const large = { BIG: 'x'.repeat(100_000) };
  assert.throws(() => fillFromGuest('${containerEnv:BIG}'.repeat(1000), large), { code: 'DEVCONTAINER_INVALID' });
  assert.throws(() => fill('${localEnv:BIG}'.repeat(1000), { words, handed: large }), { code: 'DEVCONTAINER_INVALID' });
});

test('variables of the machine stand for themselves, or for a default', () => {
  const text = '${containerEnv:PATH}:/x ${containerEnv:NONE:d} ${containerEnv:constructor} ${localEnv:A}';
  assert.equal(asksGuest(text), true);
  assert.equal(fillFromGuest(text, { PATH: '/bin' }), '/bin:/x d  ${localEnv:A}');
});
