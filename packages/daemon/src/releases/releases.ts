/**
 * The door to the hypervisor programs that banger fetches from their projects' releases.
 *
 * Each is kept in a folder under its digest, which tells what it is; of several with one name the newest counts, and the
 * others go. Nothing is fetched that cannot be checked, nothing is kept that is not the program that it should be, and
 * the catalog names no place: the config does, or whoever asks.
 */
import { createWriteStream } from 'node:fs';
import { chmod, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Hypervisor } from '@banger/contract/api/hypervisors.ts';
import type { Digest } from '@banger/contract/digest.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { createDigestFolders } from '../bases/digest-folders.ts';
import { runConfined } from '../platform/confine.ts';
import { digestFile, sizeOfFile } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import { createOneAtATime } from '../platform/one-at-a-time.ts';
import { openRegularFile } from '../platform/regular-file.ts';
import { ProcessFailure } from '../platform/run-process.ts';
import type { Task } from '../platform/task.ts';
import { type ReleaseEntry, readReleaseCatalog } from './catalog.ts';
import { type FetchParts, fetchFile } from './fetch-file.ts';
import { findPulled, isWholeProgram, MANIFEST } from './pulled.ts';
import { parseReleases } from './release-address.ts';
import { releaseInvalid } from './release-invalid.ts';
import { unpackProgram } from './unpack-program.ts';

/** An archive and the program that comes out of it; their bounds are far above it */
const NEEDED_BYTES = 64 * 2 ** 20;
const VERSION_LIMIT_MS = 30_000;
const VERSION_LIMITS = { cpuSeconds: 10, memoryBytes: 2 ** 30, outputBytes: 64 * 1024, processes: 16 };

type ReleasesParts = {
  /** `<folder>/<digest of the program>/` */
  folder: string;
  catalogFolder: string;
  fetching: FetchParts;
  /** Where the config says that releases are; null where it does not. Throws CONFIG_INVALID. */
  readAddress: () => Promise<string | null>;
  log: Log;
  now: () => Date;
};

type PullOptions = { force?: boolean; from?: string | undefined; digest?: Digest | undefined };

export type Releases = ReturnType<typeof createReleases>;

export function createReleases({ folder, catalogFolder, fetching, readAddress, log, now }: ReleasesParts) {
  const catalog = readReleaseCatalog(join(catalogFolder, 'hypervisors.json'));
  const folders = createDigestFolders({ folder, isWhole: isWholeProgram, log });
  const oneAtATime = createOneAtATime();
  return { list, pull, sweep };

  async function list(): Promise<Hypervisor[]> {
    return Promise.all(catalog.map(show));
  }

  /**
   * Fetches the catalog's version; does nothing when it is here, unless forced. Throws HYPERVISOR_NOT_FOUND,
   * HYPERVISOR_UNVERIFIED, HYPERVISOR_FETCH_FAILED, HYPERVISOR_INVALID, FILE_NOT_FOUND, DISK_FULL.
   */
  async function pull(task: Task, name: string, options: PullOptions = {}): Promise<Hypervisor> {
    const entry = find(name);
    return oneAtATime.run(task, name, async () => {
      const [here] = await findPulled(folder, name);
      const isHere = here?.version === entry.version && (await isWholeProgram(task, folders.pathOf(here.digest)));
      if (isHere && !options.force) {
        task.note(`${name} ${entry.version} is here already; --force fetches it anew.`);
      } else {
        await folders.stage(NEEDED_BYTES, (staged) => install(task, entry, staged, options));
        await discardOlder(name);
      }
      return show(entry);
    });
  }

  /** Removes what was left unfinished, and programs that another took the place of. */
  async function sweep(): Promise<void> {
    await folders.sweep();
    for (const { name } of catalog) await discardOlder(name);
  }

  async function install(task: Task, entry: ReleaseEntry, staged: string, { from, digest }: PullOptions) {
    const fetched = join(staged, 'fetched');
    const path = join(staged, entry.name);
    const expected = await bring(task, entry, { from, digest, into: fetched });
    task.step('check it');
    const got = await digestFile(task, fetched);
    if (expected !== null && got !== expected) {
      throw releaseInvalid(`What was fetched has the digest ${got}, and should have ${expected}`);
    }
    await unpackProgram(task, { packed: fetched, program: entry.release.program, into: path });
    await rm(fetched);
    await chmod(path, 0o700);
    await checkVersion(task, entry, path);
    const { name, version } = entry;
    await writeFile(join(staged, MANIFEST), JSON.stringify({ v: 1, name, version, createdAt: now() }));
    const own = await digestFile(task, path);
    task.check();
    await folders.place(task, staged, own, () => {});
  }

  /** Gives the digest that it has to have; null for a file of the owner's own that nobody said one of. */
  async function bring(
    task: Task,
    { name, version, release }: ReleaseEntry,
    { from, digest, into }: PullOptions & { into: string },
  ): Promise<Digest | null> {
    if (from?.startsWith('/')) {
      await copyOwn(task, from, [basename(release.path), basename(release.program), name], {
        into,
        maxBytes: release.maxBytes,
      });
      return digest ?? null;
    }
    const url = parseReleases(from ?? (await readAddress()), release.path);
    const expected = digest ?? release.digest;
    if (expected === null) throw unverified(name, version, url);
    task.step(`download ${name} ${version}`);
    await fetchFile(task, fetching, { url, path: into, maxBytes: release.maxBytes });
    return expected as Digest;
  }

  async function discardOlder(name: string): Promise<void> {
    const [, ...older] = await findPulled(folder, name);
    for (const { digest } of older) await folders.discard(digest, 'a newer one took the place of');
  }

  async function show({ name, version, description }: ReleaseEntry): Promise<Hypervisor> {
    const [pulled = null] = await findPulled(folder, name);
    return { name, version, description, pulled };
  }

  function find(name: string): ReleaseEntry {
    const entry = catalog.find((candidate) => candidate.name === name);
    if (entry) return entry;
    throw new BangerError('HYPERVISOR_NOT_FOUND', {
      message: `The catalog has no hypervisor "${name.slice(0, 80)}".`,
      hint: `It has: ${catalog.map((known) => known.name).join(', ')}. QEMU comes with "sudo apt-get install qemu-system-x86".`,
      details: { hypervisor: name.slice(0, 80) },
    });
  }
}

