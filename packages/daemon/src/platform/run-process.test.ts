import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { test } from 'node:test';
import { findByArgument, killProcess } from './processes.ts';
import { runProcess } from './run-process.ts';
import { Task } from './task.ts';

const task = Task.background();

test('output and exit code come back', async () => {
  const { code, stdout, stderr } = await runProcess(task, ['sh', '-c', 'echo out; echo err >&2; exit 3'], {
    acceptCodes: [3],
  });
  assert.deepEqual([code, stdout, stderr], [3, 'out\n', 'err\n']);
});

test('a failure carries the last lines of standard error', async () => {
  const failing = runProcess(task, ['sh', '-c', 'echo "no room" >&2; exit 2']);
  await assert.rejects(failing, { message: 'sh exited with 2: no room', code: 2 });
});

test('a program that is not installed is named', async () => {
  await assert.rejects(runProcess(task, ['banger-no-such-tool']), { code: 'TOOL_MISSING' });
});

test('so is one of which PATH has only what cannot be run', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'banger-path-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'tool'), 'no program', { mode: 0o644 });
  await assert.rejects(runProcess(task, ['tool'], { env: { PATH: folder } }), { code: 'TOOL_MISSING' });
});

test('streams go in and out', async () => {
  const chunks: Buffer[] = [];
  const stdout = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  await runProcess(task, ['tr', 'a-z', 'A-Z'], { stdin: Readable.from(['ab', 'cd']), stdout });
  assert.equal(Buffer.concat(chunks).toString(), 'ABCD');
});

test('cancelling ends the program and everything it started', async () => {
  const controller = new AbortController();
  const mark = `banger-test-${process.pid}`;
  // The shell says when both it and its child run.
  const lines = Promise.withResolvers<void>();
  const running = runProcess(
    new Task(controller.signal, () => {}),
    ['sh', '-c', `sh -c 'echo up >&2; exec sleep 1000' ${mark} & wait`, mark],
    { ownGroup: true, onStderrLine: () => lines.resolve() },
  );
  running.catch(() => {});
  await lines.promise;
  controller.abort();
  await assert.rejects(running, { code: 'CANCELLED' });
  const left = findByArgument(mark);
  for (const process of left) await killProcess(process);
  assert.deepEqual(left, []);
});

test('a working folder that is gone, or is none, is told as that and not as a missing program', async () => {
  for (const cwd of ['/nonexistent/folder', '/etc/hostname', '/etc/hostname/x']) {
    await assert.rejects(runProcess(Task.background(), ['true'], { cwd }), {
      code: 'FILE_NOT_FOUND',
      message: `${cwd} is not a folder, or not there any more.`,
    });
  }
});
