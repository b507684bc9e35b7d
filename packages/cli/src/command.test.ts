/** The command as its users start it, from `bin/banger`, against a daemon that stands in for the real one. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeFrame, FRAME, type FrameType } from '@banger/contract/guest/frames.ts';
import {
  answerError,
  answerJson,
  begun,
  environmentIn,
  type FakeDaemon,
  sampleVm,
  startFakeDaemon,
  writeEvent,
} from '@banger/sdk/testing/fake-daemon.ts';
import { packFiles } from './copy/pack-files.ts';
import { BANGER, finish, run, start } from './testing/run-banger.ts';

/** A create that boots in two steps, and a remove; gives what happened, in order, up to the end of the lease. */
function answerRuns(daemon: FakeDaemon, { isEphemeral = false } = {}) {
  const story: string[] = [];
  const leaseEnded = Promise.withResolvers<void>();
  daemon.routes['POST /v1/vms'] = (_, response, body) => {
    story.push(`create ${body}`);
    response.on('close', () => {
      story.push('lease ended');
      leaseEnded.resolve();
    });
    writeEvent(response, begun('op1', 'web'));
    writeEvent(response, { is: 'note', text: 'spec: 2 vcpu · 1024 MiB · 8G disk' });
    writeEvent(response, { is: 'step', step: 'make the disk', atMs: 0 });
    writeEvent(response, { is: 'step', step: 'boot', atMs: 10 });
    writeEvent(response, { is: 'done', result: sampleVm, durationMs: 20 });
    if (!isEphemeral) response.end();
  };
  daemon.routes['GET /v1/vms/web'] = (_, response) => answerJson(response, sampleVm);
  daemon.routes['POST /v1/vms/web/remove'] = (_, response, body) => {
    story.push(`remove ${body}`);
    writeEvent(response, begun('op2', 'web'));
    writeEvent(response, { is: 'done', result: {}, durationMs: 2 });
    response.end();
  };
  return { story, leaseEnded: leaseEnded.promise };
}

test('what changes the system gets nothing of the caller’s environment', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banger-system-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const hostile = join(folder, 'hostile.mjs');
  writeFileSync(hostile, `import fs from 'node:fs'; fs.writeFileSync('${folder}/ran', '');`);
  const words = { BANGER_TEST_IMPORT: hostile, NODE_OPTIONS: `--import=${hostile}`, XDG_RUNTIME_DIR: '/none' };
  await finish(start({ ...environmentIn(folder), ...words }, ['system', 'status']));
  assert.equal(existsSync(join(folder, 'ran')), false);
});