/** A copy, so that what is checked is what is kept. In a folder it is what has one of these names. */
async function copyOwn(
  task: Task,
  from: string,
  names: readonly string[],
  { into, maxBytes }: { into: string; maxBytes: number },
): Promise<void> {
  const isFolder = (await stat(from).catch(() => null))?.isDirectory();
  const candidates = isFolder ? names.map((name) => join(from, name)) : [from];
  const found: string[] = [];
  for (const path of candidates) if (await stat(path).catch(() => null)) found.push(path);
  const [path] = found;
  if (path === undefined) {
    throw new BangerError('FILE_NOT_FOUND', {
      message: isFolder ? `${from} has none of ${names.join(', ')} in it.` : `${from} does not exist.`,
      hint: 'Name the file of the release, the folder that it is in, or the program itself.',
      details: { path: from },
    });
  }
  await using file = await openRegularFile(path, (why) => releaseInvalid(why));
  await pipeline(file.createReadStream({ end: maxBytes }), createWriteStream(into, { mode: 0o600 }), {
    signal: task.signal,
  });
  task.check();
  if (sizeOfFile(into) > maxBytes) throw releaseInvalid(`${path} is larger than ${formatSize(maxBytes)}`);
}

/** Behind walls: it is a stranger's program until it has said who it is. */
async function checkVersion(task: Task, { says, name, version }: ReleaseEntry, path: string): Promise<void> {
  const limited = task.within(VERSION_LIMIT_MS);
  try {
    const { stdout } = await runConfined(limited, [path, '--version'], { readable: [path], limits: VERSION_LIMITS });
    const [first = ''] = stdout.split('\n');
    if (first.trim() === says) return;
    throw releaseInvalid(`It is not ${name} ${version}: asked for its version, it says "${first.slice(0, 80).trim()}"`);
  } catch (fault) {
    task.check();
    if (limited.signal.aborted) throw releaseInvalid(`It did not say its version within ${VERSION_LIMIT_MS / 1000} s`);
    if (!(fault instanceof ProcessFailure)) throw fault;
    throw releaseInvalid(`It cannot be run on this host: ${fault.message.split('\n')[0]}`, fault);
  }
}

function unverified(name: string, version: string, { host }: URL): BangerError {
  return new BangerError('HYPERVISOR_UNVERIFIED', {
    message: `banger does not know the digest of ${name} ${version}, so nothing was fetched from ${host}.`,
    hint: 'Read the SHA-256 of the file on the page of its release, and name it: --digest sha256:…',
    details: { hypervisor: name, version },
  });
}
