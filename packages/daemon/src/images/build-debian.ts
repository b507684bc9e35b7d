/**
 * Debian's packages as a root filesystem, by mmdebstrap, as whoever runs the daemon: root, an ordinary user with
 * subordinate ids (in a user namespace), or one without (fakechroot).
 */
import { globSync, readFileSync } from 'node:fs';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { BangerError } from '@banger/contract/errors.ts';
import { noSpaceLeft } from '../platform/disk-full.ts';
import { isNoSpace } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import { ProcessFailure, runProcess } from '../platform/run-process.ts';
import type { Task } from '../platform/task.ts';
import { canUse, ENDED_WITH_US, IN_NAMESPACE, IN_ROOT_NAMESPACE } from '../platform/user-namespace.ts';
import { takeSettingCredentials } from './apt-credentials.ts';
import type { TarSource } from './build-rootfs.ts';
import { chooseSuite, INDEX_FORMAT, parseIndexes, toSourceLines } from './debian-sources.ts';

/** The tree, the packages and the finished base, side by side */
export const NEEDED_BYTES = 1.2 * 2 ** 30;

const HOOK = 'customise';
const APT_CONFIG = 'apt.conf';
const APT_AUTH = 'auth.conf';

type DebianParts = {
  packages: string[];
  workFolder: string;
  proxies: Readonly<Record<string, string>>;
  log: Log;
};
type Mode = 'root' | 'fakechroot';

export function debianSource({ packages, workFolder, proxies, log }: DebianParts): TarSource {
  return async (task: Task, tar: Writable) => {
    task.step("read the host's package sources");
    await runProcess(task, ['mmdebstrap', '--version']);
    await copyFile(join(import.meta.dirname, 'customise-debian.sh'), join(workFolder, HOOK));
    const { suite, lines, authLines } = await readSources(task);
    const { mode, wrapper } = await chooseMode(task);
    log.info(`mmdebstrap: ${suite}, ${[...wrapper, `--mode=${mode}`].join(' ')}`);
    task.step(`get the packages of Debian ${suite}`);
    const options = [
      `--mode=${mode}`,
      `--include=${packages.join(',')}`,
      `--customize-hook=${join(workFolder, HOOK)}`,
      `--aptopt=${await writeAptConfig(task, workFolder, authLines)}`,
      ...OPTIONS,
    ];
    try {
      await runProcess(task, [...wrapper, 'mmdebstrap', ...options, suite, '-', ...lines], {
        env: { TMPDIR: workFolder, SOURCE_DATE_EPOCH: '0', ...proxies },
        stdout: tar,
        onStderrLine: (line) => reportLine(task, line),
        cwd: '/',
      });
    } catch (fault) {
      if (!(fault instanceof ProcessFailure)) throw fault;
      throw isNoSpace(fault.stderr) ? noSpaceLeft(fault) : buildFailed(fault);
    }
    return null;
  };
}

const OPTIONS = [
  '--format=tar',
  '--variant=minbase',
  '--architectures=amd64',
  // Documentation is left out but for the copyrights; what is installed later in the vm brings its own.
  '--dpkgopt=path-exclude=/usr/share/man/*',
  '--dpkgopt=path-exclude=/usr/share/locale/*',
  '--dpkgopt=path-exclude=/usr/share/doc/*',
  '--dpkgopt=path-include=/usr/share/doc/*/copyright',
];

type Sources = { suite: string; lines: string[]; authLines: string[] };

async function readSources(task: Task): Promise<Sources> {
  const argv = ['apt-get', 'indextargets', '--format', INDEX_FORMAT, 'Created-By: Packages'];
  const indexes = parseIndexes((await runProcess(task, argv)).stdout);
  const suite = chooseSuite(indexes);
  const { lines, authLines } = toSourceLines(indexes, firstMirror);
  if (suite !== null && lines.length > 0) return { suite, lines, authLines };
  throw new BangerError('IMAGE_BUILD_FAILED', {
    message: "apt on this host has no lists of Debian's packages, from which the default image is made.",
    hint: 'Run "sudo apt-get update" and try again. On another distribution, import a tarball with "banger image import".',
  });
}