test('the launcher works from any folder and through links, and says when nothing is installed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'banger-bin-'));
  try {
    symlinkSync(BANGER, join(folder, 'first'));
    symlinkSync('first', join(folder, 'second'));
    const env = environmentIn(folder);
    assert.equal(execFileSync(join(folder, 'second'), ['version'], { env, encoding: 'utf8' }), 'banger 0.1.0\n');
    mkdirSync(join(folder, 'checkout/bin'), { recursive: true });
    writeFileSync(join(folder, 'checkout/bin/banger'), readFileSync(BANGER), { mode: 0o755 });
    const { code, stderr } = await finish(
      spawn(join(folder, 'checkout/bin/banger'), ['version'], { env, stdio: 'pipe' }),
    );
    assert.equal(code, 69);
    assert.match(stderr, /^banger: .*npm ci.*\n$/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('vm ls prints a table, or JSON', async () => {
  await using daemon = await startFakeDaemon();
  daemon.routes['GET /v1/vms'] = (_, response) => answerJson(response, { vms: [sampleVm] });
  const table = await run(daemon, 'vm ls');
  assert.match(table.stdout, /^NAME +STATE .*\nweb +running +qemu +debian +2 +1G +8G +3M +\d+ \w+ ago\n$/);
  const json = await run(daemon, 'vm ls --json');
  assert.deepEqual(JSON.parse(json.stdout), { vms: [sampleVm] });
});

const sampleUsage = {
  ...{ id: '0123456789ab', name: 'web', state: 'running', cpus: 2, memoryBytes: 2 ** 30, diskBytes: 8 * 2 ** 30 },
  diskAllocatedBytes: 3 * 2 ** 20,
  machine: {
    ...{ cpuMs: { total: 61_000, perSecond: 1234 }, residentBytes: 300 * 2 ** 20 },
    ...{ diskReadBytes: { total: 2 ** 20, perSecond: null }, diskWrittenBytes: { total: 2 ** 20, perSecond: 1536 } },
    ...{ receivedBytes: null, sentBytes: null },
  },
};
const sampleStats = { at: '2026-01-02T03:04:05.000Z', vms: [sampleUsage] };

test('vm stats prints one table where there is no terminal, and with --json a line for each sample', async () => {
  await using daemon = await startFakeDaemon();
  daemon.routes['GET /v1/stats'] = (_, response) => {
    response.write(`${JSON.stringify(sampleStats)}\n`);
    const stopped = { ...sampleUsage, name: 'old', state: 'stopped', machine: null };
    response.end(`${JSON.stringify({ ...sampleStats, vms: [sampleUsage, stopped] })}\n`);
  };
  const table = await run(daemon, 'vm stats web old');
  assert.equal(daemon.requests.at(-1), 'GET /v1/stats?vms=web%2Cold');
  assert.equal(
    table.stdout,
    `NAME  STATE    CPU           MEMORY      DISK      READ  WRITTEN  RECEIVED  SENT
web   running  123% of 200%  300M of 1G  3M of 8G  -     1.5K/s   -         -
`,
  );
  assert.deepEqual(JSON.parse((await run(daemon, 'vm stats --json --once')).stdout), sampleStats);
  const lines = (await run(daemon, 'vm stats --json')).stdout.trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).vms.map(({ name }: { name: string }) => name)),
    [['web'], ['web', 'old']],
  );
});

test('vm stats says so when all that it was to measure is gone', async () => {
  await using daemon = await startFakeDaemon();
  daemon.routes['GET /v1/stats'] = (_, response) => void response.end();
  const { code, stdout, stderr } = await run(daemon, 'vm stats web --once');
  assert.deepEqual([code, stdout], [66, '']);
  assert.match(stderr, /just been removed\. \(VM_NOT_FOUND\)/);
});

test('a failure has its code, its hint and its exit code, as text on stderr or as JSON on stdout', async () => {
  await using daemon = await startFakeDaemon();
  daemon.routes['GET /v1/vms/nope'] = (_, response) => answerError(response, 'VM_NOT_FOUND', 'No vm "nope".');
  assert.deepEqual(await run(daemon, 'vm show nope'), {
    code: 66,
    stdout: '',
    stderr: 'banger: No vm "nope". (VM_NOT_FOUND)\n  hint: Try something else.\n',
  });
  const json = await run(daemon, 'vm show nope --json');
  assert.equal(json.code, 66);
  assert.equal(json.stderr, '');
  assert.equal(JSON.parse(json.stdout).error.code, 'VM_NOT_FOUND');
  const usage = await run(daemon, 'vm shwo nope --json');
  assert.equal(JSON.parse(usage.stdout).error.code, 'USAGE');
});

test('vm exec passes stdin, stdout and stderr apart, and the exit code', async () => {
  await using daemon = await startFakeDaemon();
  const child = start(daemon.env, [
    'vm',
    'exec',
    '-e',
    'WORD=hi',
    'web',
    '--',
    'sh',
    '-c',
    'cat; echo "$WORD" >&2; exit 7',
  ]);
  assert.deepEqual(await finish(child, 'from stdin\n'), { code: 7, stdout: 'from stdin\n', stderr: 'hi\n' });
});

