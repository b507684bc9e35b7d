/**
 * Makes docs/media/demo.svg, the picture in the README, from a real run: real commands in a real terminal (tmux), with a
 * home of its own that is removed afterwards. The default kernel and image are made first, outside of the picture.
 *
 *     node_modules/.bin/node scripts/record-demo.ts
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { terminalToSvg } from './terminal-to-svg.ts';

const CHECKOUT = join(import.meta.dirname, '..');
const PICTURE = join(CHECKOUT, 'docs/media/demo.svg');
const SIZE = { columns: 96, rows: 60 };
const STEP_LIMIT_MS = 5 * 60_000;
const OURS = /\$ $/;
const GUESTS = /# $/;

/** What is typed, and the prompt that shows that it is done. */
const STORY: { type: string; until: RegExp }[] = [
  { type: "banger vm run --rm -- sh -c 'uname -sr; grep PRETTY /etc/os-release'", until: OURS },
  { type: 'banger vm run --name web', until: GUESTS },
  { type: 'echo "made in here" > notes; hostname; exit', until: OURS },
  { type: 'banger vm cp web:/root/notes . && cat notes', until: OURS },
  { type: "banger vm exec web -- sh -c 'exit 7'; echo $?", until: OURS },
  { type: 'banger vm ls', until: OURS },
  { type: 'banger vm rm --force web', until: OURS },
];

const folder = mkdtempSync(join(tmpdir(), 'banger-demo-'));
const socket = join(folder, 'tmux.sock');
const environment: Record<string, string> = {
  PATH: `${join(CHECKOUT, 'bin')}:${process.env.PATH}`,
  HOME: join(folder, 'home'),
  LANG: 'C.UTF-8',
  TERM: 'xterm-256color',
  XDG_CONFIG_HOME: join(folder, 'config'),
  XDG_STATE_HOME: join(folder, 'state'),
  XDG_DATA_HOME: join(folder, 'data'),
  XDG_CACHE_HOME: join(folder, 'cache'),
  XDG_RUNTIME_DIR: join(folder, 'run'),
};

try {
  for (const name of ['home', 'run']) mkdirSync(join(folder, name), { mode: 0o700 });
  banger('kernel', 'pull', 'debian');
  banger('image', 'pull', 'debian');
  await record();
} finally {
  for (const tidy of [
    () => tmux('kill-server'),
    () => banger('vm', 'rm', '--force', 'web'),
    () => banger('daemon', 'stop'),
  ]) {
    try {
      tidy();
    } catch {
      // a story that was told to its end leaves no vm behind
    }
  }
  rmSync(folder, { recursive: true, force: true });
}

async function record(): Promise<void> {
  const size = ['-x', String(SIZE.columns), '-y', String(SIZE.rows)];
  tmux('-f', '/dev/null', 'new-session', '-d', ...size, 'exec bash --norc --noprofile');
  await typed("PS1='\\[\\e[1;32m\\]$\\[\\e[0m\\] '; cd; clear; tmux clear-history", OURS);
  for (const { type, until } of STORY) await typed(type, until);
  const lines = tmux('capture-pane', '-e', '-p', '-S', '-').trimEnd().split('\n');
  const captured = lines.slice(0, -1).join('\n'); // the last is a prompt at which nothing is typed
  mkdirSync(join(PICTURE, '..'), { recursive: true });
  writeFileSync(PICTURE, terminalToSvg(captured, { title: 'banger', columns: SIZE.columns }));
  console.log(`wrote ${PICTURE}`);
}

/** Types a line and waits for the prompt after it. */
async function typed(line: string, until: RegExp): Promise<void> {
  const before = screen().length;
  tmux('send-keys', '-l', line);
  tmux('send-keys', 'Enter');
  const deadlineMs = Date.now() + STEP_LIMIT_MS;
  for (;;) {
    await delay(200);
    const now = screen();
    const isNew = now.length > before || line.includes('clear');
    if (isNew && until.test(now.trimEnd().concat(' ')) && !now.trimEnd().endsWith(line)) return;
    if (Date.now() > deadlineMs) throw new Error(`no prompt after "${line}":\n${now}`);
  }
}

function screen(): string {
  return tmux('capture-pane', '-p', '-S', '-');
}

function tmux(...args: string[]): string {
  return execFileSync('tmux', ['-S', socket, ...args], { env: environment, encoding: 'utf8' });
}

function banger(...args: string[]): void {
  execFileSync(join(CHECKOUT, 'bin/banger'), args, { env: environment, stdio: ['ignore', 'inherit', 'pipe'] });
}
