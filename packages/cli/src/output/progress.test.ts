import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OperationEvent } from '@banger/contract/api/operations.ts';
import { createProgress, type ProgressStyle, renderStep } from './progress.ts';
import { describeTerminal } from './terminal.ts';

const EVENTS: OperationEvent[] = [
  { is: 'note', text: 'spec: 2 vcpu · 1024 MiB · 8G disk' },
  { is: 'step', step: 'make the disk', atMs: 0 },
  { is: 'step', step: 'boot', atMs: 100 },
  { is: 'done', result: {}, durationMs: 1000 },
];

function show(style: Partial<ProgressStyle>, events = EVENTS): string {
  let text = '';
  let nowMs = 0;
  const progress = createProgress({
    view: 'plain',
    hasColour: false,
    isBrief: false,
    ...style,
    write: (more) => {
      text += more;
    },
    now: () => {
      nowMs += 100;
      return nowMs;
    },
    columns: () => 80,
  });
  for (const event of events) progress.onEvent(event);
  progress.end();
  return text;
}

/** What a terminal shows in the end. */
function afterErasing(text: string): string {
  return text
    .split('\n')
    .map((line) => line.slice(line.lastIndexOf('\u001b[K') + 1).replace(/^\[K/, ''))
    .join('\n');
}

test('off a terminal each step is a plain line', () => {
  assert.equal(show({}), 'spec: 2 vcpu · 1024 MiB · 8G disk\n· make the disk\n· boot\n');
  assert.equal(show({ prefix: 'web: ' }).split('\n')[1], 'web: · make the disk');
});

test('on a terminal the steps that are done stay, with their times', () => {
  const shown = afterErasing(show({ view: 'live' }));
  assert.match(shown, /^spec: .*\n✓ make the disk \d+ ms\n✓ boot \d+ ms\n$/);
});

test('a brief view leaves only the notes', () => {
  assert.equal(afterErasing(show({ view: 'live', isBrief: true })), 'spec: 2 vcpu · 1024 MiB · 8G disk\n');
});

test('the step that failed stays in view', () => {
  const failed: OperationEvent = { is: 'failed', error: { code: 'VM_BOOT_FAILED', message: 'no' }, durationMs: 1 };
  const events = [...EVENTS.slice(0, 3), failed];
  assert.match(afterErasing(show({ view: 'live', isBrief: true }, events)), /✗ boot/);
});

test('quiet is nothing', () => {
  assert.equal(show({ view: 'none' }), '');
});

test('text of a note or a step cannot drive the terminal', () => {
  const events: OperationEvent[] = [
    { is: 'note', text: 'a\u001b[2J' },
    { is: 'step', step: 'b\u0007', atMs: 0 },
  ];
  assert.equal(show({}, events), 'a\n· b \n');
});

test('a step that is running shows how far it is, in one line', () => {
  const step = { name: 'fetch', startedMs: 0, done: 12 * 2 ** 20, total: 40 * 2 ** 20, unit: 'bytes' as const };
  assert.equal(renderStep(step, 2300, 80, false), '⠸ fetch 12M / 40M (30%) 2.3 s');
  assert.equal(renderStep(step, 2300, 12, false).length, 11);
  assert.equal(renderStep({ ...step, total: null }, 100, 80, false), '⠙ fetch 12M');
  assert.equal(renderStep({ ...step, detail: '1 of 3 whole' }, 100, 80, false), '⠙ fetch 12M / 40M (30%) 1 of 3 whole');
});

test('NO_COLOR and a dumb terminal are respected', () => {
  const all = () => true;
  assert.deepEqual(describeTerminal({ TERM: 'xterm' }, all).hasColour, true);
  assert.deepEqual(describeTerminal({ TERM: 'xterm', NO_COLOR: '1' }, all).hasColour, false);
  assert.equal(describeTerminal({ TERM: 'dumb' }, all).isLive, false);
  assert.equal(describeTerminal({ TERM: 'xterm' }, (fd) => fd !== 2).isLive, false);
});
