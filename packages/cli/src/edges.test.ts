/** The command where its surroundings are odd: streams that take nothing, folders that are gone, a home that is none. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  answerError,
  answerJson,
  begun,
  environmentIn,
  sampleVm,
  startFakeDaemon,
  writeEvent,
} from '@banger/sdk/testing/fake-daemon.ts';
import { BANGER, type Result, run, runShell } from './testing/run-banger.ts';

const LOST = /^banger: What this command printed could not be written: .* \(OUTPUT_LOST\)\n {2}hint: .*\n$/;

/** One of each way of printing */
const PRINTING = ['version', 'version --json', 'help', 'vm run --help', 'vm ls', 'vm ls --json', 'completion bash'];

/** One of each that passes on what comes from elsewhere */
const STREAMING = ['vm logs web', 'vm workspace diff web', 'vm workspace export web --patch -', 'vm cp web:/root -'];

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'banger-edge-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function startDaemonWithVm() {
  const daemon = await startFakeDaemon();
  daemon.routes['GET /v1/vms'] = (_, response) => answerJson(response, { vms: [sampleVm] });
  daemon.routes['GET /v1/vms/nope'] = (_, response) => answerError(response, 'VM_NOT_FOUND', 'No vm "nope".');
  for (const what of ['logs', 'workspace/diff', 'files'])
    daemon.routes[`GET /v1/vms/web/${what}*`] = (_, response) => void response.end('a line\n'.repeat(20_000));
  return daemon;
}

function hasNoStack({ stderr }: Result): void {
  assert.doesNotMatch(stderr, /^ {2}at |INTERNAL/m);
}

/** What a stdout can be that takes nothing, by how a shell gives it, and how that is told */
const LOSING: [string, RegExp][] = [
  ['>/dev/full', /the disk is full \(ENOSPC\)/],
  ['>&-', /stdout is closed, or cannot be written to \(EBADF\)/],
  ['1</dev/null', /cannot be written to \(EBADF\)/],
  ['3</ >&3', /cannot be written to \(EBADF\)/], // a folder
  ['>/proc/$$/mem', /fails \(EIO\)/], // nobody has memory at zero
  ['>/proc/self/mem', /fails \(EIO\)/], // of a process that is no more: it takes no byte, and says nothing
];

for (const [stdout, why] of LOSING) {
  test(`output to ${stdout} is lost, which is told and no success`, async () => {
    await using daemon = await startDaemonWithVm();
    const lines = ['vm ls --json', 'vm logs web'];
    for (const line of stdout === '>/dev/full' ? [...PRINTING, ...STREAMING, 'vm exec web -- echo hi'] : lines) {
      const lost = await runShell(daemon.env, `banger ${line} ${stdout}`);
      assert.match(lost.stderr, LOST, line);
      assert.match(lost.stderr, why, line);
      assert.equal(lost.code, 74, line);
    }
    const failed = await runShell(daemon.env, `banger --json vm show nope ${stdout}`);
    assert.equal(JSON.parse(failed.stderr).error.code, 'VM_NOT_FOUND', 'stderr has what stdout does not take');
    assert.equal(failed.code, 66);
  });
}

test('a reader that leaves ends the command as it ends any of a pipeline', async () => {
  await using daemon = await startDaemonWithVm();
  const endless = `sh -c 'while echo y; do :; done'`;
  for (const line of [...STREAMING, `vm exec web -- ${endless}`, 'version', 'version --json']) {
    const script = `{ banger ${line}; echo $? >&2; } | head -c 0`;
    assert.deepEqual(await runShell(daemon.env, script), { code: 0, stdout: '', stderr: '141\n' }, line);
  }
});

