import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { toBangerError } from '@banger/contract/errors.ts';
import { assertShutIn } from '../../../../test/support/look-inside.ts';
import { killProcess } from '../platform/processes.ts';
import type { Scopes } from '../platform/scope.ts';
import { findStarted } from '../platform/started.ts';
import { Task } from '../platform/task.ts';
import { watchForContent } from '../platform/unix-sockets.ts';
import { createWalls } from '../platform/walls.ts';
import { createShutIn, makeOwnFolder, ownFolder, planOpenFiles } from './shut-in.ts';

const task = Task.background();

/** As a hypervisor: it says that it is up, and stays. */
function standIn(own: string): string[] {
  return ['sh', '-c', 'echo up > up; exec tail "$@"', 'tail', '-f', '-n', '0', `${own}/up`];
}

test('what takes over a hypervisor finds its own files, and nothing of yours', async (t) => {
  const { folder, own, start } = await makeRun(t);
  const [kernel, disk, yours, other] = ['kernel', 'disk', 'yours', 'other'].map((name) => join(folder, name)) as [
    ...[string, string, string, string],
  ];
  for (const path of [kernel, disk, yours]) await writeFile(path, 'canary');
  const socket = createServer().listen(other);
  await once(socket, 'listening');
  t.after(() => socket.close());
  const { ref } = await start({ readable: [kernel], writable: [disk] });
  const hidden = [yours, other, homedir(), '/etc/passwd', '/var', '/sys', '/dev/kmsg'];
  assertShutIn(ref.pid, { hidden, readable: [kernel, '/usr'], writable: [own, disk], hasFilter: false });
});

test('it writes to its own, to the disk, and to nothing else', async (t) => {
  const { folder, own, runToEnd } = await makeRun(t);
  const [kernel, disk] = [join(folder, 'kernel'), join(folder, 'disk')];
  for (const path of [kernel, disk]) await writeFile(path, 'before');
  const refused = [
    kernel,
    `${folder}/new`,
    '/new',
    '/tmp',
    '/usr/new',
    '/dev/new',
    '/dev/shm/new',
    '/proc/sys/kernel/hostname',
  ];
  const script = `for path in ${refused.join(' ')}; do (echo after > $path) 2>&- && echo "$path" >> wrote; done; echo after > ${disk}; echo > wrote-own`;
  await runToEnd(['sh', '-c', script], { readable: [kernel], writable: [disk] });
  await assert.rejects(readFile(join(own, 'wrote')), { code: 'ENOENT' });
  assert.equal(await readFile(join(own, 'wrote-own'), 'utf8'), '\n');
  assert.deepEqual(await Promise.all([kernel, disk].map((path) => readFile(path, 'utf8'))), ['before', 'after\n']);
});

test('one that makes interfaces has power over its own network, and over nothing else', async (t) => {
  const { own, logPath, runToEnd } = await makeRun(t);
  const script =
    'ip link set lo up && ip link add br0 type bridge && grep CapEff /proc/self/status > power; mount -t tmpfs none /usr || hostname other || chown 1 . || echo none >> power';
  await runToEnd(['sh', '-c', script], { ownsNetwork: true });
  const said = await readFile(logPath, 'utf8');
  assert.equal(await readFile(join(own, 'power'), 'utf8').catch(() => said), 'CapEff:\t0000000000001100\nnone\n');
});

test('a hypervisor that is installed elsewhere is there, by a link too', async (t) => {
  const { folder, own, runToEnd } = await makeRun(t);
  const [program, link] = [join(folder, 'program'), join(folder, 'link')];
  await writeFile(program, '#!/bin/sh\necho ran >> ran\n', { mode: 0o700 });
  await symlink(program, link);
  for (const argv of [[program], [link]]) await runToEnd(argv, {});
  assert.equal(await readFile(join(own, 'ran'), 'utf8'), 'ran\nran\n');
});

