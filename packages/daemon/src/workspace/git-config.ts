/** What a config of git's says, and what of it decides what a file is. */
import { join, resolve } from 'node:path';

/** Keys are in lower case */
export type ConfigEntry = { scope: string; key: string; value: string };

/** Plain switches, which run nothing */
const SWITCHES: Record<string, string> = {
  'core.filemode': 'core.fileMode',
  'core.symlinks': 'core.symlinks',
  'core.autocrlf': 'core.autocrlf',
  'core.eol': 'core.eol',
  'core.ignorecase': 'core.ignoreCase',
};
/** Of the rest, all that is asked for */
const OTHERS = ['core.worktree', 'core.bare', 'core.excludesfile', 'core.attributesfile', 'extensions.objectformat'];

/** For `git config --get-regexp` */
export const WANTED_KEYS = `^(${[...Object.keys(SWITCHES), ...OTHERS].join('|').replaceAll('.', '\\.')})$`;

/** Of `git config -z --show-scope`. */
export function parseConfig(listing: string): ConfigEntry[] {
  const words = listing.split('\0');
  const entries: ConfigEntry[] = [];
  for (let at = 0; at + 1 < words.length; at += 2) {
    const [key = '', ...value] = (words[at + 1] as string).split('\n');
    // A key alone means yes
    entries.push({ scope: words[at] as string, key, value: value.length === 0 ? 'true' : value.join('\n') });
  }
  return entries;
}

export type FileSettings = {
  /** As git spells the keys */
  switches: Record<string, string>;
  /** In the order in which git asks them: what comes later decides. They need not exist. */
  ignoreFiles: string[];
  attributeFiles: string[];
};

type Owner = { home: string; configFolder: string };

/**
 * How the owner's own git would compare the files below `top`. A file that the repository's config names is read only
 * when it lies below the top too: what it holds goes into the guest.
 */
export function fileSettings(config: readonly ConfigEntry[], top: string, owner: Owner): FileSettings {
  const last = (wanted: string) => config.findLast(({ key }) => key === wanted)?.value;
  const switches: Record<string, string> = {};
  for (const [key, name] of Object.entries(SWITCHES)) {
    const value = last(key)?.toLowerCase();
    if (value !== undefined && /^(true|false|yes|no|on|off|1|0|input|native|lf|crlf)$/.test(value)) {
      switches[name] = value;
    }
  }
  return {
    switches,
    ignoreFiles: filesOf('core.excludesfile', 'ignore'),
    attributeFiles: ['/etc/gitattributes', ...filesOf('core.attributesfile', 'attributes')],
  };

  function filesOf(wanted: string, usual: string): string[] {
    const named = config.filter(({ key }) => key === wanted);
    const isOwners = ({ scope }: ConfigEntry) => scope === 'system' || scope === 'global';
    const owners = named.findLast(isOwners)?.value;
    const own = named.findLast((entry) => !isOwners(entry))?.value;
    const inside = own === undefined ? null : expand(own);
    return [
      owners === undefined ? join(owner.configFolder, 'git', usual) : expand(owners),
      ...(inside?.startsWith(`${top}/`) ? [inside] : []),
    ];
  }

  function expand(path: string): string {
    return resolve(top, path.replace(/^~(?=\/)/, owner.home));
  }
}