test('a variable of the caller’s is passed on as it is, also one that the launcher might have used itself', async () => {
  await using daemon = await startFakeDaemon();
  const names = ['here', 'target', 'root', 'node', 'compiled', 'ours', 'word', 'name', 'rest', 'program', 'ROOT'];
  const env = { ...daemon.env, ...Object.fromEntries(names.map((name) => [name, `my ${name}`])) };
  const script = names.map((name) => `echo "$${name}"`).join(';');
  const { stdout } = await finish(
    start(env, ['vm', 'exec', ...names.flatMap((name) => ['-e', name]), 'web', '--', 'sh', '-c', script]),
  );
  assert.equal(stdout, names.map((name) => `my ${name}\n`).join(''));
});

test('megabytes go through vm exec unchanged', async () => {
  await using daemon = await startFakeDaemon();
  const bytes = Buffer.alloc(8_000_000, 'a line of text, again and again\n');
  const { code, stdout } = await run(daemon, 'vm exec web -- cat', bytes);
  assert.equal(code, 0);
  assert.equal(stdout, bytes.toString());
});

test('a reader that is gone ends vm exec quietly', async () => {
  await using daemon = await startFakeDaemon();
  const pipeline = `'${BANGER}' vm exec web -- yes | head -n 1; echo "code \${PIPESTATUS[0]}"`;
  const { stdout, stderr } = await finish(spawn('bash', ['-c', pipeline], { env: daemon.env, stdio: 'pipe' }));
  assert.equal(stderr, '');
  assert.equal(stdout, 'y\ncode 141\n');
});

test('signals reach the command, also while nobody reads its output', async () => {
  await using daemon = await startFakeDaemon();
  const script = 'trap "exit 5" USR1; echo ready; while :; do sleep 0.05; done';
  const child = start(daemon.env, ['vm', 'exec', 'web', '--', 'sh', '-c', script]);
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  child.kill('SIGUSR1');
  assert.equal((await finish(child)).code, 5);

  const flood = start(daemon.env, ['vm', 'exec', 'web', '--', 'yes']);
  await once(flood.stdout as NodeJS.ReadableStream, 'readable'); // and never read: the pipe fills up
  flood.kill('SIGINT');
  while (daemon.signals.length < 2) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(daemon.signals, ['USR1', 'INT']);
  assert.equal((await finish(flood)).code, 130);
});

test('a command that does not exist is 127', async () => {
  await using daemon = await startFakeDaemon();
  const { code, stderr } = await run(daemon, 'vm exec web -- no-such-program');
  assert.equal(code, 127);
  assert.match(stderr, /COMMAND_NOT_FOUND/);
});

test('a command that an image of one program lacks is told with what works in it', async () => {
  await using daemon = await startFakeDaemon();
  const refused = async (code: string) => {
    daemon.guestSays = encodeFrame(
      FRAME.FAILED,
      JSON.stringify({ code, message: 'there is no /bin/sh in this image' }),
    );
    return run(daemon, 'vm exec web -- bash');
  };
  const missing = await refused('NO_SHELL');
  assert.equal(missing.code, 127);
  assert.match(
    missing.stderr,
    /^banger: there is no \/bin\/sh in this image \(COMMAND_NOT_FOUND\)\n {2}hint: .*name one after "--"/,
  );
  assert.match((await refused('COMMAND_NOT_FOUND')).stderr, /hint: .*can be installed/);
  const nobody = await refused('USER_NOT_FOUND');
  assert.equal(nobody.code, 67);
  assert.match(nobody.stderr, /\(USER_NOT_FOUND\)\n {2}hint: "--user root" is there/);
});

test('a guest chooses neither the error nor the exit code of a command that it refuses', async () => {
  await using daemon = await startFakeDaemon();
  const refused = async (type: FrameType, said: unknown) => {
    daemon.guestSays = encodeFrame(type, JSON.stringify(said));
    return run(daemon, 'vm exec web -- true');
  };
  for (const code of ['toString', '__proto__', 'CANCELLED', 'USAGE', 'INTERNAL', '\u001b]0;x\u0007']) {
    const { code: exitCode, stderr } = await refused(FRAME.FAILED, { code, message: 'no' });
    assert.deepEqual([exitCode, stderr], [65, 'banger: no (GUEST_REFUSED)\n'], code);
  }
  for (const exit of [{ code: 'x' }, { code: 256 }, { signal: 'toString' }, { signal: '9999' }, 0]) {
    const { code, stderr } = await refused(FRAME.EXIT, exit);
    assert.equal(code, 76, JSON.stringify(exit));
    assert.match(stderr, /AGENT_PROTOCOL/);
  }
  const { code } = await refused(FRAME.EXIT, { signal: '35' });
  assert.equal(code, 163);
});

