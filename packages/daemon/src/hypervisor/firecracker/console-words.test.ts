import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConsoleWords } from './console-words.ts';

const isFound = (text: string, cut = text.length) => {
  const words = new ConsoleWords();
  for (let at = 0; at < text.length; at += cut) words.push(Buffer.from(text.slice(at, at + cut)));
  return words.hasHalted;
};

test('what a kernel says as it halts is found in its own shape, however it comes', () => {
  for (const said of [
    '[   12.345678] reboot: System halted\r\n',
    '[   12.345678][    T1] reboot: Power down\r\n',
    '[12345.678901] reboot: Power off not available: System halted instead\r\n',
    'reboot: System halted\n',
    'a prompt # [   12.345678] reboot: Power down\r\n',
    `${'x'.repeat(10_000)}\n[   12.345678] reboot: Power down\r\n[   12.4] more\r\n`,
  ])
    assert.deepEqual([isFound(said), isFound(said, 1)], [true, true], said);
});

test('what only speaks of it is no end', () => {
  for (const said of [
    'it said reboot: System halted\r\n',
    '[   12.345678] reboot: System halted, or so\r\n',
    '[   12.345678] reboot: Restarting system\r\n',
    '[   12.345678] reboot: System halted',
  ])
    assert.equal(isFound(said), false, said);
});