test('where bubblewrap cannot start it that is in the log, and nothing is left', async (t) => {
  const { runFolder, own, logPath, runToEnd } = await makeRun(t);
  await runToEnd(standIn(own), { writable: ['/nonexistent/disk'] });
  assert.match(await readFile(logPath, 'utf8'), /nonexistent\/disk/);
  assert.deepEqual(findStarted(runFolder), []);
});

test('a start that is cancelled leaves nothing, at whatever moment', async (t) => {
  const { runFolder, own, plan } = await makeRun(t);
  for (const afterMs of [0, 2, 4, 6, 8, 10, 12]) {
    const cancelled = task.withSignal(AbortSignal.timeout(afterMs));
    const started = await createShutIn()(cancelled, standIn(own), plan).catch((fault) => fault);
    if ('kill' in started) await started.kill();
    else assert.equal(toBangerError(started).code, 'TIMED_OUT');
    assert.deepEqual(findStarted(runFolder), []);
  }
});

test('it may open as many files as it needs, or as its user may', () => {
  const limitsOf = (hard: string) =>
    `Limit  Soft Limit  Hard Limit  Units\nMax open files            256                  ${hard}                files\n`;
  assert.deepEqual(
    ['256', '1048576', 'unlimited'].map((hard) => planOpenFiles(limitsOf(hard))),
    [256, 2048, 2048],
  );
});

test('on a host that gives no walls it runs without them, and ends as it would with them', async (t) => {
  const { runFolder, own, plan, untilUp } = await makeRun(t);
  const vmm = await createShutIn({ walls: createWalls([]) })(task, standIn(own), plan);
  await untilUp();
  assert.deepEqual(findStarted(runFolder), [vmm.ref]);
  await vmm.kill();
  assert.deepEqual(findStarted(runFolder), []);
});

test('a systemd that bounds no more costs the bounds and not the start', async (t) => {
  const { runFolder, own, plan, logPath, untilUp } = await makeRun(t);
  let asked = 0;
  const scopesBy = (words: string[], isLost: boolean): Scopes => ({
    around: async () => ({ words, env: {} }),
    findScopeObstacle: async () => null,
    isLost: async () => {
      asked += 1;
      return isLost;
    },
  });
  const refusing = createShutIn({ scopes: scopesBy(['false'], true) });
  const vmm = await refusing(task, standIn(own), plan);
  await untilUp();
  await vmm.kill();
  assert.deepEqual([asked, findStarted(runFolder)], [1, []]);

  // Where systemd bounds as ever, nothing is tried twice.
  const working = createShutIn({ scopes: scopesBy(['sh', '-c', 'echo begun; exit 1'], false) });
  await (await working(task, standIn(own), plan)).exited;
  assert.equal((await readFile(logPath, 'utf8')).match(/begun/g)?.length, 1);
  assert.deepEqual([asked, findStarted(runFolder)], [2, []]);
});

async function makeRun(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'banger-shut-in-'));
  const runFolder = join(folder, 'run');
  await makeOwnFolder(runFolder);
  t.after(async () => {
    for (const found of findStarted(runFolder)) await killProcess(found);
    await rm(folder, { recursive: true });
  });
  const own = ownFolder(runFolder);
  const isUp = watchForContent(join(own, 'up'));
  t.after(isUp.stop);
  const logPath = join(folder, 'log');
  const plan = { runtimeFolder: runFolder, outputs: { logPath }, cpus: 1, memoryBytes: 2 ** 28 };
  return { folder, runFolder, own, plan, logPath, start, runToEnd, untilUp: () => isUp.appeared };

  type Given = Omit<Parameters<ReturnType<typeof createShutIn>>[2], keyof typeof plan>;

  async function start(given: Given) {
    const vmm = await createShutIn()(task, standIn(own), { ...plan, ...given });
    await isUp.appeared;
    return vmm;
  }

  async function runToEnd(argv: string[], given: Given): Promise<void> {
    await (await createShutIn()(task, argv, { ...plan, ...given })).exited;
  }
}
