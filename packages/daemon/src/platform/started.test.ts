import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { findByArgument, killProcess, readProcessRef, waitForExit } from './processes.ts';
import { startProcess } from './run-process.ts';
import { findStarted, isOurs } from './started.ts';

const FOLDER = '/run/banger/vms/0123456789ab';
const PASST = ['passt', '--socket', `${FOLDER}/network.sock`, '--log-file', `${FOLDER}/passt.log`, '--runas', '0'];
const PASTA = ['link', 'outside', '--', 'pasta', '--quiet', '--', ...PASST];
const OTHER = PASST.map((word) => word.replace('0123456789ab', 'ba9876543210'));

test('a program is ours by its last words, its interpreter and what it starts in turn too', () => {
  for (const argv of [
    PASTA,
    PASST,
    ['sh', '/fake/pasta', ...PASTA.slice(4)],
    ['/usr/bin/passt.avx2', ...PASST.slice(1)],
  ]) {
    assert.ok(isOurs(argv, PASTA, FOLDER), argv.join(' '));
  }
});

test('who only names a file of the run is a stranger', () => {
  const strangers = [
    ['tail', '-f', `${FOLDER}/passt.log`],
    ['vim', FOLDER],
    ['grep', '-r', '--runas', '0'],
    ['sh', '-c', PASTA.join(' ')],
    [...PASST, '--more'],
    OTHER,
    [],
  ];
  for (const argv of strangers) assert.equal(isOurs(argv, PASTA, FOLDER), false, argv.join(' '));
});

test('a stranger who looks at a run’s files, and one of another user with the same words, are left alone', async (t) => {
  const folder = makeFolder(t);
  const log = join(folder, 'passt.log');
  writeFileSync(log, '');
  const words = ['-e', 'console.log("up"); setInterval(() => {}, 1e6)', '--', '--log', log, '--runas', '0'];
  const { ref } = await startProcess([process.execPath, ...words], { runFolder: folder, logPath: log });
  t.after(() => killProcess(ref));
  const strangers = [await start(t, 'tail', ['-f', log])];
  if (process.getuid?.() === 0) {
    const other = await start(t, 'setpriv', ['--reuid', '65534', process.execPath, ...words]);
    await once(other.stdout as Readable, 'data'); // before that it is still this user's
    strangers.push(other);
  }
  assert.equal(findByArgument(log).length >= 2, true);
  assert.deepEqual(findStarted(folder), [ref]);
  assert.deepEqual([findStarted(folder, log), findStarted(folder, folder)], [[ref], []]);
  for (const found of findStarted(folder)) await killProcess(found);
  assert.deepEqual(findStarted(folder), []);
  for (const { pid } of strangers) assert.ok(readProcessRef(pid as number), 'a stranger was ended');
});

test('what works in a namespace ends with the daemon that is killed', async (t) => {
  const folder = makeFolder(t);
  const here = import.meta.dirname;
  const script = `
    import { runProcess } from '${here}/run-process.ts';
    import { Task } from '${here}/task.ts';
    import { IN_NAMESPACE, IN_ROOT_NAMESPACE } from '${here}/user-namespace.ts';
    const wrapper = process.getuid() === 0 ? IN_ROOT_NAMESPACE : IN_NAMESPACE;
    const onStderrLine = () => console.log('up');
    await runProcess(Task.background(), [...wrapper, 'sh', '-c', 'echo up >&2; sleep 1000; :', '${folder}'], { onStderrLine });`;
  const options = ['--disable-warning=ExperimentalWarning', '--input-type=module-typescript', '--eval', script];
  const daemon = spawn(process.execPath, options, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(daemon.stdout, 'data');
  const working = findByArgument(folder).filter(({ pid }) => pid !== daemon.pid);
  assert.ok(working.length > 0);
  daemon.kill('SIGKILL');
  for (const ref of working) await waitForExit(ref);
});

function makeFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'banger-started-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

async function start(t: TestContext, program: string, words: string[]): Promise<ChildProcess> {
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'ignore'] });
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  return child;
}
