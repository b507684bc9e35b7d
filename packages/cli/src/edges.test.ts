/** The command where its surroundings are odd: streams that take nothing, folders that are gone, a home that is none. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { answerError, answerJson, environmentIn, sampleVm, startFakeDaemon } from '@banger/sdk/testing/fake-daemon.ts';
import { type Result, run, runShell } from './testing/run-banger.ts';

const LOST = /^banger: What this command printed could not be written: .* \(OUTPUT_LOST\)\n {2}hint: .*\n$/;

/** One of each way of printing */
const PRINTING = ['version', 'version --json', 'help', 'vm run --help', 'vm ls', 'vm ls --json', 'completion bash'];

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'banger-edge-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function startDaemonWithVm() {
  const daemon = await startFakeDaemon();
  daemon.routes['GET /v1/vms'] = (_, response) => answerJson(response, { vms: [sampleVm] });
  daemon.routes['GET /v1/vms/nope'] = (_, response) => answerError(response, 'VM_NOT_FOUND', 'No vm "nope".');
  daemon.routes['GET /v1/vms/web/logs*'] = (_, response) => void response.end('a line\n');
  return daemon;
}

function hasNoStack({ stderr }: Result): void {
  assert.doesNotMatch(stderr, /^ {2}at |INTERNAL/m);
}

test('output that cannot be written is told, and is no success', async () => {
  await using daemon = await startDaemonWithVm();
  for (const line of [...PRINTING, 'vm logs web', 'vm exec web -- echo hi']) {
    const full = await runShell(daemon.env, `banger ${line} > /dev/full`);
    assert.match(full.stderr, LOST, line);
    assert.match(full.stderr, /the disk is full \(ENOSPC\)/, line);
    assert.equal(full.code, 74, line);
    const closed = await runShell(daemon.env, `banger ${line} >&-`);
    assert.match(closed.stderr, /stdout is closed \(EBADF\)/, line);
    assert.equal(closed.code, 74, line);
  }
});

test('a file that may not become larger is told as such', async () => {
  await using daemon = await startDaemonWithVm();
  const script = 'trap "" XFSZ; ulimit -f 1; banger completion bash > "$HOME/out"; code=$?; rm "$HOME/out"; exit $code';
  const { code, stderr } = await runShell(daemon.env, script);
  assert.match(stderr, /EFBIG/);
  assert.equal(code, 74);
});

test('a failure keeps its exit code when there is nowhere to tell it', async () => {
  await using daemon = await startDaemonWithVm();
  for (const streams of ['2>/dev/full', '2>&-', '>&- 2>&-', '<&- >&- 2>&-', '>/dev/full 2>/dev/full']) {
    assert.equal((await runShell(daemon.env, `banger vm show nope ${streams}`)).code, 66, streams);
  }
});

test('notes that are lost fail nothing but the exit code', async () => {
  await using daemon = await startDaemonWithVm();
  const script = 'banger vm exec web -- sh -c "echo out; echo err >&2" 2>/dev/full';
  assert.deepEqual(await runShell(daemon.env, script), { code: 74, stdout: 'out\n', stderr: '' });
});

test('without any standard stream, and without a stdin, commands work', async () => {
  await using daemon = await startDaemonWithVm();
  assert.equal((await runShell(daemon.env, 'banger vm exec web -- sh -c "exit 7" <&- >&- 2>&-')).code, 7);
  assert.deepEqual(await runShell(daemon.env, 'banger vm exec web -- cat <&-'), { code: 0, stdout: '', stderr: '' });
});

test('too few open files are told before anything begins', async () => {
  await using daemon = await startDaemonWithVm();
  for (const files of [16, 32, 63]) {
    const { code, stdout, stderr } = await runShell(daemon.env, `ulimit -n ${files}; banger vm ls`);
    assert.match(stderr, new RegExp(`^banger: .*${files} open files.*TOO_MANY_FILES\\)\n$`));
    assert.deepEqual({ code, stdout }, { code: 71, stdout: '' });
  }
  assert.equal((await runShell(daemon.env, 'ulimit -n 64; banger vm ls')).code, 0);
});

