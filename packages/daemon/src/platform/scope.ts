/**
 * Bounds on the memory and the number of processes of a program and all that it starts, kept by systemd: it moves the
 * program into a control group of its own, which goes when the last process in it has ended. It is not the daemon's group, so
 * that a restart of the daemon's unit finds the daemon in there alone.
 *
 * An ordinary user's systemd ends with the user's last session, and everything in its groups with it, unless the user
 * lingers. Machines outlive sessions, so without lingering they have no bounds.
 */
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { toBangerError } from '@banger/contract/errors.ts';
import { findTool } from './find-tool.ts';
import { ProcessFailure, runProcess } from './run-process.ts';
import { Task } from './task.ts';

/** The words that come before those of a program, and what they need of the environment; no words, no bounds */
export type Scope = { words: string[]; env: Record<string, string> };

export type Bounds = { memoryBytes: number; processes: number };

/** What says whether this host's systemd can bound a program of this user's */
export type ScopeFacts = {
  isRoot: boolean;
  /** systemd runs this host */
  isBooted: boolean;
  hasTool: boolean;
  /** The user's own systemd runs, and goes on without a session */
  hasManager: boolean;
  isLingering: boolean;
};

/** systemd answers within milliseconds, and within seconds where it is emulated or has just booted */
const TRIAL_LIMIT_MS = 15_000;
const TRIAL: Bounds = { memoryBytes: 64 * 2 ** 20, processes: 16 };
// Descriptor 3 has to lead through, as it does to bubblewrap. Lines of other numbers than 0 are of older hierarchies.
const SHOW_BOUNDS =
  'group=/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup); cat "$group/memory.max" "$group/pids.max" >&3';

/** What brings bounds to a user who has none for want of it */
export const LINGER = 'loginctl enable-linger';

export type Scopes = ReturnType<typeof createScopes>;

export const NO_SCOPE: Scope = { words: [], env: {} };
export const HOST_SCOPES = createScopes(readScopeFacts);

/** Tests call it with facts and a trial of their own. */
export function createScopes(
  readFacts: () => ScopeFacts,
  trialOf: (facts: ScopeFacts) => Promise<string | null> = tryScope,
) {
  let underWay: Promise<string | null> | null = null;
  let hasWorked = false;
  let wasSlow = false;
  return { around, findScopeObstacle, isLost };

  /** Bounds a program, where this host does that. A systemd that did not answer in time is waited for by no start again. */
  async function around(task: Task, bounds: Bounds): Promise<Scope> {
    const asked = findScopeObstacle(wasSlow ? Task.background() : task);
    if (wasSlow || (await asked) !== null) return NO_SCOPE;
    const { isRoot } = readFacts();
    return { words: scopeWords(isRoot, bounds), env: scopeEnv(isRoot) };
  }

  /**
   * Why this host has no bounds, in words; null when it has. Of trials only one that worked is remembered: a refusal may have
   * been for want of time on a host that had just booted. Throws CANCELLED.
   */
  async function findScopeObstacle(task: Task): Promise<string | null> {
    const facts = readFacts();
    const known = judgeScope(facts);
    if (known !== null || hasWorked) return known;
    underWay ??= ask(facts).finally(() => {
      underWay = null;
    });
    return task.race(underWay);
  }

  /** Whether systemd bounds nothing any more: asked when a program did not begin that it was to bound. Throws CANCELLED. */
  async function isLost(task: Task): Promise<boolean> {
    hasWorked = false;
    return (await findScopeObstacle(task)) !== null;
  }

  async function ask(facts: ScopeFacts): Promise<string | null> {
    const obstacle = await trialOf(facts);
    hasWorked = obstacle === null;
    wasSlow = obstacle === TOO_SLOW;
    return obstacle;
  }
}

/**
 * Begins a program within bounds; and once more without any, where systemd bounds nothing any more and what came before the
 * program ended, so that nothing of it has run: `hasRun` says so of what `begin` gave. Throws CANCELLED and what `begin` throws.
 */
export async function beginInScope<Begun>(
  task: Task,
  scopes: Pick<Scopes, 'around' | 'isLost'>,
  bounds: Bounds,
  begin: (scope: Scope) => Promise<Begun>,
  hasRun: (begun: Begun) => boolean,
): Promise<Begun> {
  const scope = await scopes.around(task, bounds);
  const begun = await begin(scope);
  if (hasRun(begun) || scope === NO_SCOPE || !(await scopes.isLost(task))) return begun;
  return begin(NO_SCOPE);
}

/** What can be said without a trial; null when only that tells. */
export function judgeScope({ isRoot, isBooted, hasTool, hasManager, isLingering }: ScopeFacts): string | null {
  if (!isBooted || !hasTool) return 'systemd does not run this host';
  if (isRoot) return null;
  if (!isLingering) return 'your systemd ends with your last session, and machines do not';
  return hasManager ? null : 'you have no systemd of your own';
}

export function scopeWords(isRoot: boolean, { memoryBytes, processes }: Bounds): string[] {
  return [
    'systemd-run',
    ...(isRoot ? [] : ['--user']),
    ...['--scope', '--collect', '--quiet'],
    ...['-p', `MemoryMax=${memoryBytes}`, '-p', `MemorySwapMax=${memoryBytes}`, '-p', `TasksMax=${processes}`],
    '--',
  ];
}

async function tryScope({ isRoot }: ScopeFacts): Promise<string | null> {
  try {
    const argv = ['sh', '-c', 'exec "$@" 3>&1', 'sh', ...scopeWords(isRoot, TRIAL), 'sh', '-c', SHOW_BOUNDS];
    const limited = Task.background().within(TRIAL_LIMIT_MS);
    const { stdout } = await runProcess(limited, argv, { env: scopeEnv(isRoot) });
    return stdout === `${TRIAL.memoryBytes}\n${TRIAL.processes}\n` ? null : NOT_DELEGATED;
  } catch (fault) {
    if (fault instanceof ProcessFailure) return fault.stderr.trim() || fault.message;
    const { code, message } = toBangerError(fault);
    return code === 'TIMED_OUT' ? TOO_SLOW : message;
  }
}

export const TOO_SLOW = `systemd did not answer within ${TRIAL_LIMIT_MS / 1000} s`;
const NOT_DELEGATED = 'systemd may not bound memory and processes here';

/** Where systemd-run finds the user's own. */
function scopeEnv(isRoot: boolean): Record<string, string> {
  return isRoot ? {} : { XDG_RUNTIME_DIR: ownRuntimeFolder() };
}

// The daemon's own XDG_RUNTIME_DIR may be another's, or a test's.
function ownRuntimeFolder(): string {
  return `/run/user/${process.getuid?.()}`;
}

function readScopeFacts(): ScopeFacts {
  const { uid, username } = userInfo();
  return {
    isRoot: uid === 0,
    isBooted: existsSync('/run/systemd/system'),
    hasTool: findTool('systemd-run') !== null,
    hasManager: existsSync(`${ownRuntimeFolder()}/systemd/private`),
    isLingering: existsSync(`/var/lib/systemd/linger/${username}`),
  };
}
