import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as files from 'node:fs';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startDaemon } from './start-daemon.ts';

/** A daemon whose whole program is `script`. */
function daemonOf(t: TestContext, script: string) {
  const folder = mkdtempSync(join(tmpdir(), 'banger-start-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const daemonMain = join(folder, 'main.mjs');
  writeFileSync(daemonMain, `import { writeSync } from 'node:fs';\n${script}`);
  const within = (name: string) => join(folder, name);
  const paths = {
    config: within('config'),
    state: within('some/state'),
    data: within('data'),
    cache: within('cache'),
    runtime: within('run'),
  };
  const owner = { uid: process.getuid?.() ?? 0, files };
  return { paths, owner, socketPath: within('daemon.sock'), daemonMain };
}

const say = (message: unknown) => `writeSync(3, ${JSON.stringify(`${JSON.stringify(message)}\n`)});`;

test('a daemon that says ready is started, with its log in a folder of the owner alone', async (t) => {
  const parts = daemonOf(t, `console.log('hello', process.argv[2]); ${say({ ready: true })}`);
  await startDaemon(parts);
  assert.equal(statSync(parts.paths.state).mode & 0o777, 0o700);
  assert.equal(statSync(join(parts.paths.state, 'daemon.log')).mode & 0o777, 0o600);
});

test('what the daemon says against starting is what the user reads', async (t) => {
  const error = { code: 'STATE_TOO_NEW', message: 'The state is of version 9.', hint: 'Use a newer banger.' };
  await assert.rejects(startDaemon(daemonOf(t, say({ error }))), error);
});

test('one that does not come up has ended when that is told', async (t) => {
  const error = { code: 'STATE_UNREADABLE', message: 'The state cannot be read.' };
  const parts = daemonOf(t, `console.log(process.pid); ${say({ error })} setTimeout(() => {}, 500);`);
  await assert.rejects(startDaemon(parts), error);
  assert.equal(isAlive(Number(readFileSync(join(parts.paths.state, 'daemon.log'), 'utf8'))), false);
});

test('a daemon that dies silently leaves the last lines of its log', async (t) => {
  const parts = daemonOf(t, `console.error('first'); console.error('the reason'); process.exit(1);`);
  mkdirSync(parts.paths.state, { recursive: true });
  writeFileSync(join(parts.paths.state, 'daemon.log'), 'of an earlier run\n');
  await assert.rejects(startDaemon(parts), {
    code: 'DAEMON_UNREACHABLE',
    details: { console: ['first', 'the reason'] },
  });
});

test('a daemon that another command has just started is waited for', async (t) => {
  const parts = daemonOf(t, say({ error: { code: 'DAEMON_ALREADY_RUNNING', message: 'It runs.' } }));
  const server = createServer().listen(parts.socketPath);
  t.after(() => server.close());
  await startDaemon(parts);
});

test('one that is just ending is waited for, and one that lives elsewhere is told', async (t) => {
  const running = say({ error: { code: 'DAEMON_ALREADY_RUNNING', message: 'It runs.' } });
  const parts = daemonOf(t, `console.log(process.pid); ${running}`);
  await assert.rejects(startDaemon({ ...parts, otherLimitMs: 100 }), { code: 'DAEMON_ALREADY_RUNNING' });
  const log = join(parts.paths.state, 'daemon.log');
  const untilThird = `readFileSync(${JSON.stringify(log)}, 'utf8').trim().split('\\n').length < 3`;
  const ending = `import { readFileSync } from 'node:fs'; console.log(process.pid); if (${untilThird}) { ${running} } else { ${say({ ready: true })} }`;
  writeFileSync(parts.daemonMain, `import { writeSync } from 'node:fs';\n${ending}`);
  await startDaemon(parts);
  assert.equal(readFileSync(log, 'utf8').trim().split('\n').length, 3);
});

test('nonsense instead of an answer is told as it is', async (t) => {
  await assert.rejects(startDaemon(daemonOf(t, `writeSync(3, 'what?\\n')`)), {
    code: 'DAEMON_UNREACHABLE',
    message: /what\?/,
  });
});

test('a daemon that is not ready in time is ended', async (t) => {
  const parts = daemonOf(t, `console.log(process.pid); setInterval(() => {}, 1000);`);
  await assert.rejects(startDaemon({ ...parts, limitMs: 2000 }), { code: 'DAEMON_UNREACHABLE', message: /was ended/ });
  const pid = Number(readFileSync(join(parts.paths.state, 'daemon.log'), 'utf8'));
  while (isAlive(pid)) await new Promise((resolve) => setImmediate(resolve));
});

test('a log that is no file keeps nobody waiting', async (t) => {
  const parts = daemonOf(t, say({ ready: true }));
  mkdirSync(parts.paths.state, { recursive: true, mode: 0o700 });
  execFileSync('mkfifo', [join(parts.paths.state, 'daemon.log')]);
  await assert.rejects(startDaemon(parts), { code: 'DAEMON_UNREACHABLE', message: /daemon.log/ });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