/** A mirror list holds one address a line, with options after a tab. */
function firstMirror(listPath: string): string | null {
  try {
    const lines = readFileSync(listPath, 'utf8').split('\n');
    return lines.find((line) => /^https?:/.test(line))?.split(/\s/)[0] ?? null;
  } catch {
    return null; // that archive is left out
  }
}

async function chooseMode(task: Task): Promise<{ mode: Mode; wrapper: readonly string[] }> {
  const isRoot = process.getuid?.() === 0;
  const wrapper = isRoot ? IN_ROOT_NAMESPACE : IN_NAMESPACE;
  if (await canUse(task, wrapper)) return { mode: 'root', wrapper };
  if (isRoot) return { mode: 'root', wrapper: ENDED_WITH_US };
  try {
    await runProcess(task, ['fakechroot', '--version']);
    await runProcess(task, ['fakeroot', '--version']);
    return { mode: 'fakechroot', wrapper: ENDED_WITH_US };
  } catch (cause) {
    throw new BangerError('TOOL_MISSING', {
      message: 'The default image is made in a user namespace, and this user has no subordinate ids for one.',
      hint: 'Run "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER", or install fakechroot and fakeroot.',
      cause,
    });
  }
}

// mmdebstrap starts with an apt configuration of its own; the way to the mirrors has to be the host's.
const HOST_APT_SETTINGS = [
  'Acquire::http::Proxy',
  'Acquire::https::Proxy',
  'Acquire::Check-Valid-Until',
  'Acquire::Check-Date',
];

/**
 * The host's way to its mirrors as a file of apt's settings, with the passwords in one of their own beside it. mmdebstrap
 * keeps the settings in the image until its last hook removes them, and of the passwords no more than where they are.
 */
async function writeAptConfig(task: Task, workFolder: string, authLines: string[]): Promise<string> {
  const { stdout } = await runProcess(task, ['apt-config', 'dump', ...HOST_APT_SETTINGS]);
  // Only settings with a value: Proxy-Auto-Detect, for one, names a program of the host, which works only there.
  const found = stdout.split('\n').filter((line) => /^[\w:.-]+ ".+";$/.test(line));
  const settings = found.map(takeSettingCredentials);
  const passwords = [...authLines, ...settings.flatMap(({ authLine }) => authLine ?? []), ...hostsAuthFiles()];
  const authPath = join(workFolder, APT_AUTH);
  await writeFile(authPath, `${passwords.join('\n')}\n`, { mode: 0o600 });
  const configPath = join(workFolder, APT_CONFIG);
  const lines = [...settings.map(({ setting }) => setting), `Dir::Etc::netrc "${authPath}";`];
  await writeFile(configPath, `${lines.join('\n')}\n`, { mode: 0o600 });
  return configPath;
}

/** As far as this user may read them, which without root is seldom. */
function hostsAuthFiles(): string[] {
  const names = globSync(['/etc/apt/auth.conf', '/etc/apt/auth.conf.d/*.conf']);
  return names.flatMap((path) => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return []; // apt tells whose password it misses
    }
  });
}

// What mmdebstrap calls its stages, and what the user reads.
const STAGES: Record<string, string> = {
  'running apt-get update': 'update the package lists',
  'downloading packages with apt': 'download the packages',
  'extracting archives': 'unpack the essential packages',
  'installing essential packages': 'install the essential packages',
  'installing remaining packages inside the chroot': 'install the other packages',
  'creating tarball': 'write the image',
};

function reportLine(task: Task, line: string): void {
  const stage = STAGES[line.replace(/^I: /, '').replace(/\.*$/, '')];
  if (stage !== undefined && !task.signal.aborted) task.step(stage);
}

function buildFailed(fault: ProcessFailure): BangerError {
  const lines = fault.stderr
    .split('\n')
    .filter((line) => line && !/^I: |^E: (?:setup|mmdebstrap|run_\w+) failed/.test(line));
  const reason = (lines.find((line) => line.startsWith('E: ')) ?? lines.at(-1) ?? fault.message).replace(/^E: /, '');
  return new BangerError('IMAGE_BUILD_FAILED', {
    message: `mmdebstrap could not make the image: ${reason.replace(/\.$/, '')}.`,
    hint: "Check the network; the daemon's log has what mmdebstrap said.",
    details: { stderr: fault.stderr.slice(-4096) },
    cause: fault,
  });
}
