/** What whoever starts the daemon has around it, and what of that stays with the daemon and the programs it starts. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { BANGER } from '../../packages/cli/src/testing/run-banger.ts';
import { CHECKOUT } from '../support/banger-home.ts';
import { createFakeHome } from '../support/fake-home.ts';

const CANARY = 'canary-hunter2';
const FAKE_NETWORK = Object.fromEntries(
  ['BANGER_PASST', 'BANGER_PASTA'].map((name) => [name, join(CHECKOUT, 'test/support/fake-passt')]),
);

test('no secret of the caller is in the environment of what banger started', async (t) => {
  const home = await createFakeHome(t, {
    ...FAKE_NETWORK,
    SECRET_TOKEN: CANARY,
    BASH_ENV: `/nonexistent/${CANARY}`,
    http_proxy: `http://me:${CANARY}@proxy.invalid:3128`,
  });
  await home.json(['vm', 'create', '--name', 'web', '--start']);
  assert.match(readEnvironment(await home.daemonPid()), /XDG_STATE_HOME=/);
  assert.ok(processes().filter((pid) => readArguments(pid).includes(`${home.paths.runtime}/vms/`)).length >= 2);
  assert.deepEqual(
    processes().filter((pid) => readEnvironment(pid).includes(CANARY) || readArguments(pid).includes(CANARY)),
    [],
  );
});

test('a program of the caller’s PATH that has a tool’s name is not run', async (t) => {
  const home = await createFakeHome(t);
  const bin = join(home.folder, 'bin');
  await mkdir(bin);
  const trace = join(home.folder, 'was-run');
  for (const tool of ['mkfs.ext4', 'prlimit', 'bwrap', 'git', 'ssh-keygen', 'passt', 'pasta']) {
    await writeFile(join(bin, tool), `#!/bin/sh\necho ${tool} >> ${trace}\nexit 1\n`, { mode: 0o755 });
  }
  home.env.PATH = `${bin}:${home.env.PATH}`;
  await home.json(['vm', 'create', '--name', 'web', '--start']);
  assert.equal((await home.run(['vm', 'exec', 'web', '--', 'true'])).code, 0);
  assert.equal(existsSync(trace), false, 'a fake was run');
});

const FOR_NODE: Record<string, Record<string, string>> = {
  'a debugger': { NODE_OPTIONS: '--inspect=127.0.0.1:0' },
  'a module': { NODE_OPTIONS: '--require /nonexistent.cjs' },
  'an option that Node does not have': { NODE_OPTIONS: '--no-such-option' },
  'a channel to a parent': { NODE_CHANNEL_FD: '9999' },
  'code of another cache': { NODE_COMPILE_CACHE: '/nonexistent/cache' },
  'a file of certificates': { NODE_EXTRA_CA_CERTS: '/nonexistent/certificates' },
};

test('what the caller’s environment tells Node is not obeyed', async (t) => {
  const home = await createFakeHome(t);
  for (const [what, env] of Object.entries(FOR_NODE)) {
    await t.test(what, async () => {
      const { code, stdout, stderr } = await home.run(['vm', 'ls', '--json'], { env });
      assert.deepEqual([code, JSON.parse(stdout), stderr], [0, { vms: [] }, '']);
      const inspected = await home.run(['config', 'show'], { env });
      assert.deepEqual([inspected.code, inspected.stderr], [0, '']);
      const daemon = await home.daemonPid();
      for (const value of Object.values(env)) assert.ok(!readEnvironment(daemon).includes(value));
      assert.deepEqual(listeningOnTcp(daemon), []);
      await home.run(['daemon', 'stop']);
    });
  }
});

test('every variable that Node says it reads is cleared by the command', () => {
  const launcher = readFileSync(join(CHECKOUT, 'bin/banger'), 'utf8');
  const help = spawnSync(process.execPath, ['--help'], { encoding: 'utf8' }).stdout;
  const names = [...help.matchAll(/^(NODE_\w+|UV_\w+)/gm)].map(([name]) => name);
  assert.ok(names.length > 10);
  assert.deepEqual(
    names.filter((name) => !new RegExp(`^(?:unset|  ).*\\b${name}\\b`, 'm').test(launcher)),
    [],
  );
});

test('the daemon has nothing else of the caller: priority, limits, folder, umask, signals, open files', async (t) => {
  const home = await createFakeHome(t);
  const caller = `ulimit -S -f 1000; umask 000; trap '' HUP TERM INT; exec 200</etc/passwd; cd "$HOME"
    exec nice -n 5 ${BANGER} vm ls`;
  const [code] = await once(spawn('bash', ['-c', caller], { env: home.env, stdio: 'ignore' }), 'close');
  assert.equal(code, 0);
  const daemon = await home.daemonPid();
  const status = readFileSync(`/proc/${daemon}/status`, 'utf8');
  const ignored = BigInt(`0x${/^SigIgn:\s+(\w+)$/m.exec(status)?.[1]}`);
  const names = { HUP: 1n, INT: 2n, TERM: 15n };
  assert.deepEqual(
    {
      nice: niceOf(daemon),
      folder: readlinkSync(`/proc/${daemon}/cwd`),
      fileSize: /^Max file size +(\S+)/m.exec(readFileSync(`/proc/${daemon}/limits`, 'utf8'))?.[1],
      ignored: Object.entries(names).filter(([, number]) => (ignored >> (number - 1n)) & 1n),
      umask: /^Umask:\s+(\d+)$/m.exec(status)?.[1],
      hasCallersFile: existsSync(`/proc/${daemon}/fd/200`),
    },
    {
      nice: process.getuid?.() === 0 ? 0 : 5, // only root takes it back
      folder: '/',
      fileSize: 'unlimited',
      ignored: [],
      umask: '0022',
      hasCallersFile: false,
    },
  );
});

function processes(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function readEnvironment(pid: number): string {
  return read(`/proc/${pid}/environ`);
}

function readArguments(pid: number): string {
  return read(`/proc/${pid}/cmdline`);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it ended, or is another user's
  }
}

function niceOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
}

/** Inodes of a process's own sockets that listen on TCP. */
function listeningOnTcp(pid: number): string[] {
  const own = new Set(readdirSync(`/proc/${pid}/fd`).map((name) => linkOf(`/proc/${pid}/fd/${name}`)));
  const sockets = ['tcp', 'tcp6'].flatMap((name) => read(`/proc/${pid}/net/${name}`).split('\n').slice(1));
  const listening = sockets.map((line) => line.trim().split(/\s+/)).filter((fields) => fields[3] === '0A');
  return listening.map((fields) => `socket:[${fields[9]}]`).filter((socket) => own.has(socket));
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ''; // it was closed meanwhile
  }
}
