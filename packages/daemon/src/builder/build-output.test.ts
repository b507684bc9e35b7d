import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBuildOutput } from './build-output.ts';

function listen() {
  const told: string[] = [];
  const output = createBuildOutput({
    step: (step) => void told.push(`· ${step}`),
    note: (text) => void told.push(text),
  });
  return { told, ...output };
}

test('steps and lines are told as they come, wherever the pieces end', () => {
  const { told, add, end } = listen();
  for (const piece of ['STEP 1/2: FR', 'OM scratch\n[2/3] STEP 2/2: RUN x\nh', 'é\r10%\r20%\n\u001b[2Jlast']) {
    for (const byte of Buffer.from(piece)) add(Buffer.from([byte]));
  }
  end();
  assert.deepEqual(told, ['· STEP 1/2: FROM scratch', '· [2/3] STEP 2/2: RUN x', 'hé', '10%', '20%', 'last']);
});

test('of what fails the reason is kept, else the last line', () => {
  const { add, lastWords } = listen();
  add(Buffer.from('a\nError: building at STEP "RUN false": exit status 1\nb\n'));
  assert.equal(lastWords(), 'building at STEP "RUN false": exit status 1');
  const other = listen();
  other.add(Buffer.from('tar: no space\n'));
  assert.equal(other.lastWords(), 'tar: no space');
});

test('a guest that never stops talking is cut short, and its steps go on', () => {
  const { told, add } = listen();
  add(Buffer.from('x'.repeat(5_000_000)));
  add(Buffer.from(`\n${'line\n'.repeat(5000)}STEP 3/3: CMD x\n`));
  assert.ok(told.length < 1510, String(told.length));
  assert.ok(told.every((line) => line.length <= 1100));
  assert.deepEqual(told.slice(-2), ['… what follows is not shown, but for the steps.', '· STEP 3/3: CMD x']);
});
