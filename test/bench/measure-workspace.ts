/**
 * `vm workspace import` of a repository with 50,000 files against `git clone` of it over ssh into the same vm.
 *
 * The guest has no way to the host, so the clone is given one: git's own daemon on the host, on a port that ssh forwards
 * into the guest.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findFreePort } from '../support/free-port.ts';
import type { Bench } from './bench.ts';
import { type BenchHome, withHome } from './bench-home.ts';
import { runSsh } from './guest-sshd.ts';
import { type Row, row } from './report.ts';
import { elapsedMs, interleave, ratios } from './statistics.ts';

export const title = '`vm workspace import` of 50,000 files against `git clone` over ssh';

const VM = 'workspace';
const FILES = 50_000;
const FILES_PER_FOLDER = 100;
/** The port in the guest; the one of git's daemon on the host is a free one */
const GUEST_PORT = 9418;

export async function measure({ rounds = 3, say }: Bench): Promise<{ rows: Row[]; notes: string[] }> {
  return withHome({}, async (home) => {
    say(`making a repository with ${FILES} files`);
    const repository = makeRepository(join(home.folder, 'large'));
    await home.startCalmVm(VM);
    await home.banger('vm', 'ssh', VM, '--', 'true'); // makes the keys
    await using daemon = await startGitDaemon(home);
    const { imported, cloned } = await interleave(
      rounds,
      {
        imported: () => timeImport(home, repository),
        cloned: () => timeClone(home, daemon.port),
      },
      (round) => say(`round ${round + 1} of ${rounds}`),
    );
    return {
      rows: [
        row('git clone over ssh, start to end', 'ms', cloned),
        row('vm workspace import, start to end', 'ms', imported),
        row('import by clone', '×', ratios(imported, cloned), { atMost: 1 }),
      ],
      notes: ['one commit; each file has some hundred bytes of its own'],
    };
  });
}

function makeRepository(path: string): string {
  mkdirSync(path, { recursive: true });
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', path, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  git('init', '-q', '-b', 'main');
  for (let index = 0; index < FILES; index++) {
    const folder = join(path, `folder-${Math.floor(index / FILES_PER_FOLDER)}`);
    if (index % FILES_PER_FOLDER === 0) mkdirSync(folder);
    const line = `export const value${index} = ${index * 7919}; // what this file alone says\n`;
    writeFileSync(join(folder, `file-${index}.ts`), line.repeat(1 + (index % 9)));
  }
  git('add', '--all');
  git('-c', 'user.name=bench', '-c', 'user.email=bench@localhost', 'commit', '-q', '-m', 'all');
  return path;
}

async function timeImport(home: BenchHome, repository: string): Promise<number> {
  const tookMs = await elapsedMs(() => home.banger('vm', 'workspace', 'import', VM, repository));
  await expectFiles(home, 'large');
  return tookMs;
}

async function timeClone(home: BenchHome, port: number): Promise<number> {
  const config = join(home.paths.data, 'ssh/config');
  const words = ['-F', config, '-R', `${GUEST_PORT}:127.0.0.1:${port}`, '-o', 'ExitOnForwardFailure=yes', `${VM}.vm`];
  const clone = `git clone -q git://127.0.0.1:${GUEST_PORT}/large /root/cloned`;
  const tookMs = await elapsedMs(() => runSsh(home, [...words, clone]));
  await expectFiles(home, 'cloned');
  return tookMs;
}

/** Both have brought all of it; the next round begins without. */
async function expectFiles(home: BenchHome, folder: string): Promise<void> {
  const script = `cd /root/${folder} && git ls-files | wc -l && git status --porcelain && cd / && rm -rf /root/${folder} && sync`;
  const said = await home.banger('vm', 'exec', VM, '--', 'sh', '-c', script);
  if (said.trim() !== String(FILES)) throw new Error(`${folder} has not the ${FILES} files: ${said.slice(0, 200)}`);
}

async function startGitDaemon(home: BenchHome) {
  const port = await findFreePort();
  const words = ['daemon', '--listen=127.0.0.1', `--port=${port}`, '--export-all', `--base-path=${home.folder}`];
  const daemon = spawn('git', [...words, home.folder], { stdio: 'ignore', detached: true });
  await untilListening(port);
  return {
    port,
    async [Symbol.asyncDispose]() {
      const ended = once(daemon, 'close');
      process.kill(-(daemon.pid as number)); // "git" starts "git-daemon", which would stay
      await ended;
    },
  };
}

/** git's daemon has no way to say that it is ready. */
async function untilListening(port: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return;
    await delay(50);
  }
  throw new Error('git daemon does not listen');
}
