/**
 * What images and kernels have in common: named things that vms are made from, each kept in a folder under its digest.
 *
 * A name is a pointer to a digest and may move to another; a vm keeps the digest that it was made from, and that stays
 * as long as a name or a vm needs it. The catalog names what could be here and is made when it is asked for. Each folder
 * tells its names by itself (names-file.ts), and one without a record stays until somebody decides that it goes.
 */
import { type Digest, isMeantBy } from '@banger/contract/digest.ts';
import { BangerError, type ErrorCode } from '@banger/contract/errors.ts';
import { parseCatalogName } from '@banger/contract/names.ts';
import type { Log } from '../platform/log.ts';
import { createOneAtATime } from '../platform/one-at-a-time.ts';
import { Task } from '../platform/task.ts';
import { createDigestFolders } from './digest-folders.ts';
import { type BaseName, readNames, writeNames } from './names-file.ts';

export type BaseRecord = {
  name: string;
  digest: Digest;
  source: 'catalog' | 'import' | 'registry';
  sizeBytes: number;
  createdAt: string;
};

type Records<Row> = {
  list: () => Row[];
  find: (name: string) => Row | null;
  put: (record: Row) => void;
  remove: (name: string) => void;
};

type CatalogEntry = { name: string; default: boolean; description: string };

/** What the maker of a base knows of it; the rest of its record is the same for all. */
export type Made<Row extends BaseRecord> = Omit<Row, 'name' | 'source' | 'createdAt'>;

export type Recipe<Row extends BaseRecord> = {
  /** Free space that it takes to make it */
  neededBytes: number;
  /** Fills an empty folder with the base's files and a manifest.json */
  fill: (task: Task, staged: string) => Promise<Made<Row>>;
};

/** One that is here already, by another name */
export type Same<Row extends BaseRecord> = { same: Made<Row> };

/** A record as the API shows it: what only a record has is null while the entry is only in the catalog. */
export type Shown<Row extends BaseRecord> = { [Key in Exclude<keyof Row, 'name' | 'source'>]: Row[Key] | null } & {
  name: string;
  source: Row['source'];
  description: string;
  usedBy: string[];
  isDefault: boolean;
};

type BasesParts<Row extends BaseRecord, Entry> = {
  kind: keyof typeof WORDS;
  records: Records<Row>;
  /** `<folder>/<digest>/` */
  folder: string;
  catalog: Entry[];
  fromCatalog: (entry: Entry) => Recipe<Row>;
  /** The columns of an entry that is only in the catalog */
  nothing: { [Key in Exclude<keyof Row, 'name' | 'source'>]: null };
  /** Names of the vms that were made from a digest */
  usedBy: (digest: Digest) => string[];
  /** Whether every vm that is on the disk has a record, so that nothing needs a digest unknown to `usedBy` */
  areVmsKnown: () => boolean;
  /** Whether the files in a digest's folder are those of the digest */
  isWhole: (task: Task, folder: string) => Promise<boolean>;
  log: Log;
  now: () => Date;
};

const WORDS = {
  image: {
    notFound: 'IMAGE_NOT_FOUND',
    inUse: 'IMAGE_IN_USE',
    serves: 'is the root of',
    own: 'A tarball of your own',
  },
  kernel: { notFound: 'KERNEL_NOT_FOUND', inUse: 'KERNEL_IN_USE', serves: 'boots', own: 'One of your own' },
} as const satisfies Record<string, { notFound: ErrorCode; inUse: ErrorCode; serves: string; own: string }>;

const SOURCES = { import: 'imported', registry: 'from a registry' };

