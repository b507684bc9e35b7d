/**
 * What runs inside the guest, as arguments for its own shell: the files `guest-*.sh` beside this one. Whatever they print
 * is a claim, and checked by who reads it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** First line of what a snapshot prints: who is checked out, the commit with all changes, and the tree of the files. */
export const HEADER_WORD = 'banger-workspace';

/** More are counted, and not named */
export const MAX_LEFT_OUT_NAMES = 10;

const SNAPSHOT = readScript('snapshot');
const UNPACK = readScript('unpack');
const PROBE = readScript('probe');
const EMPTY = readScript('empty');
const GIVE = readScript('give');

/** What says how files are compared, beside what the guest's git knows by itself; empty where there is nothing to say */
export type Settings = {
  config: string;
  /** Objects that are sent along */
  attributes: string;
  ownAttributes: string;
};

type Unpacking = {
  /** The folder, as the probe said: new is also one with nothing in it */
  is: 'new' | 'there';
  base: string | null;
  tree: string;
  /** From the base's tree */
  differs: boolean;
  /** Empty: no branch is checked out */
  branch: string;
  format: string;
  /** Commits whose parents stay on the host */
  shallow: string[];
  history: 'shallow' | 'full';
  /** Of the addresses of who commits in there, unless the guest's own config says */
  host: string;
  settings: Settings;
};

export const guestScripts = {
  probe: (folder: string | null, user: string, implied: string, name: string) =>
    shell(PROBE, folder === null ? '' : relative(folder), user, name, implied),
  empty: (folder: string, uid: string) => shell(EMPTY, relative(folder), uid),
  owner: (folder: string) => ['stat', '-c', '%u', '--', relative(folder)],
  give: (folder: string, uid: string) => shell(GIVE, relative(folder), uid),
  unpack: ({ is, base, tree, differs, branch, format, shallow, history, host, settings }: Unpacking) => {
    const trees = [base ?? 'none', tree, differs ? 'yes' : 'no'];
    return shell(UNPACK, is, ...trees, branch, format, shallow.join(' '), history, host, ...settingWords(settings));
  },
  snapshot: (what: 'check' | 'diff' | 'export', base: string | null, tree: string, message = '') =>
    shell(SNAPSHOT, what, base ?? 'none', tree, message, HEADER_WORD, String(MAX_LEFT_OUT_NAMES)),
};

function settingWords({ config, attributes, ownAttributes }: Settings): string[] {
  return [config, attributes, ownAttributes];
}

function shell(script: string, ...args: string[]): string[] {
  return ['sh', '-c', script, 'banger', ...args];
}

/** "." so that a name that begins with a hyphen is no option */
function relative(folder: string): string {
  return `.${folder}`;
}

function readScript(name: string): string {
  return readFileSync(join(import.meta.dirname, `guest-${name}.sh`), 'utf8');
}
