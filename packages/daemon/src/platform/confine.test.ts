import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { type Confinement, createConfinement, runConfined } from './confine.ts';
import { findByArgument } from './processes.ts';
import { Task } from './task.ts';
import { createWalls } from './walls.ts';

const task = Task.background();

async function makeFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'banger-confine-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

/** What a hostile script can do behind walls. */
async function tryBehindWalls(script: string, walls: Confinement = {}): Promise<string> {
  return (await runConfined(task, ['sh', '-c', script], walls)).stdout.trim();
}

test('it sees no home, no other process and no file that it was not given', async (t) => {
  const folder = await makeFolder(t);
  await writeFile(join(folder, 'secret'), 'hunter2');
  const seen = await tryBehindWalls(
    `cat ${folder}/secret /etc/passwd /etc/shadow; ls -A ${homedir()} /root /home /run /var; ls /tmp; ls -d /proc/[0-9]* | wc -l; true`,
  );
  assert.ok(Number(seen) < 8, `it saw: ${seen}`); // no more than itself, and how it was started
});

test('it has no network, not even the host’s loopback', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  const seen = await runConfined(
    task,
    ['bash', '-c', `(: > /dev/tcp/127.0.0.1/${port}) 2>/dev/null && echo reached; cat /proc/net/dev`],
    {},
  );
  assert.doesNotMatch(seen.stdout, /reached/);
  assert.deepEqual(
    seen.stdout.match(/^ *\w+:/gm)?.map((name) => name.trim()),
    ['lo:'],
  );
});

test('it changes what it may, and nothing else', async (t) => {
  const folder = await makeFolder(t);
  const [given, shown, result] = ['given', 'shown', 'result'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [given, shown, result]) await writeFile(path, 'before');
  const refused = await tryBehindWalls(
    `for path in ${shown} /new /usr/new /dev/new /dev/shm/new /proc/sys/kernel/hostname
     do (echo after > $path) 2>/dev/null && echo "wrote $path"; done
     echo after > ${result}; echo mine > ${folder}/new; echo mine > /tmp/new; cat ${given}`,
    { readable: [given, shown], writable: [result] },
  );
  assert.equal(refused, 'before');
  assert.deepEqual(await Promise.all([shown, result].map((path) => readFile(path, 'utf8'))), ['before', 'after\n']);
  assert.deepEqual([`${folder}/new`, '/new', '/usr/new', '/tmp/new'].filter(existsSync), []);
});

test('it can neither mount nor be root in another namespace', async () => {
  const script = 'mount -t tmpfs none /tmp || unshare --user --map-root-user true || echo neither';
  assert.match(await tryBehindWalls(`(${script}) 2>/dev/null`), /neither/);
});

test('it is given bytes and gives bytes, and reads the folder it was told to be in', async (t) => {
  const folder = await makeFolder(t);
  await writeFile(join(folder, 'suffix'), ' and more');
  const chunks: Buffer[] = [];
  const stdout = new Writable({ write: (chunk, _encoding, done) => done(void chunks.push(chunk)) });
  const stdin = Readable.from(['some']);
  await runConfined(task, ['cat', '-', 'suffix'], { readable: [folder] }, { stdin, stdout, cwd: folder });
  assert.equal(Buffer.concat(chunks).toString(), 'some and more');
});

// A program has ended when its output is closed, and these hold it open.
const LEAVE_ONE = 'setsid sleep infinity & setsid sh -c "sleep infinity" &';

test('what it started ends with it', { timeout: 60_000 }, async () => {
  assert.equal(await tryBehindWalls(`${LEAVE_ONE} echo done`), 'done');
});

test('and when it is cancelled, by the time that it is told', { timeout: 60_000 }, async (t) => {
  const folder = await makeFolder(t);
  const controller = new AbortController();
  const cancelled = runConfined(
    new Task(controller.signal, () => {}),
    ['sh', '-c', `${LEAVE_ONE} tail -f /dev/null ${folder} & echo up >&2; exec sleep infinity`],
    {},
    { onStderrLine: (line) => line === 'up' && controller.abort() },
  );
  await assert.rejects(cancelled, { code: 'CANCELLED' });
  assert.deepEqual(findByArgument(folder), []);
});

const BEYOND: [limit: string, script: string, Confinement['limits'], words: RegExp][] = [
  ['of the processor', 'while :; do :; done', { cpuSeconds: 1 }, /needed more than 1 s of the processor/],
  ['of memory', 'head -c 300M /dev/zero | tail -c 300M', { memoryBytes: 64 * 2 ** 20 }, /memory|exhausted/],
  ['of one file', 'head -c 3M /dev/zero > out', { fileBytes: 2 ** 20 }, /wrote a file of more than 1M|File too large/],
  [
    'of all files',
    'n=0; while head -c 1M /dev/zero > $n; do n=$((n+1)); sleep 0.01; done',
    { growthBytes: 20 * 2 ** 20 },
    /wrote more than 20M/,
  ],
  ['of its output', 'cat /dev/zero', { outputBytes: 2 ** 20 }, /printed more than 1M/],
];

for (const [limit, script, limits, words] of BEYOND) {
  test(`it is ended when it wants too much ${limit}`, { timeout: 60_000 }, async (t) => {
    const folder = await makeFolder(t);
    const walls = { writable: [folder], limits: limits ?? {} };
    await assert.rejects(runConfined(task, ['sh', '-c', script], walls, { cwd: folder }), words);
  });
}

test('a private /tmp is bounded', async () => {
  assert.match(await tryBehindWalls('head -c 300M /dev/zero > /tmp/much 2>&1 || echo full'), /full/);
});

test('a tool that is missing is told as missing, and a failure in its own name', async () => {
  await assert.rejects(runConfined(task, ['banger-no-such-tool'], {}), { code: 'TOOL_MISSING' });
  await assert.rejects(runConfined(task, ['sh', '-c', 'echo no >&2; exit 3'], {}), { message: 'sh exited with 3: no' });
  await assert.rejects(runConfined(task, ['sh', '-c', 'kill -9 $$'], {}), { signal: 'SIGKILL', code: null });
});

test('on a host that gives no walls the limits still hold, and that is told once', async () => {
  const notes: unknown[] = [];
  const watched = new Task(new AbortController().signal, (event) => notes.push(event));
  const walls = createWalls([['--no-such-option']]);
  const { runConfined } = createConfinement(walls);
  for (const _ of ['first', 'second']) {
    const beyond = runConfined(watched, ['cat', '/dev/zero'], { limits: { outputBytes: 1 } });
    await assert.rejects(beyond, /printed more/);
  }
  assert.match(
    JSON.stringify(notes),
    /^\[\{"is":"note","text":"Machines, and programs that read .* run without walls on this host: .*no-such-option[^}]*\}\]$/,
  );
  assert.match((await walls.findWallObstacle(task)) as string, /no-such-option/);
});
