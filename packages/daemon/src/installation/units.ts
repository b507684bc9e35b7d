/** The units of systemd, from their templates in `packaging/systemd`. */
import { AT_BOOT, DAEMON_MEMORY } from '@banger/contract/daemon-start.ts';
import { BangerError } from '@banger/contract/errors.ts';
import type { Account } from './metadata.ts';

export const UNIT_FOLDER = '/etc/systemd/system';
export const UNITS = ['banger-root.socket', 'banger-root.service', 'bangerd-names.socket', 'bangerd.service'] as const;
export const HELPER_SOCKET = 'banger-root.socket';
export const HELPER = 'banger-root.service';
/** Comes with the daemon, and stays while that is started anew */
export const NAMES_SOCKET = 'bangerd-names.socket';
export const DAEMON = 'bangerd.service';

/** `root`: of this banger, a checkout or what a package installs; `helper`: the path of banger-root. Throws INSTALL_REFUSED. */
export function renderUnit(
  template: string,
  { root, helper, owner }: { root: string; helper: string; owner: Account },
) {
  const daemon = [
    `${root}/node_modules/node/bin/node`,
    DAEMON_MEMORY,
    ...['--require', `${root}/packages/cli/src/find-sources.cts`],
    ...[`${root}/packages/daemon/src/main.ts`, 'serve', AT_BOOT],
  ];
  const words: Record<string, string> = {
    owner: owner.name,
    uid: String(owner.uid),
    home: plainPath(owner.home),
    program: plainPath(helper),
    daemon: daemon.map(plainPath).join(' '),
  };
  return template.replaceAll(/@([a-z]+)@/g, (whole, name: string) => words[name] ?? whole);
}

/** systemd has a language of its own in its lines: spaces, quotes, percent and dollar signs mean something there. */
function plainPath(path: string): string {
  if (/^[A-Za-z0-9/._+=:,~-]+$/.test(path)) return path;
  throw new BangerError('INSTALL_REFUSED', {
    message: `The path ${JSON.stringify(path)} has a character that no unit of systemd can have as it is.`,
    hint: 'Move banger, or the home of its owner, to a path of letters, digits and dashes.',
  });
}
