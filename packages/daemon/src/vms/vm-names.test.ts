import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateVmName } from './vm-names.ts';

test('a generated name is two words', () => {
  assert.match(
    generateVmName(() => false),
    /^[a-z]+-[a-z]+$/,
  );
});

test('once the words run out, digits are added', () => {
  const name = generateVmName((taken) => /^[a-z]+-[a-z]+$/.test(taken));
  assert.match(name, /^[a-z]+-[a-z]+-\d+$/);
});