test('a reader that is slow gets everything, and the exit code', async () => {
  await using daemon = await startDaemonWithVm();
  for (const bytes of [350_000, 800_000]) {
    const script = `banger vm exec web -- head -c ${bytes} /dev/zero | (sleep 0.5; wc -c); echo "$PIPESTATUS"`;
    assert.deepEqual(await runShell(daemon.env, script), { code: 0, stdout: `${bytes}\n0\n`, stderr: '' });
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
  const failing = await runShell(daemon.env, 'banger vm exec web --json -- true 2>/proc/$$/mem');
  assert.deepEqual(failing, { code: 74, stdout: '', stderr: '' });
});

test('without any standard stream, and without a stdin, commands work', async () => {
  await using daemon = await startDaemonWithVm();
  assert.equal((await runShell(daemon.env, 'banger vm exec web -- sh -c "exit 7" <&- >&- 2>&-')).code, 7);
  assert.deepEqual(await runShell(daemon.env, 'banger vm exec web -- cat <&-'), { code: 0, stdout: '', stderr: '' });
});

test('limits that are too low for anything are told before it begins', async () => {
  await using daemon = await startDaemonWithVm();
  for (const [limit, told] of [
    ['-n 16', /16 open files.*TOO_MANY_FILES/],
    ['-n 63', /63 open files.*TOO_MANY_FILES/],
    ['-v 400000', /400000 KiB of addresses.*NOT_ENOUGH_MEMORY/],
    ['-d 40000', /40000 KiB of memory.*NOT_ENOUGH_MEMORY/],
  ] as const) {
    const { code, stdout, stderr } = await runShell(daemon.env, `ulimit ${limit}; banger vm ls`);
    assert.match(stderr, told);
    assert.match(stderr, /^banger: [^\n]*\n$/);
    assert.deepEqual({ code, stdout }, { code: 71, stdout: '' });
  }
  assert.equal((await runShell(daemon.env, 'ulimit -n 64 -v 4194304 -d 1048576; banger vm ls')).code, 0);
});

test('as many names as there are take few open files, and say nothing but what came of them', async () => {
  await using daemon = await startDaemonWithVm();
  daemon.routes['POST /v1/vms/*'] = (_, response) => {
    writeEvent(response, begun('op1', 'web'));
    writeEvent(response, { is: 'done', result: { how: 'killed' }, durationMs: 1 });
    response.end();
  };
  const { code, stdout, stderr } = await runShell(daemon.env, 'ulimit -n 64; banger vm kill $(seq -f v%g 1 200)');
  assert.deepEqual([code, stderr], [0, '']);
  assert.equal(stdout.split('\n').length, 201);
});

test('names that were not begun when the work was cancelled stay as they are, and are named', async () => {
  await using daemon = await startDaemonWithVm();
  let begins = 0;
  daemon.routes['POST /v1/vms/*'] = (_, response) => {
    begins += 1;
    writeEvent(response, begun('op1', 'web'));
    writeEvent(response, { is: 'failed', error: { code: 'CANCELLED', message: 'Cancelled.' }, durationMs: 1 });
    response.end();
  };
  const { code, stderr } = await runShell(daemon.env, 'banger vm kill $(seq -f v%g 1 50)');
  assert.equal(code, 130);
  assert.ok(begins < 50, `${begins} were begun`);
  assert.match(stderr, /Nothing was done with "v50".*\(CANCELLED\)/);
});

test('a stdin that breaks off ends the command, rather than be taken for whole', async () => {
  await using daemon = await startDaemonWithVm();
  const { code, stderr } = await runShell(daemon.env, 'banger vm exec web -- cat </proc/$$/mem');
  assert.match(stderr, /EIO.*\(DISK_FAILED\)/);
  assert.equal(code, 74);
});

test('a tar stream is not read from what has none', async () => {
  await using daemon = await startDaemonWithVm();
  for (const line of ['vm cp - web:/root', 'image import x -']) {
    const folder = await runShell(daemon.env, `banger ${line} </`);
    assert.match(folder.stderr, /stdin is a folder. \(USAGE\)\n {2}hint: Send one through a pipe/);
    const terminal = await runShell(daemon.env, `script -qec '${BANGER} ${line}' /dev/null </dev/null`);
    assert.match(terminal.stdout, /stdin is a terminal. \(USAGE\)/);
    assert.deepEqual([folder.code, terminal.code], [64, 64]);
  }
  for (const line of ['kernel import x -', 'kernel import x /etc/os-release --modules -', 'vm workspace import web -'])
    assert.match((await run(daemon, line)).stderr, /"-" is stdin.* file or a folder. \(USAGE\)\n {2}hint: /);
  assert.ok(!daemon.requests.some((request) => request.startsWith('PUT')));
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
