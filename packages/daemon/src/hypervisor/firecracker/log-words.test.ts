import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LogWords } from './log-words.ts';

const line = (text: string) => Buffer.from(`2026-11-26T21:00:13.430240015 [0123456789ab:main] ${text}\n`);

test('that the guest was started is found, also where its line comes in pieces', async () => {
  const words = new LogWords();
  const bytes = line('Successfully started microvm that was configured from one single json');
  words.push(bytes.subarray(0, 60));
  words.push(bytes.subarray(60));
  await words.started;
});

test('how the process ended is found: by its code, or by the signal that it took', () => {
  for (const [said, code] of [
    ['Firecracker exiting successfully. exit_code=0', 0],
    ['Firecracker exiting with error. exit_code=1', 1],
    ['Shutting down VM after intercepting signal 7, code 2.', 149],
    ['Shutting down VM after intercepting a bad syscall (41).', 148],
  ] as const) {
    const words = new LogWords();
    assert.equal(words.ending, null);
    words.push(line(said));
    assert.deepEqual(words.ending, { code, signal: null });
  }
});

test('a line without an end is no more than a line', () => {
  const words = new LogWords();
  for (let megabyte = 0; megabyte < 8; megabyte++) words.push(Buffer.alloc(2 ** 20, 'x'));
  words.push(Buffer.concat([Buffer.from('\n'), line('Firecracker exiting successfully. exit_code=0')]));
  assert.equal(words.ending?.code, 0);
});
