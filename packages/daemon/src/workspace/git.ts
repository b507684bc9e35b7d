/**
 * The host's git, with everything off that could run a program or reach out: hooks, filters, fsmonitor, credential
 * helpers, transports, lazy fetches, and the config of system and user. Attributes that ask for a filter find none, since
 * work happens in repositories of banger's own (see lens.ts), whose config names none.
 */
import { Readable, Writable } from 'node:stream';
import { formatSize } from '@banger/contract/sizes.ts';
import { type Limits, runConfined } from '../platform/confine.ts';
import { deadlineAfter } from '../platform/deadline.ts';
import { requireTool } from '../platform/find-tool.ts';
import { ProcessFailure, runProcess } from '../platform/run-process.ts';
import type { Task } from '../platform/task.ts';
import { type ConfigEntry, parseConfig, WANTED_KEYS } from './git-config.ts';
import type { RepositoryFolders } from './repository-folders.ts';

const GIB = 2 ** 30;
/** For output that is passed on as it comes: nobody keeps it in memory */
export const AS_MUCH_AS_THERE_IS = Number.POSITIVE_INFINITY;
/** Lists of names of large repositories; a million files of a hundred bytes each */
const MAX_NAMES_BYTES = 128 * 1024 * 1024;

const SAFE_CONFIG = {
  'core.hooksPath': '/dev/null',
  'core.fsmonitor': 'false',
  'core.untrackedCache': 'false',
  'core.attributesFile': '/dev/null',
  'core.useReplaceRefs': 'false',
  'core.sshCommand': 'false',
  'core.bigFileThreshold': '16m',
  'credential.helper': '',
  'protocol.allow': 'never',
  'commit.gpgSign': 'false',
  'submodule.recurse': 'false',
  'diff.ignoreSubmodules': 'all',
  'gc.auto': '0',
  'maintenance.auto': 'false',
  'pack.threads': '2',
};

// A guest can send a few bytes that claim to become gigabytes.
const HOSTILE_ENV = { GIT_ALLOC_LIMIT: '512m' };
/** git maps large packs of the owner's in pieces, so that they fit into its limit of memory */
const HOSTILE_CONFIG = { 'core.packedGitWindowSize': '32m', 'core.packedGitLimit': '256m' };
export const HOSTILE_LIMITS = { cpuSeconds: 300, memoryBytes: 1.5 * GIB, fileBytes: 8 * GIB };
const OWNER_LIMITS: Partial<Limits> = {
  cpuSeconds: 3600,
  memoryBytes: 32 * GIB,
  fileBytes: 64 * GIB,
  growthBytes: Number.POSITIVE_INFINITY,
};
/** The limit of the processor's time does not end a program that waits, for a pipe or for its input */
const MAX_RUN_MS = 60 * 60_000;
const MAX_CONFIG_MS = 10_000;

export type GitPlace = {
  gitDir: string;
  /** Of a linked work tree */
  commonDir?: string;
  workTree?: string;
  config?: Readonly<Record<string, string>>;
  /** What else it reads: where objects are */
  readable?: readonly string[];
  /** What it may change; nothing unless it is named */
  writable?: readonly string[];
};

export type GitOptions = {
  stdin?: Readable | Buffer | string;
  stdout?: Writable;
  cwd?: string;
  acceptCodes?: number[];
  /** It reads what a guest made */
  isHostile?: boolean;
  /** On standard output; as much as names may come to when it is left out */
  maxBytes?: number;
};

type GitParts = { ownerEnv: Readonly<Record<string, string>>; uid?: number; hostile?: Partial<Limits> };

export type Git = ReturnType<typeof createGit>;

