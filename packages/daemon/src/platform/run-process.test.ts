import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { findByArgument, killProcess } from './processes.ts';
import { runProcess } from './run-process.ts';
import { Task } from './task.ts';

const task = Task.background();

async function makeFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'banger-run-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

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

test('a program whose output can be written no more is ended', async () => {
  const full = () =>
    new Writable({ write: (_chunk, _encoding, done) => done(new Error('no room')) }).on('error', () => {});
  await assert.rejects(runProcess(task, ['yes'], { stdout: full() }), { name: 'Error', message: /^yes / });
  await assert.rejects(runProcess(task, ['yes'], { stdout: full().destroy() }), { message: /^yes / });
});

test('what a program has started ends with it, and what has left its group and its family is not waited for', async (t) => {
  const folder = await makeFolder(t);
  const name = join(folder, 'word');
  const script = `
    setsid sh -c "sh -c 'sleep 300' ${name}-out & echo begun >&2" ${name}
    sh -c 'sleep 300' ${name}-in & setsid sh -c 'sleep 300' ${name}-in & echo begun >&2; wait`;
  for (const by of ['the task', 'its input']) {
    const stop = new AbortController();
    const stdin = new Readable({ read() {} });
    const end = () => (by === 'the task' ? stop.abort() : stdin.destroy(new Error('cut')));
    let begun = 0;
    const onStderrLine = () => void (++begun === 2 && end());
    await assert.rejects(runProcess(task.withSignal(stop.signal), ['sh', '-c', script], { stdin, onStderrLine }));
    assert.deepEqual(findByArgument(`${name}-in`), []);
    const left = findByArgument(`${name}-out`);
    assert.equal(left.length, 1);
    for (const found of left) await killProcess(found);
  }
});

test('a program that is not installed is named', async () => {
  await assert.rejects(runProcess(task, ['banger-no-such-tool']), { code: 'TOOL_MISSING' });
});

test('a program of the same name in the PATH of whoever starts banger is not run', async (t) => {
  const folder = await makeFolder(t);
  await writeFile(join(folder, 'true'), '#!/bin/sh\necho fake', { mode: 0o755 });
  const before = process.env.PATH;
  process.env.PATH = `${folder}:${before}`;
  t.after(() => {
    process.env.PATH = before;
  });
  assert.equal((await runProcess(task, ['true'])).stdout, '');
  assert.equal((await runProcess(task, ['sh', '-c', 'true'])).stdout, '');
});

test('of the environment it gets what it is given by name', async (t) => {
  process.env.BANGER_SECRET = 'hunter2';
  t.after(() => delete process.env.BANGER_SECRET);
  const { stdout } = await runProcess(task, ['env'], { env: { HOME: '/nonexistent' } });
  const names = stdout
    .trim()
    .split('\n')
    .map((line) => line.split('=')[0]);
  // While coverage is measured, Node hands this one on by itself.
  const given = names.filter((name) => name !== 'NODE_V8_COVERAGE');
  assert.deepEqual(given.sort(), ['HOME', 'LANG', 'LC_ALL', 'PATH']);
});

test('without a file to open a program is refused with words, and later ones run', async (t) => {
  const folder = await makeFolder(t);
  const script = `
    import { closeSync, openSync } from 'node:fs';
    import { runProcess, startProcess } from '${import.meta.dirname}/run-process.ts';
    import { Task } from '${import.meta.dirname}/task.ts';
    const task = Task.background();
    const taken = [];
    try { for (;;) taken.push(openSync('/dev/null', 'r')); } catch {}
    const codeOf = (promise) => promise.then(() => 'ran', ({ code }) => code);
    const said = [await codeOf(runProcess(task, ['true']))];
    closeSync(taken.pop());
    said.push(await codeOf(startProcess(['true'], { runFolder: '${folder}', logPath: '${folder}/log' })));
    for (const file of taken) closeSync(file);
    said.push(await codeOf(runProcess(task, ['true'])));
    console.log(said.join(' '));`;
  const { stdout } = await runProcess(task, [
    ...['prlimit', '--nofile=64', process.execPath, '--disable-warning=ExperimentalWarning'],
    ...['--input-type=module-typescript', '--eval', script],
  ]);
  assert.equal(stdout, 'TOO_MANY_FILES TOO_MANY_FILES ran\n');
});

test('input that fails, or is cut off without a word, ends the program', async () => {
  for (const fault of [new Error('no more'), undefined]) {
    const cut = () => new Readable({ read: () => {} });
    const stdin = cut();
    const running = runProcess(task, ['cat'], { stdin });
    stdin.destroy(fault); // before it runs
    await assert.rejects(running, { message: 'cat was ended by SIGKILL' });

    const later = cut();
    const begun = runProcess(task, ['sh', '-c', 'echo up >&2; exec cat'], {
      stdin: later,
      onStderrLine: () => void later.destroy(fault),
    });
    await assert.rejects(begun, { message: /was ended by SIGKILL/ });
  }
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

test('a reader is told of the end only by a program that has succeeded, however late that is', async () => {
  const script = 'echo whole; exec >&-; echo closed >&2; read -r code; exit "$code"';
  for (const [code, told] of [
    ['0', 'the end'],
    ['3', 'the end'],
    ['1', 'sh exited with 1: closed'],
  ]) {
    const stdin = new PassThrough();
    const stdout = new PassThrough();
    const read = buffer(stdout).then(
      () => 'the end',
      (fault: Error) => fault.message,
    );
    const onStderrLine = () => stdin.end(`${code}\n`);
    const running = runProcess(task, ['sh', '-c', script], { stdin, stdout, onStderrLine, acceptCodes: [3] });
    const [outcome] = await Promise.allSettled([running]);
    assert.equal(await read, told);
    assert.equal(outcome.status, told === 'the end' ? 'fulfilled' : 'rejected');
  }
});

test('the reader of a program that cannot be started, is cancelled or prints too much is not told of an end', async () => {
  const stop = new AbortController();
  const cases: Record<string, { argv: string[]; task?: Task; maxStdoutBytes?: number }> = {
    'the tool is missing': { argv: ['banger-no-such-tool'] },
    'it was cancelled before': { argv: ['true'], task: task.withSignal(AbortSignal.abort()) },
    'it is cancelled': {
      argv: ['sh', '-c', 'exec >&-; echo closed >&2; sleep 300'],
      task: task.withSignal(stop.signal),
    },
    'it prints too much': { argv: ['yes'], maxStdoutBytes: 10 },
  };
  for (const [title, { argv, task: own = task, ...options }] of Object.entries(cases)) {
    const stdout = new PassThrough().resume();
    const onStderrLine = () => stop.abort();
    const thrown = await runProcess(own, argv, { stdout, onStderrLine, ...options }).catch((fault) => fault);
    assert.equal(stdout.errored, thrown, title);
    assert.ok(!stdout.readableEnded, title);
  }
});

test('cancelling ends the program and everything it started', async () => {
  const controller = new AbortController();
  const mark = `banger-test-${process.pid}`;
  // The shell says when both it and its child run.
  const lines = Promise.withResolvers<void>();
  const running = runProcess(
    new Task(controller.signal, () => {}),
    ['sh', '-c', `sh -c 'echo up >&2; exec sleep 1000' ${mark} & wait`, mark],
    { onStderrLine: () => lines.resolve() },
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
