/**
 * What the programs that the command starts by itself, the daemon and `inspect`, get of the caller's environment: where
 * banger's folders are, and what is banger's own. All else would stay in a program that outlives the caller: secrets, and
 * words that change how Node or the linker works.
 */
import type { Handed } from '@banger/contract/daemon-start.ts';
import { FIND_SOURCES } from './root.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const FOLDERS = ['HOME', 'XDG_CONFIG_HOME', 'XDG_STATE_HOME', 'XDG_DATA_HOME', 'XDG_CACHE_HOME', 'XDG_RUNTIME_DIR'];
const PROXIES = ['http_proxy', 'https_proxy', 'ftp_proxy', 'all_proxy', 'no_proxy'];

export function programEnvironment(env: Environment): Record<string, string> {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LANG: 'C.UTF-8',
    ...keep(env, (name) => FOLDERS.includes(name) || name.startsWith('BANGER_')),
    ...(env.BANGER_TEST_COVERAGE
      ? { NODE_V8_COVERAGE: env.BANGER_TEST_COVERAGE } // exact only for code that does not come from a cache
      : keep(env, (name) => name === 'NODE_COMPILE_CACHE')), // bin/banger has made it a folder of banger's
  };
}

export function handedTo(env: Environment): Handed {
  return { proxies: keep(env, (name) => PROXIES.includes(name.toLowerCase())) };
}

/** Node's own: with the second a test brings code of its own. */
export function nodeOptions({ BANGER_TEST_IMPORT }: Environment): string[] {
  return ['--require', FIND_SOURCES, ...(BANGER_TEST_IMPORT ? ['--import', BANGER_TEST_IMPORT] : [])];
}

function keep(env: Environment, isWanted: (name: string) => boolean): Record<string, string> {
  const kept = Object.entries(env).filter(([name, value]) => value !== undefined && isWanted(name));
  return Object.fromEntries(kept) as Record<string, string>;
}
