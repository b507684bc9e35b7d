/**
 * What a machine has that no image of it may have: what makes it this one machine, what banger writes into it, and what was
 * brought in from its owner's home and host. Names have no slash before them.
 *
 * Who writes these: the agent (identity.rs), ssh/server.ts, and the scripts of capabilities/host-settings.ts. What they
 * write besides belongs here too.
 */
import type { RootWanted } from '@banger/contract/guest/root-wanted.ts';
import type { Brought } from '../store/brought.ts';

export type BroughtIn = Brought & {
  /** Their folders */
  workspaces: string[];
};

/** Keys of hosts, and what says that it is this machine */
const IDENTITY = [
  'etc/ssh/ssh_host_',
  'etc/dropbear/dropbear_',
  'etc/ssh/banger_',
  'var/lib/systemd/random-seed',
  'var/lib/systemd/credential.secret',
  'var/lib/urandom/random-seed',
  'var/lib/misc/random-seed',
  'var/lib/seedrng/',
  'var/log/journal/',
];

/** Written at each boot, over what the image has there */
const WRITTEN_AT_BOOT = ['etc/hostname', 'etc/machine-id', 'etc/resolv.conf', 'var/lib/dbus/machine-id'];
const TIME_ZONE = ['etc/localtime', 'etc/timezone'];

const CERTIFICATES = { folder: 'usr/local/share/ca-certificates', start: 'banger-host' };
const TRUSTED = 'etc/ssl/certs';

export function leftOut({ files, workspaces, hasTimeZone }: BroughtIn): RootWanted {
  return {
    without: [...files, ...workspaces],
    withoutStarting: [...IDENTITY, `${CERTIFICATES.folder}/${CERTIFICATES.start}`],
    asInImage: [...WRITTEN_AT_BOOT, ...(hasTimeZone ? TIME_ZONE : [])],
    withoutLines: [
      { file: 'etc/hosts', mark: '# banger', lines: 1 },
      { file: 'etc/environment', mark: '# from the host, by banger', lines: 2 },
    ],
    withoutTextsOf: [{ file: `${TRUSTED}/ca-certificates.crt`, ...CERTIFICATES }],
    withoutLinksTo: [{ folder: TRUSTED, start: CERTIFICATES.start }],
  };
}
