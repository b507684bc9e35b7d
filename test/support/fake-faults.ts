/** What a test can make the fake hypervisor and its agent do wrong. */
import { readFileSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DriverName } from '@banger/contract/api/vms.ts';

export type FakeFault =
  | 'old-version' // --version says 6.2.0
  | 'exit-at-start' // ends with words on stderr, before its sockets are there
  | 'no-memory' // likewise, with QEMU's words for it
  | 'hang-on-qmp' // takes the control connection and then no command
  | 'panic' // prints a kernel panic on the console and ends, after `afterMs`
  | 'never-hello' // runs, and the agent never answers
  | 'silent' // likewise, with nothing on the console
  | 'init-cannot-start' // says so on the console and resets, `afterMs` after the start
  | 'boot-fail' // the agent answers BANGER-FAIL
  | 'flood-before-ready' // garbage without end instead of an answer to hello
  | 'garbage-after-ready' // garbage instead of HTTP/2
  | 'die-after-ready' // the guest powers off `afterMs` after the agent was ready
  | 'reset-after-ready' // likewise, by a reset
  | 'init-never-ready' // the image's init never finishes its boot
  | 'hang-on-exec' // takes the request and never answers
  | 'bad-frames' // answers a command with bytes that are no frames
  | 'agent-gone' // the agent ends when a command is begun, and never comes back
  | 'agent-restarts' // the agent ends when a command gets input, and another one takes its place
  | 'agent-dies' // the agent's stream ends when a command is begun
  | 'halts' // Firecracker's: shows an old log of a power off, and halts instead of ending, also at HALT_SIGNAL
  | 'root-hangs' // all of the root is asked for, and after the first of it nothing comes
  | 'root-without-end' // likewise, and it comes for ever
  | 'root-unreadable' // likewise, and one of its files cannot be read
  | 'root-breaks-off' // likewise, and its stream ends in the middle
  | 'root-is-none' // likewise, and what comes is no tar
  | 'hang-on-shutdown'; // takes the request and goes on

export type FakeFaults = {
  fault: FakeFault | null;
  /** How long the guest takes to boot */
  bootMs: number;
  afterMs: number;
};

/** Says to a fake Firecracker that its guest halts now */
export const HALT_SIGNAL = 'SIGUSR2';

const NONE: FakeFaults = { fault: null, bootMs: 0, afterMs: 0 };

export function readFakeFaults(path: string | undefined): FakeFaults {
  if (!path) return NONE;
  try {
    return { ...NONE, ...JSON.parse(readFileSync(path, 'utf8')) };
  } catch {
    return NONE; // no test has asked for one
  }
}

/** A driver's fake hypervisor, as a program in a folder of the test's, and what it does wrong from its next start on. */
export async function writeFakeHypervisor(folder: string, driver: DriverName) {
  const program = join(folder, driver);
  const faultsPath = join(folder, 'faults.json');
  // What the daemon starts gets nothing of its environment.
  const settings = `BANGER_FAKE_${driver.toUpperCase()}=${faultsPath}`;
  const fake = join(import.meta.dirname, `fake-${driver}`);
  await writeFile(program, `#!/bin/sh\n${settings} exec ${fake} "$@"\n`, { mode: 0o700 });
  const setFaults = (faults: Partial<FakeFaults>) => writeFileSync(faultsPath, JSON.stringify(faults));
  return { program, setFaults };
}