test('a detached command prints its session', async () => {
  await using daemon = await startFakeDaemon();
  assert.deepEqual(await run(daemon, 'vm exec -d web -- sleep 0'), { code: 0, stdout: 's1\n', stderr: '' });
});

test('vm run shows the spec and the steps, runs the command, and says that the vm goes on', async () => {
  await using daemon = await startFakeDaemon();
  const { story } = answerRuns(daemon);
  const { code, stdout, stderr } = await run(daemon, 'vm run --cpus 2 -- true');
  assert.equal(code, 0);
  assert.equal(stdout, '');
  assert.match(stderr, /^spec: 2 vcpu · 1024 MiB · 8G disk\n· make the disk\n· boot\nweb goes on running: /);
  assert.equal(story[0], 'create {"cpus":2,"start":true,"ephemeral":false}');
});

test('vm run --rm removes the vm before its lease ends, and keeps the exit code', async () => {
  await using daemon = await startFakeDaemon();
  const { story, leaseEnded } = answerRuns(daemon, { isEphemeral: true });
  const { code, stderr } = await finish(start(daemon.env, ['vm', 'run', '-q', '--rm', '--', 'sh', '-c', 'exit 3']));
  assert.equal(code, 3);
  assert.equal(stderr, '');
  await leaseEnded;
  assert.deepEqual(story.slice(1), ['remove {"force":true}', 'lease ended']);
});

test('vm run --rm removes the vm also when the command cannot start', async () => {
  await using daemon = await startFakeDaemon();
  const { story, leaseEnded } = answerRuns(daemon, { isEphemeral: true });
  assert.equal((await run(daemon, 'vm run --rm -- no-such-program')).code, 127);
  await leaseEnded;
  assert.deepEqual(story.slice(1), ['remove {"force":true}', 'lease ended']);
});

test('a vm run --rm that is killed gives up its lease', async () => {
  await using daemon = await startFakeDaemon();
  const { story, leaseEnded } = answerRuns(daemon, { isEphemeral: true });
  const child = start(daemon.env, ['vm', 'run', '--rm', '--', 'sh', '-c', 'echo ready; exec sleep 60']);
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  child.kill('SIGKILL');
  await once(child, 'close');
  await leaseEnded;
  assert.equal(story.at(-1), 'lease ended');
});

test('the first Ctrl-C cancels an operation and waits for its undoing, the second leaves', async () => {
  await using daemon = await startFakeDaemon();
  const cancelled = Promise.withResolvers<void>();
  let isUndone = false;
  daemon.routes['POST /v1/vms/web/start'] = async (_, response) => {
    writeEvent(response, begun('op9', 'web'));
    writeEvent(response, { is: 'step', step: 'boot', atMs: 0 });
    await cancelled.promise;
    isUndone = true;
    writeEvent(response, {
      is: 'failed',
      error: { code: 'CANCELLED', message: 'Cancelled and undone.' },
      durationMs: 9,
    });
    response.end();
  };
  daemon.routes['DELETE /v1/operations/op9'] = (_, response) => {
    answerJson(response, {});
    cancelled.resolve();
  };
  const child = start(daemon.env, ['vm', 'start', 'web']);
  await once(child.stderr as NodeJS.ReadableStream, 'readable');
  child.kill('SIGINT');
  const { code, stderr } = await finish(child);
  assert.equal(code, 130);
  assert.ok(isUndone);
  assert.match(stderr, /Cancelling and undoing.*\nbanger: Cancelled and undone. \(CANCELLED\)\n$/s);

  daemon.routes['POST /v1/vms/web/start'] = (_, response) =>
    writeEvent(response, { is: 'step', step: 'boot', atMs: 0 });
  const stubborn = start(daemon.env, ['vm', 'start', 'web']);
  await once(stubborn.stderr as NodeJS.ReadableStream, 'data');
  stubborn.kill('SIGINT');
  await once(stubborn.stderr as NodeJS.ReadableStream, 'data');
  stubborn.kill('SIGINT');
  assert.equal((await finish(stubborn)).code, 130);
});

