/**
 * The host's git, with everything off that could run a program or reach out: hooks, filters, fsmonitor, credential
 * helpers, transports, lazy fetches, and the config of system and user. Attributes that ask for a filter find none, since
 * work happens in repositories of banger's own (see lens.ts), whose config names none.
 */
import { Readable, Writable } from 'node:stream';
import { BangerError } from '@banger/contract/errors.ts';
import { ProcessFailure, runProcess } from '../platform/run-process.ts';
import type { Task } from '../platform/task.ts';

/** Lists of names of large repositories; a million files of a hundred bytes each */
const MAX_OUTPUT_BYTES = 128 * 1024 * 1024;

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
  'safe.directory': '*',
  'commit.gpgSign': 'false',
  'submodule.recurse': 'false',
  'diff.ignoreSubmodules': 'all',
  'gc.auto': '0',
  'maintenance.auto': 'false',
  'pack.threads': '2',
};

// What a hostile guest's objects may cost: they are parsed by git, and may claim any size.
const HOSTILE_LIMITS = ['prlimit', '--as=6442450944', '--cpu=600', '--core=0', '--fsize=8589934592'];
const HOSTILE_ENV = { GIT_ALLOC_LIMIT: '1024m' };

export type GitPlace = {
  gitDir: string;
  workTree?: string;
  /** Where new objects are written, when not in `gitDir` */
  objectFolder?: string;
  config?: Readonly<Record<string, string>>;
};

export type GitOptions = {
  stdin?: Readable | Buffer | string;
  stdout?: Writable;
  cwd?: string;
  acceptCodes?: number[];
  /** It reads what a guest made */
  isHostile?: boolean;
};

export type Git = ReturnType<typeof createGit>;

export function createGit({ ownerEnv }: { ownerEnv: Readonly<Record<string, string>> }) {
  return { run, text, ownersIgnoreFile };

  /** Gives standard output. Throws ProcessFailure, TOOL_MISSING, CANCELLED. */
  async function run(task: Task, place: GitPlace | null, args: string[], options: GitOptions = {}): Promise<Buffer> {
    const { stdin, stdout, cwd, acceptCodes, isHostile = false } = options;
    const collected = new BoundedSink();
    const config = Object.entries({ ...SAFE_CONFIG, ...place?.config });
    const git = ['git', '--no-replace-objects', ...config.flatMap(([key, value]) => ['-c', `${key}=${value}`])];
    await runProcess(task, [...(isHostile ? HOSTILE_LIMITS : []), ...git, ...args], {
      env: { ...environment(place), ...(isHostile && HOSTILE_ENV) },
      stdout: stdout ?? collected,
      ...(stdin !== undefined && { stdin: stdin instanceof Readable ? stdin : Readable.from([Buffer.from(stdin)]) }),
      ...(cwd !== undefined && { cwd }),
      ...(acceptCodes && { acceptCodes }),
    });
    return collected.all();
  }

  async function text(task: Task, place: GitPlace | null, args: string[], options?: GitOptions): Promise<string> {
    return (await run(task, place, args, options)).toString('utf8').trim();
  }

  /** The file that names what the owner ignores everywhere. This reads the owner's config, which runs nothing. */
  async function ownersIgnoreFile(task: Task, repo: string): Promise<string> {
    const argv = ['git', '-C', repo, '-c', 'safe.directory=*', 'config', '--type=path', '--get', 'core.excludesFile'];
    const { stdout } = await runProcess(task, argv, { env: { ...ownerEnv }, acceptCodes: [1] });
    return stdout.trim() || `${ownerEnv.XDG_CONFIG_HOME ?? `${ownerEnv.HOME}/.config`}/git/ignore`;
  }

  function environment(place: GitPlace | null): Record<string, string> {
    return {
      PATH: ownerEnv.PATH ?? '',
      LC_ALL: 'C',
      HOME: '/nonexistent',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_ATTR_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_OPTIONAL_LOCKS: '0',
      GIT_NO_LAZY_FETCH: '1',
      GIT_ALLOW_PROTOCOL: '',
      ...(place && { GIT_DIR: place.gitDir }),
      ...(place?.workTree !== undefined && { GIT_WORK_TREE: place.workTree }),
      ...(place?.objectFolder !== undefined && { GIT_OBJECT_DIRECTORY: place.objectFolder }),
    };
  }
}

/** git's own words, when it is git that failed. */
export function gitWords(fault: unknown): string | null {
  return fault instanceof ProcessFailure ? fault.stderr.trim().split('\n').slice(-3).join('; ').slice(0, 600) : null;
}

class BoundedSink extends Writable {
  readonly #chunks: Buffer[] = [];
  #sizeBytes = 0;

  override _write(chunk: Buffer, _encoding: string, done: (fault?: Error) => void): void {
    this.#sizeBytes += chunk.length;
    if (this.#sizeBytes <= MAX_OUTPUT_BYTES) this.#chunks.push(chunk);
    done();
  }

  all(): Buffer {
    if (this.#sizeBytes <= MAX_OUTPUT_BYTES) return Buffer.concat(this.#chunks);
    throw new BangerError('REPO_INVALID', { message: `git listed more than ${MAX_OUTPUT_BYTES} bytes of names.` });
  }
}
