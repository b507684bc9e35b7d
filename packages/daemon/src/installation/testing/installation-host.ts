/** A host in a folder, with a systemd that remembers what it was told. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { createInstallation, type InstallationParts } from '../installation.ts';

const CHECKOUT = join(import.meta.dirname, '../../../../..');
export const BUILT = 'host/root/target/x86_64-unknown-linux-gnu/release/banger-root';
/** Whether the host passes packets on */
const FORWARDING = '/proc/sys/net/ipv4/ip_forward';
const MIA = { name: 'mia', uid: 1000, home: '/home/mia' };
const ZOE = { name: 'zoe', uid: 1001, home: '/home/zoe' };

type Faults = { failAt?: number; failFrom?: number; afterCall?: (count: number) => unknown };

export function createHost(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'banger-install-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const hostRoot = join(folder, 'host');
  const root = join(folder, 'checkout');
  const at = (path: string) => join(hostRoot, path);
  const host = {
    ...{
      root,
      at,
      calls: [] as string[],
      enabled: new Set<string>(),
      active: new Set<string>(),
      /** Of each socket, the lines by which it began */
      listening: new Map<string, string[]>(),
      vms: [] as object[],
      hasBus: true,
      /** A file of the host's, after ours, that says no */
      hasOwnForwarding: false,
      hasHome: true,
      faultOfDaemon: null as string | null,
      accounts: [MIA, ZOE, { name: 'root', uid: 0, home: '/root' }, { name: 'odd', uid: 7, home: 'none' }],
      onCall: () => {},
    },
    read: (path: string) => readFileSync(at(path), 'utf8'),
    write: (path: string, text: string, below = hostRoot) => {
      mkdirSync(dirname(join(below, path)), { recursive: true });
      writeFileSync(join(below, path), text);
    },
    change: (path: string, how: (text: string) => string) =>
      writeFileSync(at(path), how(readFileSync(at(path), 'utf8'))),
    isForwarding: () => readFileSync(at(FORWARDING), 'utf8').trim() === '1',
    isLingering: () => existsSync(at('/var/lib/systemd/linger/mia')),
    /** All that an install may leave */
    state: () => ({
      files: host.tree(),
      enabled: [...host.enabled].sort(),
      lingering: readdirSync(at('/var/lib/systemd/linger')),
    }),
    tree: () =>
      Object.fromEntries(
        readdirSync(hostRoot, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map(({ parentPath, name }) => join(parentPath, name))
          .filter((path) => !path.includes('/linger/') && path !== at(FORWARDING))
          .sort()
          .map((path) => [path, readFileSync(path, 'utf8')]),
      ),
    keep: () => {
      const kept = mkdtempSync(join(folder, 'kept-'));
      cpSync(hostRoot, kept, { recursive: true });
      return kept;
    },
    putBack: (kept: string) => {
      rmSync(hostRoot, { recursive: true });
      cpSync(kept, hostRoot, { recursive: true });
    },
    rootWithSpace: () => {
      cpSync(root, join(folder, 'with space'), { recursive: true });
      return join(folder, 'with space');
    },
    installation,
  };
  for (const name of ['run/systemd/system', 'etc/systemd/system', 'var/lib/systemd/linger'])
    mkdirSync(at(name), { recursive: true });
  cpSync(join(CHECKOUT, 'packaging/systemd'), join(root, 'packaging/systemd'), { recursive: true });
  cpSync(join(CHECKOUT, 'packaging/sysctl'), join(root, 'packaging/sysctl'), { recursive: true });
  host.write(FORWARDING, '0\n');
  host.write(BUILT, 'helper', root);
  return host;

  function installation({
    failAt = 0,
    failFrom,
    afterCall = () => {},
    ...parts
  }: Partial<InstallationParts> & Faults = {}) {
    let count = 0;
    return createInstallation({
      ...{ hostRoot, root, isRoot: true, stateVersion: 5, withdrawNetwork: async () => [] },
      findAccount: async (_task, who) =>
        host.accounts.find(({ name, uid }) => [name, String(uid)].includes(who)) ?? null,
      log: { info: () => {}, warn: () => {} },
      now: () => new Date('2026-11-27T00:00:00Z'),
      runTool: async (task, argv) => {
        task.check();
        host.onCall();
        host.calls.push(argv.join(' '));
        count += 1;
        if (count === failAt || count >= (failFrom ?? Number.POSITIVE_INFINITY)) throw new Error(`${argv[0]} fails`);
        const said = obey(argv);
        afterCall(count);
        task.check();
        return said;
      },
      ...parts,
    });
  }

  function obey([program, ...words]: string[]): string {
    if (program === 'loginctl') {
      if (!host.hasBus) throw new Error('Failed to connect to system scope bus');
      const path = at(`/var/lib/systemd/linger/${words[1]}`);
      if (words[0] === 'enable-linger') writeFileSync(path, '');
      else rmSync(path, { force: true });
    }
    if (program === 'journalctl') return `${host.faultOfDaemon ?? ''}\n`;
    if (program?.endsWith('/systemd-sysctl') && existsSync(at('/etc/sysctl.d/60-banger.conf'))) {
      host.write(FORWARDING, host.hasOwnForwarding ? '0\n' : '1\n');
    }
    if (program === 'systemctl') return obeySystemctl(words);
    return words.includes('ls') ? JSON.stringify({ vms: host.vms }) : '';
  }

  function obeySystemctl([verb = '', ...rest]: string[]): string {
    const units = rest.filter((word) => !word.startsWith('--'));
    const isNow = rest.includes('--now');
    if (verb === 'restart' && units[0] === 'bangerd.service') {
      if (host.faultOfDaemon !== null) throw new Error('Job for bangerd.service failed');
      if (!host.hasHome) return '';
    }
    for (const unit of units) {
      if (verb === 'disable' && !existsSync(at(`/etc/systemd/system/${unit}`)))
        throw new Error(`Unit file ${unit} does not exist.`);
      if (verb === 'enable') host.enabled.add(unit);
      if (verb === 'disable') host.enabled.delete(unit);
      if (['start', 'restart'].includes(verb)) listen(unit, verb);
      if (['start', 'restart'].includes(verb) || (verb === 'enable' && isNow)) host.active.add(unit);
      if (verb === 'stop' || (verb === 'disable' && isNow)) host.active.delete(unit);
    }
    return verb === 'is-active' && host.active.has(units[0] ?? '') ? 'active\n' : '';
  }

  /** One that listens goes on where it does. That of names begins with the daemon. */
  function listen(unit: string, verb: string): void {
    if (unit === 'bangerd.service') listen('bangerd-names.socket', 'start');
    if (!unit.endsWith('.socket') || (verb === 'start' && host.active.has(unit))) return;
    host.active.add(unit);
    host.listening.set(unit, host.read(`/etc/systemd/system/${unit}`).match(/^Listen.*$/gm) ?? []);
  }
}