test('in a working folder that is gone, what needs none works, and the rest says so', async (t) => {
  await using daemon = await startDaemonWithVm();
  const gone = join(folderOf(t), 'gone');
  const within = (line: string) => runShell(daemon.env, `mkdir ${gone}; cd ${gone}; rmdir ${gone}; banger ${line}`);
  for (const line of [...PRINTING, 'vm exec web -- true', 'config path', 'daemon status']) {
    const result = await within(line);
    if (line !== 'daemon status') assert.equal(result.code, 0, `${line}: ${result.stderr}`);
    hasNoStack(result);
  }
  for (const line of [
    'vm run .',
    'vm workspace import web',
    'image import x ./x.tar',
    'vm cp a web:/root/',
    'vm workspace export web --patch p',
  ]) {
    const { code, stderr } = await within(line);
    assert.match(stderr, new RegExp(`${gone}, which no longer exists. \\(FILE_NOT_FOUND\\)\n {2}hint: `), line);
    assert.equal(code, 66, line);
  }
});

test('a home that is empty or relative is refused, except by what needs none', async (t) => {
  const { HOME, XDG_STATE_HOME, ...env } = environmentIn(folderOf(t));
  for (const home of ['', 'home', './home']) {
    for (const line of ['vm ls', 'daemon status', 'config path', 'ssh-config --uninstall']) {
      const { code, stderr } = await runShell({ ...env, HOME: home }, `banger ${line}`);
      assert.match(stderr, /^banger: HOME is .* \(HOME_INVALID\)\n {2}hint: Set HOME/, `${home} ${line}`);
      assert.equal(code, 78);
    }
    for (const line of ['version', 'help', 'vm run --help', 'completion bash', 'completion vms'])
      assert.equal((await runShell({ ...env, HOME: home }, `banger ${line}`)).code, 0, `${home} ${line}`);
  }
});

test('a folder in which nothing can be made is told at once, whatever it is', async (t) => {
  const env = environmentIn(folderOf(t));
  for (const [variable, path] of [
    ['XDG_RUNTIME_DIR', '/proc'],
    ['XDG_RUNTIME_DIR', '/proc/self'],
    ['XDG_RUNTIME_DIR', '/dev/null'],
    ['XDG_STATE_HOME', '/proc'],
    ['XDG_STATE_HOME', '/sys/kernel'],
    ['XDG_DATA_HOME', '/proc/1/fd'],
    ['XDG_CACHE_HOME', '/dev/null'],
  ] as const) {
    const { code, stderr } = await runShell({ ...env, [variable]: path }, 'banger vm ls');
    assert.match(stderr, /^banger: The folder .* \(FOLDER_UNUSABLE\)\n {2}hint: /, `${variable}=${path}`);
    assert.equal(code, 73);
  }
});

test('a command that starts no daemon makes nothing, in no home and behind no link', async (t) => {
  const folder = folderOf(t);
  for (const name of ['home', 'elsewhere']) mkdirSync(join(folder, name));
  const { PATH = '' } = process.env;
  const bare = { PATH, HOME: join(folder, 'home') };
  const lines = ['version', 'config path', 'doctor --quiet'];
  for (const line of lines) await runShell(bare, `banger ${line}`);
  assert.deepEqual(readdirSync(bare.HOME), []);
  symlinkSync('../elsewhere', join(bare.HOME, '.cache'));
  for (const line of lines) await runShell(bare, `banger ${line}`);
  assert.deepEqual(readdirSync(join(folder, 'elsewhere')), []);
  assert.equal((await runShell(bare, 'unset HOME; banger version; ls -d /.cache')).code, 2);
});

test('flags that hold everywhere stand before the command too', async () => {
  await using daemon = await startDaemonWithVm();
  const document = (await run(daemon, 'vm ls --json')).stdout;
  for (const line of ['--json vm ls', '--json -q vm ls', '-q --json vm ls', 'vm --json ls'])
    assert.deepEqual(await run(daemon, line), { code: 0, stdout: document, stderr: '' }, line);
  assert.equal((await run(daemon, '--help vm ls')).stdout, (await run(daemon, 'vm ls --help')).stdout);
  const failed = await run(daemon, '--json vm show nope');
  assert.deepEqual([failed.code, JSON.parse(failed.stdout).error.code], [66, 'VM_NOT_FOUND']);
});
