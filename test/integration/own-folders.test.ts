/** Folders and sockets of other users: nothing is kept there, nothing is sent there, and nothing in there is changed. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, chown, lchown, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { DaemonStatus } from '@banger/contract/api/system.ts';
import { createHome } from '../support/banger-home.ts';
import { createFakeHome } from '../support/fake-home.ts';

const STRANGER = 12345;
/** Only root can give a thing to somebody else */
const asRoot = process.getuid?.() === 0 ? {} : { skip: 'needs root' };

/** A server on a socket, which belongs to `uid`; gives the number of those who came. */
async function plantSocket(t: TestContext, path: string, uid: number): Promise<() => number> {
  let visitors = 0;
  const server = createServer((socket) => {
    visitors += 1;
    socket.destroy();
  }).listen(path);
  await once(server, 'listening');
  t.after(() => server.close());
  await chown(path, uid, uid);
  return () => visitors;
}

test("after su, the other user's XDG_RUNTIME_DIR is left alone, and so is what it leads to", asRoot, async (t) => {
  const home = await createHome(t);
  const theirs = join(home.folder, 'theirs');
  const victim = join(home.folder, 'victim');
  await mkdir(theirs, { mode: 0o700 });
  await mkdir(join(victim, 'vms/0123456789ab'), { recursive: true });
  await symlink(victim, join(theirs, 'banger'));
  await chown(theirs, STRANGER, STRANGER);
  home.env.XDG_RUNTIME_DIR = theirs;
  await home.json(['vm', 'ls']);
  assert.deepEqual(await readdir(victim, { recursive: true }), ['vms', 'vms/0123456789ab']);
  const { paths } = await home.json<DaemonStatus>(['daemon', 'status']);
  assert.equal(paths.runtime, join(home.paths.state, 'run'));
});

test('a link or a folder of somebody else, where ours should be, is not followed', asRoot, async (t) => {
  const home = await createHome(t);
  const victim = join(home.folder, 'victim');
  await mkdir(join(victim, 'vms/0123456789ab'), { recursive: true });
  for (const [variable, folder] of [
    ['XDG_RUNTIME_DIR', 'a'],
    ['XDG_STATE_HOME', 'b'],
    ['XDG_DATA_HOME', 'c'],
    ['XDG_CACHE_HOME', 'd'],
  ] as const) {
    const open = join(home.folder, folder);
    await mkdir(open);
    await chmod(open, 0o1777); // as /tmp
    await symlink(victim, join(open, 'banger'));
    await lchown(join(open, 'banger'), STRANGER, STRANGER);
    const { code, stderr } = await home.run(['vm', 'ls'], { env: { [variable]: open } });
    assert.match(stderr, /belongs to uid 12345.*\(FOLDER_UNSAFE\)\n {2}hint: /, variable);
    assert.equal(code, 77);
  }
  assert.deepEqual(await readdir(victim, { recursive: true }), ['vms', 'vms/0123456789ab']);
});

test('a socket that somebody else serves is sent nothing', asRoot, async (t) => {
  const home = await createHome(t);
  const planted = join(home.folder, 'planted');
  await mkdir(join(planted, 'banger'), { recursive: true });
  await chmod(planted, 0o1777);
  const visitors = await plantSocket(t, join(planted, 'banger/daemon.sock'), STRANGER);
  for (const { owner, mode, why } of [
    { owner: STRANGER, mode: 0o755, why: /planted\/banger belongs to uid 12345/ },
    { owner: 0, mode: 0o777, why: /planted\/banger can be written by others/ },
    { owner: 0, mode: 0o700, why: /daemon.sock belongs to another user \(uid 12345\)/ },
  ]) {
    await chown(join(planted, 'banger'), owner, owner);
    await chmod(join(planted, 'banger'), mode);
    for (const line of ['vm ls', 'vm run', 'daemon status', 'daemon stop', 'vm exec -e SECRET=x web -- true']) {
      const { code, stderr } = await home.run(line.split(' '), { env: { XDG_RUNTIME_DIR: planted } });
      assert.match(stderr, why, line);
      assert.match(stderr, /\(FOLDER_UNSAFE\)/, line);
      assert.equal(code, 77, line);
    }
  }
  assert.equal(visitors(), 0);
});

test('a config that somebody else can change is not read', async (t) => {
  const home = await createHome(t);
  await home.writeConfig('[vm_defaults]\ncpus = 1\n');
  const path = join(home.folder, 'config/banger/config.toml');
  await chmod(path, 0o666);
  for (const line of ['config show', 'vm create']) {
    assert.match((await home.run(line.split(' '))).stderr, /config.toml can be written by others.*FOLDER_UNSAFE/, line);
  }
  const { checks } = await doctor(home);
  assert.match(checks.find(({ name }) => name === 'config')?.text ?? '', /can be written by others/);
  await chmod(path, 0o644);
  await home.json(['config', 'show']);
});

test('the doctor tells of a folder that others can change', async (t) => {
  const home = await createHome(t);
  await chmod(home.paths.state, 0o777);
  const { checks } = await doctor(home);
  const folders = checks.find(({ name }) => name === 'folders');
  assert.equal(folders?.status, 'fail');
  assert.match(folders?.text ?? '', /state\/banger can be written by others/);
});

for (const umask of ['000', '022', '077', '777']) {
  test(`under umask ${umask} everything of ours is closed to others, and works`, async (t) => {
    const home = await createFakeHome(t);
    const compiled = join(home.paths.cache, 'node-compile-cache');
    await rm(compiled, { recursive: true, force: true });
    const before = process.umask(Number.parseInt(umask, 8));
    const running = home.run(['vm', 'run', '--rm', '--', 'true']);
    process.umask(before); // the command has it by now
    const { code, stderr } = await running;
    assert.equal(code, 0, stderr);
    const status = await home.json<DaemonStatus>(['daemon', 'status']);
    for (const folder of [status.paths.state, status.paths.data, status.paths.cache, status.paths.runtime, compiled])
      assert.equal((await stat(folder)).mode & 0o777, 0o700, folder);
    assert.match(await readFile(`/proc/${status.pid}/status`, 'utf8'), /^Umask:\t0022$/m);
  });
}

test('an initramfs that somebody else could put in the cache is made anew', asRoot, async (t) => {
  const home = await createFakeHome(t);
  assert.equal((await home.run(['vm', 'run', '--rm', '--', 'true'])).code, 0);
  const folder = join(home.paths.cache, 'initramfs');
  const [name = ''] = await readdir(folder);
  const path = join(folder, name);
  const { size } = await stat(path);
  for (const plant of [() => chown(path, STRANGER, STRANGER), () => chmod(path, 0o666)]) {
    await writeFile(`${path}.theirs`, 'evil');
    await rename(`${path}.theirs`, path);
    await plant();
    assert.equal((await home.run(['vm', 'run', '--rm', '--', 'true'])).code, 0);
    const found = await stat(path);
    assert.deepEqual([found.size, found.uid, found.mode & 0o022], [size, 0, 0]);
  }
});

type Check = { name: string; status: string; text: string };

async function doctor(home: Awaited<ReturnType<typeof createHome>>): Promise<{ checks: Check[] }> {
  return JSON.parse((await home.run(['doctor', '--json'])).stdout);
}