export function createBases<Row extends BaseRecord, Entry extends CatalogEntry>(parts: BasesParts<Row, Entry>) {
  const { kind, records, folder, catalog, fromCatalog, nothing, usedBy, areVmsKnown, isWhole, log, now } = parts;
  const words = WORDS[kind];
  const folders = createDigestFolders({ folder, isWhole, log });
  const oneAtATime = createOneAtATime();
  return { list, show, find, findOrPull, pull, add, make, remove, release, sweep, defaultName, folders };

  /** What is here, and what the catalog could bring. */
  function list(): Shown<Row>[] {
    const here = records.list();
    const absent = catalog.filter(({ name }) => !here.some((record) => record.name === name));
    return [...here.map(showRecord), ...absent.map(showAbsent)].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Throws IMAGE_NOT_FOUND or KERNEL_NOT_FOUND for what is neither here nor in the catalog. */
  function show(ref: string): Shown<Row> {
    const entry = catalog.find(({ name }) => name === ref);
    return entry && !records.find(ref) ? showAbsent(entry) : showRecord(find(ref));
  }

  /** One that is here, by name, digest, or the digest's first eight digits or more. Throws as `show` does. */
  function find(ref: string): Row {
    const record = records.find(ref) ?? findByDigest(ref);
    if (record) return record;
    const inCatalog = catalog.some(({ name }) => name === ref);
    throw new BangerError(words.notFound, {
      message: inCatalog
        ? `The ${kind} "${ref}" is in the catalog, but not here yet.`
        : `There is no ${kind} "${ref}".`,
      hint: inCatalog ? `Fetch it with "banger ${kind} pull ${ref}".` : `See what there is with "banger ${kind} ls".`,
      details: { [kind]: ref },
    });
  }

  /** Made first if it is only in the catalog; without a name, the catalog's default. */
  async function findOrPull(task: Task, ref = defaultName()): Promise<Row> {
    const isAbsent = catalog.some(({ name }) => name === ref) && !records.find(ref);
    if (isAbsent) await pull(task, ref);
    return find(ref);
  }

  /** Makes a catalog entry; does nothing when it is here, unless forced. */
  async function pull(task: Task, name: string, { force = false } = {}): Promise<Shown<Row>> {
    const entry = catalog.find((candidate) => candidate.name === name);
    if (!entry) {
      const known = catalog.map((candidate) => candidate.name).join(', ');
      throw new BangerError(words.notFound, {
        message: `The catalog has no ${kind} "${name}".`,
        hint: `It has: ${known}. ${words.own} comes in with "banger ${kind} import".`,
        details: { [kind]: name },
      });
    }
    return oneAtATime.run(task, name, async () => {
      if (!records.find(name) || force) return install(task, name, 'catalog', fromCatalog(entry));
      task.note(`The ${kind} "${name}" is here already; --force makes it anew.`);
      return show(name);
    });
  }

  /** One of the user's own, under a name that may have meant another before. */
  async function add(task: Task, name: string, open: () => Recipe<Row> | Promise<Recipe<Row>>): Promise<Shown<Row>> {
    parseCatalogName(name);
    return make(task, { name, source: 'import' }, open);
  }

  /** What `open` says, under a name; it says null where nothing has to be made. */
  async function make(
    task: Task,
    { name, source }: Pick<BaseRecord, 'name' | 'source'>,
    open: () => Recipe<Row> | Promise<Recipe<Row> | Same<Row> | null>,
  ): Promise<Shown<Row>> {
    return oneAtATime.run(task, name, async () => {
      const recipe = await open();
      return recipe === null ? show(name) : install(task, name, source, recipe);
    });
  }

  /** Forgets a name, and its files if nothing else needs them. Throws IMAGE_IN_USE or KERNEL_IN_USE. */
  async function remove(task: Task, name: string): Promise<void> {
    await oneAtATime.run(task, name, async () => {
      const record = find(name);
      const hasOtherName = records.list().some((other) => other.name !== record.name && other.digest === record.digest);
      const vms = usedBy(record.digest);
      if (vms.length > 0 && !hasOtherName) {
        throw new BangerError(words.inUse, {
          message: `The ${kind} "${name}" ${words.serves} ${vms.length === 1 ? 'the vm' : 'the vms'} ${vms.join(', ')}.`,
          hint: `Remove ${vms.length === 1 ? 'it' : 'them'} first with "banger vm rm".`,
          details: { [kind]: name, vms },
        });
      }
      // The folder first: after a kill in between the record is still there, and `sweep` writes the name back.
      await describe(record.digest, { except: record.name });
      records.remove(record.name);
      try {
        await discardUnneeded(record.digest);
      } catch (fault) {
        records.put(record); // what cannot go is not forgotten
        throw fault;
      }
    });
  }

  /** Removes what was left unfinished, and each digest whose folder says that it has no name and that no vm needs. */
  async function sweep(): Promise<void> {
    await folders.sweep();
    for (const digest of await folders.list()) {
      if (isNamed(digest)) await describe(digest, { keepUnknown: true });
      else await release(digest);
    }
  }

  /** A vm that needed it is gone: so is the digest, where its folder says that it has no name and nothing else needs it. */
  async function release(digest: Digest): Promise<void> {
    if (readNames(folders.pathOf(digest))?.length === 0 && areVmsKnown()) await discardUnneeded(digest);
  }

  async function discardUnneeded(digest: Digest): Promise<void> {
    if (!isNamed(digest) && usedBy(digest).length === 0) await folders.discard(digest);
  }

  function isNamed(digest: Digest): boolean {
    return records.list().some((record) => record.digest === digest);
  }

  /**
   * Writes its names into the folder of a digest. Where that fails, `sweep` writes them at the daemon's next start, from
   * the records. `keepUnknown` keeps names that no record has: the state may be an older copy.
   */
  async function describe(digest: Digest, { except = '', keepUnknown = false } = {}): Promise<void> {
    try {
      await oneAtATime.run(Task.background(), digest, async () => {
        if (!folders.has(digest)) return;
        const path = folders.pathOf(digest);
        const own: BaseName[] = records.list().filter((record) => record.digest === digest && record.name !== except);
        const unknown = keepUnknown ? (readNames(path) ?? []).filter(({ name }) => records.find(name) === null) : [];
        await writeNames(path, [...own, ...unknown]);
      });
    } catch (fault) {
      log.warn(`could not write the names of the ${kind} ${digest}`, fault);
    }
  }

  async function install(
    task: Task,
    name: string,
    source: BaseRecord['source'],
    recipe: Recipe<Row> | Same<Row>,
  ): Promise<Shown<Row>> {
    const before = records.find(name)?.digest ?? null;
    const adopt = (made: Made<Row>) => records.put({ ...made, name, source, createdAt: now().toISOString() } as Row);
    const makeWay = async ({ digest }: Made<Row>) => {
      if (before !== null && before !== digest) await describe(before, { except: name });
    };
    try {
      if ('same' in recipe) {
        await makeWay(recipe.same);
        if (!folders.has(recipe.same.digest)) throw removedMeanwhile(name);
        adopt(recipe.same);
        await describe(recipe.same.digest);
      } else {
        await folders.stage(recipe.neededBytes, async (staged) => {
          const made = await recipe.fill(task, staged);
          task.check();
          // Killed before the record is written, the new folder is nobody's, and the old one is told its name again.
          await writeNames(staged, []);
          await makeWay(made);
          await folders.place(task, staged, made.digest, () => adopt(made));
          await describe(made.digest);
        });
      }
    } finally {
      if (before !== null) await describe(before);
    }
    if (before !== null) await discardUnneeded(before);
    return show(name);
  }

  function removedMeanwhile(name: string): BangerError {
    return new BangerError(words.notFound, {
      message: `What "${name}" was to be was removed in this moment.`,
      hint: 'Try again.',
      details: { [kind]: name },
    });
  }

  function findByDigest(ref: string): Row | null {
    return records.list().find(({ digest }) => isMeantBy(digest, ref)) ?? null;
  }

  function defaultName(): string {
    return (catalog.find((entry) => entry.default) ?? (catalog[0] as Entry)).name;
  }

  function showRecord(record: Row): Shown<Row> {
    const entry = catalog.find(({ name }) => name === record.name);
    return {
      ...record,
      description: record.source === 'catalog' ? (entry?.description ?? '') : SOURCES[record.source],
      usedBy: usedBy(record.digest),
      isDefault: record.name === defaultName(),
    };
  }

  function showAbsent({ name, description }: Entry): Shown<Row> {
    return { ...nothing, name, description, source: 'catalog', usedBy: [], isDefault: name === defaultName() };
  }
}