/** `hostile` limits what reads a guest's objects. */
export function createGit({ ownerEnv, uid = process.getuid?.() ?? 0, hostile = HOSTILE_LIMITS }: GitParts) {
  const home = ownerEnv.HOME ?? '/nonexistent';
  const owner = { uid, home, configFolder: ownerEnv.XDG_CONFIG_HOME ?? `${home}/.config` };
  return { run, text, readConfig, trustedFolders, owner };

  /** Gives standard output. Throws ProcessFailure, also for what wanted more than it may, TOOL_MISSING, CANCELLED. */
  async function run(task: Task, place: GitPlace | null, args: string[], options: GitOptions = {}): Promise<Buffer> {
    const { stdin, stdout, cwd, acceptCodes, isHostile = false, maxBytes = MAX_NAMES_BYTES } = options;
    const collected = new Collector();
    const config = Object.entries({ ...SAFE_CONFIG, ...(isHostile && HOSTILE_CONFIG), ...place?.config });
    const limits = { ...(isHostile ? hostile : OWNER_LIMITS), outputBytes: maxBytes };
    const argv = [
      'git',
      '--no-replace-objects',
      ...config.flatMap(([key, value]) => ['-c', `${key}=${value}`]),
      ...args,
    ];
    const walls = {
      readable: [place?.gitDir, place?.commonDir, place?.workTree, ...(place?.readable ?? [])].filter(
        (path) => path !== undefined,
      ),
      writable: place?.writable ?? [],
      limits,
    };
    const run = (until: Task) =>
      runConfined(until, argv, walls, {
        env: { ...ENVIRONMENT, ...placeEnvironment(place), ...(isHostile && HOSTILE_ENV) },
        stdout: stdout ?? collected,
        ...(stdin !== undefined && { stdin: stdin instanceof Readable ? stdin : Readable.from([Buffer.from(stdin)]) }),
        ...(cwd !== undefined && { cwd }),
        ...(acceptCodes && { acceptCodes }),
      });
    try {
      await withDeadline(task, MAX_RUN_MS, run);
    } catch (fault) {
      throw fault instanceof ProcessFailure ? namingMemory(fault, limits.memoryBytes) : fault;
    }
    return collected.all();
  }

  async function text(task: Task, place: GitPlace | null, args: string[], options?: GitOptions): Promise<string> {
    return (await run(task, place, args, options)).toString('utf8').trim();
  }

  /** What system, user and repository say of the keys that banger knows. This runs nothing that a config names. */
  async function readConfig(task: Task, { path, gitDir, commonDir }: RepositoryFolders): Promise<ConfigEntry[]> {
    const place = { GIT_DIR: gitDir, GIT_COMMON_DIR: commonDir, GIT_WORK_TREE: path };
    return parseConfig(await ownersConfig(task, ['--show-scope', '--get-regexp', WANTED_KEYS], place));
  }

  /** The values of safe.directory, since the last empty one. */
  async function trustedFolders(task: Task): Promise<string[]> {
    const values = await ownersConfig(task, ['--type=path', '--get-all', 'safe.directory'], NO_REPOSITORY);
    const all = values.split('\0').slice(0, -1);
    return all.slice(all.lastIndexOf('') + 1);
  }

  /** With the owner's own environment, and outside of walls: a config may include files from anywhere. */
  async function ownersConfig(task: Task, args: string[], place: Record<string, string>): Promise<string> {
    const argv = [requireTool('git'), 'config', '-z', '--includes', ...args];
    const env = { ...ENVIRONMENT, ...OWNERS_CONFIG, ...ownerEnv, ...place };
    const run = (until: Task) => runProcess(until, argv, { env, cwd: '/', acceptCodes: [1] });
    return (await withDeadline(task, MAX_CONFIG_MS, run)).stdout;
  }
}

const ENVIRONMENT = {
  PATH: '/usr/bin:/bin',
  LC_ALL: 'C',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_NO_LAZY_FETCH: '1',
  GIT_ALLOW_PROTOCOL: '',
};
const OWNERS_CONFIG = { GIT_CONFIG_NOSYSTEM: undefined, GIT_CONFIG_GLOBAL: undefined };
const NO_REPOSITORY = { GIT_DIR: '/nonexistent' };

function placeEnvironment(place: GitPlace | null): Record<string, string> {
  return {
    ...(place && { GIT_DIR: place.gitDir }),
    ...(place?.commonDir !== undefined && { GIT_COMMON_DIR: place.commonDir }),
    ...(place?.workTree !== undefined && { GIT_WORK_TREE: place.workTree }),
  };
}

async function withDeadline<Value>(task: Task, ms: number, work: (until: Task) => Promise<Value>): Promise<Value> {
  const deadline = deadlineAfter(ms);
  try {
    return await work(task.withSignal(deadline));
  } catch (fault) {
    task.check();
    if (!deadline.aborted) throw fault;
    throw new ProcessFailure(['git'], { overLimit: `took longer than ${ms / 1000} s` });
  }
}

/** git's own words, or what it wanted too much of, when it is git that failed. */
export function gitWords(fault: unknown): string | null {
  if (!(fault instanceof ProcessFailure)) return null;
  if (fault.overLimit !== null) return `git ${fault.overLimit}`;
  return fault.stderr.trim().split('\n').slice(-3).join('; ').slice(0, 600);
}

/** The kernel refuses it memory, and only git's own words tell. */
function namingMemory(fault: ProcessFailure, maxBytes = 0): ProcessFailure {
  if (fault.overLimit !== null || !OUT_OF_MEMORY.test(fault.stderr)) return fault;
  return new ProcessFailure(['git'], {
    stderr: fault.stderr,
    overLimit: `needed more than ${formatSize(maxBytes)} of memory`,
  });
}

const OUT_OF_MEMORY = /out of memory|over limit|cannot allocate memory|cannot be mapped|mmap failed|create thread/i;

class Collector extends Writable {
  readonly #chunks: Buffer[] = [];

  override _write(chunk: Buffer, _encoding: string, done: (fault?: Error) => void): void {
    this.#chunks.push(chunk);
    done();
  }

  all(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}
