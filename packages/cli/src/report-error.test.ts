import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BangerError } from '@banger/contract/errors.ts';
import { reportError } from './report-error.ts';

test('an error is its message, its code, its hint and its exit code', () => {
  const error = new BangerError('VM_NOT_FOUND', { message: 'No vm "web".', hint: 'See "banger vm ls".' });
  assert.deepEqual(reportError(error), {
    text: 'banger: No vm "web". (VM_NOT_FOUND)\n  hint: See "banger vm ls".\n',
    code: 'VM_NOT_FOUND',
    exitCode: 66,
  });
});

test('the last lines of a console are shown, and cannot drive the terminal', () => {
  const console = 'Kernel panic\u001b]0;owned\u0007\nnot \u001b[2Jsyncing\r\n';
  const error = new BangerError('VM_BOOT_FAILED', { message: 'It \u001b[31mpanicked.', details: { console } });
  assert.equal(reportError(error).text, 'banger: It panicked. (VM_BOOT_FAILED)\n  | Kernel panic\n  | not syncing\n');
});

test('what is not one of ours is a fault of banger', () => {
  const { text, exitCode } = reportError(new TypeError('x is undefined'));
  assert.match(text, /^banger: x is undefined \(INTERNAL\)\n {2}at /);
  assert.equal(exitCode, 70);
});
