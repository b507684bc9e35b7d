/**
 * A real terminal for a test: a tmux server of its own, with one window and a plain shell of the host in it. What is
 * typed goes through the window's PTY as a person's keys would, and what a person would see can be waited for.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { CHECKOUT, type Home } from './banger-home.ts';

const LIMIT_MS = 120_000;
/** tmux has no event for what is on its screen */
const LOOK_EVERY_MS = 40;
const LINES_OF_HISTORY = 2000;

export async function openScreen(t: TestContext, { folder, env }: Home, { cols = 100, rows = 30 } = {}) {
  const socket = join(folder, 'tmux.sock');
  const run = promisify(execFile);
  const environment = { ...env, PATH: `${CHECKOUT}/bin:${env.PATH}`, TERM: 'xterm-256color' };
  await tmux('new-session', '-d', '-x', `${cols}`, '-y', `${rows}`, "exec env 'PS1=host$ ' bash --norc --noprofile -i");
  t.after(() => tmux('kill-server').catch(() => {})); // it has ended when its shell has
  await until(/^host\$/m);
  return { type, press, until, resize, close };

  /** Keys, then Enter. */
  async function type(text: string): Promise<void> {
    await tmux('send-keys', '-l', text);
    await tmux('send-keys', 'Enter');
  }

  /** One key by tmux's name for it, such as `C-c`. */
  async function press(key: string): Promise<void> {
    await tmux('send-keys', key);
  }

  /** Waits until the window, or what scrolled out of it, has the text. */
  async function until(wanted: RegExp): Promise<RegExpExecArray> {
    const deadline = Date.now() + LIMIT_MS;
    for (;;) {
      const text = await look();
      const found = wanted.exec(text);
      if (found) return found;
      if (Date.now() > deadline) throw new Error(`${wanted} was not on the screen within a minute:\n${text.trimEnd()}`);
      await delay(LOOK_EVERY_MS);
    }
  }

  async function resize(size: { cols: number; rows: number }): Promise<void> {
    await tmux('resize-window', '-x', `${size.cols}`, '-y', `${size.rows}`);
  }

  /** As when somebody closes the window. */
  async function close(): Promise<void> {
    await tmux('kill-server');
  }

  async function look(): Promise<string> {
    return tmux('capture-pane', '-p', '-S', `-${LINES_OF_HISTORY}`);
  }

  async function tmux(...args: string[]): Promise<string> {
    const options = { env: environment, timeout: LIMIT_MS };
    return (await run('tmux', ['-S', socket, '-f', '/dev/null', ...args], options)).stdout;
  }
}