test('several vms are worked on side by side, and one failure does not stop the others', async () => {
  await using daemon = await startFakeDaemon();
  answerRuns(daemon);
  daemon.routes['POST /v1/vms/db/remove'] = (_, response) => answerError(response, 'VM_WRONG_STATE', 'It runs.');
  const { code, stdout, stderr } = await run(daemon, 'vm rm db web');
  assert.equal(code, 65);
  assert.equal(stdout, 'web: removed\n');
  assert.match(stderr, /It runs. \(VM_WRONG_STATE\)/);
  const { results } = JSON.parse((await run(daemon, 'vm rm db web --json')).stdout);
  assert.deepEqual(results, [
    { name: 'db', error: { code: 'VM_WRONG_STATE', message: 'It runs.', hint: 'Try something else.' } },
    { name: 'web', result: {} },
  ]);
});

test('vm cp brings a folder out of a vm, and a file into one', async () => {
  await using daemon = await startFakeDaemon();
  const folder = mkdtempSync(join(tmpdir(), 'banger-cp-'));
  try {
    mkdirSync(join(folder, 'guest/project'), { recursive: true });
    writeFileSync(join(folder, 'guest/project/notes'), 'hello');
    let put = '';
    daemon.routes['GET /v1/vms/web/stat*'] = (request, response) => {
      const path = new URL(request.url ?? '', 'http://x').searchParams.get('path');
      if (path === '/root/new') answerError(response, 'GUEST_PATH', 'no');
      else answerJson(response, { kind: 'directory', sizeBytes: 0, mode: 0o755 });
    };
    daemon.routes['GET /v1/vms/web/files*'] = async (_, response) => {
      const count = { files: 0, bytes: 0, skipped: 0 };
      for await (const chunk of packFiles({ path: join(folder, 'guest/project'), name: 'project', count }))
        response.write(chunk);
      response.end();
    };
    daemon.routes['PUT /v1/vms/web/files*'] = (request, response, body) => {
      // After the extended header, which has the time with its fraction.
      put = `${request.url} ${body.toString('latin1', 1024, 1034)}`;
      response.statusCode = 204;
      response.end();
    };
    const out = await finish(start(daemon.env, ['vm', 'cp', 'web:/root/project', 'copy'], folder));
    assert.deepEqual(out, { code: 0, stdout: '', stderr: '1 file · 5B copied\n' });
    assert.equal(readFileSync(join(folder, 'copy/notes'), 'utf8'), 'hello');
    assert.equal((await finish(start(daemon.env, ['vm', 'cp', 'copy/notes', 'web:/root/new'], folder))).code, 0);
    assert.equal(put, `/v1/vms/web/files?path=%2Froot new\0\0\0\0\0\0\0`);
    assert.equal((await finish(start(daemon.env, ['vm', 'cp', 'copy', 'elsewhere'], folder))).code, 64);
    symlinkSync('circle', join(folder, 'circle'));
    for (const sides of [
      ['circle', 'web:/root'],
      ['n'.repeat(256), 'web:/root'],
      ['web:/root/project', 'circle'],
    ]) {
      const { code, stderr } = await finish(start(daemon.env, ['vm', 'cp', ...sides], folder));
      assert.match(stderr, /^banger: .*: it cannot be read \(E[A-Z]+\)\. \(FILE_NOT_FOUND\)\n$/);
      assert.equal(code, 66);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('daemon status does not start a daemon', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'banger-none-'));
  try {
    const { code, stdout } = await finish(start(environmentIn(folder), ['daemon', 'status', '--json']));
    assert.equal(code, 69);
    assert.deepEqual(JSON.parse(stdout), { running: false });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
