/**
 * Takes off the daemon what it inherits from whoever happened to start it, since it serves others too, and longer: open
 * files, umask, nice value and limits. Node itself takes ignored signals back; the session, the working folder and the
 * environment are set by the one who starts it.
 */
import { closeSync, readdirSync, readFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import type { Log } from './log.ts';
import { runProcess } from './run-process.ts';
import { Task } from './task.ts';

const CLOSE_ON_EXEC = 0o2000000;
/** Standard streams, and where main.ts says that it is ready */
const OWN_DESCRIPTORS = 3;

/** By the names in /proc/<pid>/limits: what a caller may have lowered and a daemon needs as high as it goes */
const LIMITS: Record<string, string> = {
  'Max cpu time': 'cpu',
  'Max file size': 'fsize',
  'Max data size': 'data',
  'Max resident set': 'rss',
  'Max address space': 'as',
  'Max processes': 'nproc',
  'Max open files': 'nofile',
  'Max file locks': 'locks',
};
const UNLIMITED_FOR_ROOT = ['cpu', 'fsize', 'data', 'rss', 'as', 'locks'];

export async function shedInheritance(log: Log, isRoot: boolean): Promise<void> {
  closeForeignDescriptors();
  process.umask(0o022); // our folders are closed to others; programs that write for others, such as git, expect this one
  try {
    if (getPriority() !== 0) setPriority(0);
  } catch (fault) {
    log.warn(`the daemon has a nice value of ${getPriority()} from whoever started it`, fault);
  }
  const wanted = planLimits(readFileSync('/proc/self/limits', 'utf8'), isRoot);
  if (wanted.raise.length > 0) {
    const argv = ['prlimit', '--pid', String(process.pid), ...wanted.raise];
    await runProcess(Task.background(), argv).catch((fault) => log.warn('the limits of the daemon stay low', fault));
  }
  for (const line of wanted.low) log.warn(`the daemon has a limit from whoever started it: ${line}`);
}

/** Options for prlimit, and the limits that only root could raise. `limits` is /proc/<pid>/limits. */
export function planLimits(limits: string, isRoot: boolean): { raise: string[]; low: string[] } {
  const raise: string[] = [];
  const low: string[] = [];
  for (const [, name = '', soft = '', hard = ''] of limits.matchAll(/^(Max [a-z ]+?) {2,}(\w+) +(\w+)/gm)) {
    const option = LIMITS[name];
    if (option === undefined) continue;
    const highest = isRoot && UNLIMITED_FOR_ROOT.includes(option) ? 'unlimited' : hard;
    if (soft !== highest) raise.push(`--${option}=${highest}:${highest}`);
    if (highest !== 'unlimited' && UNLIMITED_FOR_ROOT.includes(option)) low.push(`${name} ${highest}`);
  }
  return { raise, low };
}

/** Node marks what it opens itself. What is not marked was left open by the caller, and every program would get it. */
function closeForeignDescriptors(): void {
  for (const descriptor of readdirSync('/proc/self/fd').map(Number)) {
    if (descriptor <= OWN_DESCRIPTORS || isMarked(descriptor)) continue;
    closeSync(descriptor);
  }
}

function isMarked(descriptor: number): boolean {
  try {
    const flags = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8'))?.[1] ?? '';
    return (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) !== 0;
  } catch {
    return true; // the one by which the folder was read is closed again
  }
}
