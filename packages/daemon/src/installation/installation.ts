/**
 * Banger for the whole system: the root helper, and the owner's daemon as a service that begins at boot. Done by root, once,
 * through systemd; see docs/decisions/0052-the-systems-daemon-is-the-owners.md.
 *
 * The metadata is written first and removed last, so that what a power cut leaves is known, and either is done again or taken
 * away. A step that fails undoes all. Machines are the owner's, and are only touched by the owner's own command.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Installation } from '@banger/contract/api/installation.ts';
import { builtProgram } from '@banger/contract/built-program.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { VERSION } from '@banger/contract/version.ts';
import type { Log } from '../platform/log.ts';
import { UndoStack } from '../platform/undo-stack.ts';
import { type Account, accountSchema, METADATA, type Metadata, metadataSchema } from './metadata.ts';
import { type Content, digestOf, placeFile, readPlaced, removeEmptyFolder } from './place-files.ts';
import { DAEMON, HELPER, HELPER_SOCKET, NAMES_SOCKET, renderUnit, UNITS } from './units.ts';

const UNIT_FOLDER = '/etc/systemd/system';
/** What root runs is root's, also where banger is a checkout of the owner's. In /usr/local a group may write on some hosts. */
const COPIED_HELPER = '/opt/banger/banger-root';

export type InstallationParts = {
  /** "/", except in a test */
  hostRoot: string;
  /** Of this banger: a checkout, or what a package installs */
  root: string;
  isRoot: boolean;
  /** Version of the state that this banger writes */
  stateVersion: number;
  /** Gives its output. Throws where it fails, unless the code is accepted. */
  runTool: (argv: string[], acceptCodes?: number[]) => Promise<string>;
  /** By name or number; null where there is none */
  findAccount: (who: string) => Promise<Account | null>;
  /** Takes everything of the network back from the host that no machine holds; gives the vms that hold some of it */
  withdrawNetwork: () => Promise<string[]>;
  log: Log;
  now: () => Date;
};

export function createInstallation(parts: InstallationParts) {
  const { hostRoot, root, runTool, log, now } = parts;
  const onHost = (path: string) => join(hostRoot, path);
  const systemctl = (...words: string[]) => runTool(['systemctl', ...words]);
  return { install, status, restart, uninstall };

  /** Safe to repeat; over an older banger it is an upgrade. Throws ROOT_NEEDED, INSTALL_REFUSED, STATE_TOO_NEW, INSTALL_FAILED. */
  async function install({ owner: wanted }: { owner: string | null }): Promise<Installation> {
    expectRoot();
    expectSystemd();
    const before = readMetadata();
    const owner = await chooseOwner(wanted ?? before?.owner.name ?? null);
    if (before !== null) checkReplaces(before, owner);
    const files = planFiles(owner);
    const isLingering = existsSync(onHost(lingerFile(owner.name)));
    const metadata: Metadata = {
      ...{ version: VERSION, stateVersion: parts.stateVersion, owner, installedAt: now().toISOString() },
      ...{ isComplete: false, hasEnabledLinger: before?.hasEnabledLinger === true || !isLingering },
      files: [...files].map(([path, content]) => ({ path, digest: digestOf(content) })),
    };
    const old = new Map(
      [METADATA, ...pathsOf(before), ...files.keys()].map((path) => [path, readPlaced(onHost(path))]),
    );

    try {
      await using undo = new UndoStack(log);
      if (before?.isComplete) undo.add('start what was there', startAgain);
      undo.add('have systemd read its units', () => systemctl('daemon-reload'));
      undo.add('put the files back', () => putBack(old));
      await write(METADATA, contentOf({ ...metadata, files: unite(metadata, before) }));
      for (const [path, content] of files) await write(path, content);
      for (const path of pathsOf(before)) if (!files.has(path)) await placeFile(onHost(path), null);
      await systemctl('daemon-reload');

      if (!isLingering) undo.add('end the lingering', () => linger(owner, false));
      await linger(owner, true);
      await systemctl('start', `user@${owner.uid}.service`);
      if (!before?.isComplete) undo.add('stop the services', stopAll);
      await systemctl('enable', '--now', HELPER_SOCKET);
      await systemctl('try-restart', HELPER);
      await giveUpOther(owner);
      await systemctl('enable', DAEMON);
      await systemctl('restart', DAEMON);
      await write(METADATA, contentOf({ ...metadata, isComplete: true }));
      undo.keep();
    } catch (cause) {
      throw failed('installed', cause, before === null ? 'Nothing of it is left.' : 'What was there before is back.');
    }
    return status();
  }

  /** Needs no root. */
  async function status(): Promise<Installation> {
    const found = readMetadata();
    const units = found === null ? [] : await Promise.all(UNITS.map(describeUnit));
    const pid =
      found === null ? 0 : Number(await tryTool(['systemctl', 'show', '--property=MainPID', '--value', DAEMON]));
    return {
      installed: found && {
        ...{ version: found.version, installedAt: found.installedAt, isComplete: found.isComplete },
        owner: { name: found.owner.name, uid: found.owner.uid },
        changed: found.files.filter(({ path, digest }) => digestNow(path) !== digest).map(({ path }) => path),
      },
      units,
      daemonPid: pid > 0 ? pid : null,
      notes: [],
    };
  }

  /** Machines go on. A daemon of the owner's that a command started makes way. Throws ROOT_NEEDED, INSTALL_REFUSED, INSTALL_FAILED. */
  async function restart(): Promise<Installation> {
    expectRoot();
    const found = readMetadata();
    if (found === null) throw notInstalled();
    try {
      await systemctl('try-restart', HELPER);
      await systemctl('stop', NAMES_SOCKET).catch(ignoreMissing); // a question would start the daemon again
      await systemctl('stop', DAEMON);
      await giveUpOther(found.owner);
      await systemctl('start', HELPER_SOCKET, DAEMON);
    } catch (cause) {
      throw failed('restarted', cause, 'The journal says more: journalctl -u bangerd.');
    }
    return status();
  }

  /**
   * Safe to repeat. Machines stay, stopped; with `purge` they and all else that the owner's banger keeps are removed first.
   * Throws ROOT_NEEDED, INSTALL_REFUSED, INSTALL_FAILED.
   */
  async function uninstall({ purge }: { purge: boolean }): Promise<Installation> {
    expectRoot();
    const found = readMetadata();
    if (found === null) return status();
    const { owner } = found;
    try {
      await (purge ? removeMachines(owner) : expectNoneRuns(owner));
      await write(METADATA, contentOf({ ...found, isComplete: false }));
      await systemctl('stop', NAMES_SOCKET).catch(ignoreMissing);
      await systemctl('disable', '--now', DAEMON).catch(ignoreMissing);
      await giveUpOther(owner);
      await systemctl('start', HELPER_SOCKET).catch(ignoreMissing);
      const held = await parts.withdrawNetwork();
      if (held.length > 0) throw new Error(`these machines hold a network: ${held.join(', ')}`);
      await systemctl('disable', '--now', HELPER_SOCKET).catch(ignoreMissing);
      await systemctl('stop', HELPER).catch(ignoreMissing);
      if (purge) await removeFolders(owner);
      if (found.hasEnabledLinger) await linger(owner, false);
      for (const path of pathsOf(found)) await placeFile(onHost(path), null);
      await systemctl('daemon-reload');
      await placeFile(onHost(METADATA), null);
    } catch (cause) {
      throw failed('uninstalled', cause, 'What is left is known: repeat the command once that is mended.');
    }
    for (const path of [METADATA, COPIED_HELPER]) await removeEmptyFolder(onHost(dirname(path)));
    return status();
  }

  function expectRoot(): void {
    if (parts.isRoot) return;
    throw new BangerError('ROOT_NEEDED', {
      message: 'Only root can change what is installed for the whole system.',
      hint: 'Put "sudo" before the command.',
    });
  }

  function expectSystemd(): void {
    if (existsSync(onHost('/run/systemd/system'))) return;
    throw new BangerError('INSTALL_REFUSED', {
      message: 'systemd does not run this host, so there is nothing that would start banger at boot.',
      hint: 'Everything but an address and a name for machines works without: "banger vm run".',
    });
  }

  async function chooseOwner(who: string | null): Promise<Account> {
    const hint = 'Say whose machines they are: --owner <name>. "sudo banger system install" takes who calls it.';
    if (who === null) throw new BangerError('INSTALL_REFUSED', { message: 'root owns no machines.', hint });
    const account = await parts.findAccount(who);
    if (account === null) throw new BangerError('INSTALL_REFUSED', { message: `There is no user "${who}".`, hint });
    if (account.uid === 0) throw new BangerError('INSTALL_REFUSED', { message: 'root owns no machines.', hint });
    const plain = accountSchema.safeParse(account);
    if (plain.success) return plain.data;
    const message = `The user ${JSON.stringify(who)} has a name or a home that no unit of systemd can have.`;
    throw new BangerError('INSTALL_REFUSED', { message, hint });
  }

  function checkReplaces(before: Metadata, owner: Account): void {
    if (before.owner.uid !== owner.uid) {
      throw new BangerError('INSTALL_REFUSED', {
        message: `banger is installed for ${before.owner.name}, and a host has one owner.`,
        hint: '"banger system uninstall" first; machines stay with whose they are.',
      });
    }
    if (before.stateVersion <= parts.stateVersion) return;
    throw new BangerError('STATE_TOO_NEW', {
      message: `banger ${before.version} is installed, whose state this one, ${VERSION}, does not know.`,
      hint: `Install ${before.version} or a newer one.`,
    });
  }

  /** What goes to the host, by its path there. */
  function planFiles(owner: Account): Map<string, Content> {
    const built = builtProgram(root, 'banger-root', existsSync);
    const helper = built.startsWith('/usr/lib/') ? built : COPIED_HELPER;
    const files = new Map<string, Content>();
    if (helper === COPIED_HELPER) {
      const content = readPlaced(built);
      if (content === null)
        throw new BangerError('INSTALL_REFUSED', { message: 'The root helper is not built.', hint: 'make setup' });
      files.set(COPIED_HELPER, { bytes: content.bytes, mode: 0o755 });
    }
    for (const name of UNITS) {
      const template = readPlaced(join(root, 'packaging/systemd', name));
      if (template === null) throw new Error(`there is no ${name} in ${root}`);
      const text = renderUnit(template.bytes.toString(), { root, helper, owner });
      files.set(`${UNIT_FOLDER}/${name}`, { bytes: Buffer.from(text), mode: 0o644 });
    }
    return files;
  }

  async function write(path: string, content: Content): Promise<void> {
    await placeFile(onHost(path), content);
  }

  async function putBack(old: ReadonlyMap<string, Content | null>): Promise<void> {
    for (const [path, content] of [...old].reverse()) await placeFile(onHost(path), content);
    for (const path of [METADATA, COPIED_HELPER]) await removeEmptyFolder(onHost(dirname(path)));
  }

  /** The folder for the owner's sockets, and the owner's systemd, come from logind, which is asked by D-Bus. */
  async function linger({ name }: Account, wanted: boolean): Promise<void> {
    try {
      await runTool(['loginctl', wanted ? 'enable-linger' : 'disable-linger', name]);
    } catch (cause) {
      if (!/connect to.*bus/i.test(String(cause))) throw cause;
      throw new BangerError('INSTALL_REFUSED', {
        message: 'logind does not answer, and the owner gets folder and systemd from it.',
        hint: 'sudo apt-get install dbus libpam-systemd',
        cause,
      });
    }
  }

  async function startAgain(): Promise<void> {
    await systemctl('try-restart', HELPER);
    await systemctl('restart', DAEMON);
  }

  async function stopAll(): Promise<void> {
    await systemctl('stop', NAMES_SOCKET).catch(ignoreMissing);
    for (const unit of [DAEMON, HELPER_SOCKET]) await systemctl('disable', '--now', unit).catch(ignoreMissing);
    await systemctl('stop', HELPER).catch(ignoreMissing);
  }

  /** A daemon that a command of the owner's started holds the state; machines go on without it. */
  async function giveUpOther(owner: Account): Promise<void> {
    if ((await tryTool(['systemctl', 'is-active', DAEMON])).trim() === 'active') return;
    await asOwner(owner, [join(root, 'bin/banger'), 'daemon', 'stop', '--quiet']);
  }

  async function listMachines(owner: Account): Promise<{ name: string; isStopped: boolean }[]> {
    const { vms } = JSON.parse(await asOwner(owner, [join(root, 'bin/banger'), 'vm', 'ls', '--json'])) as {
      vms: { name: string; state: { is: string } }[];
    };
    return vms.map(({ name, state }) => ({ name, isStopped: state.is === 'stopped' }));
  }

  /** They would lose their network, and with the lingering the systemd that holds them. */
  async function expectNoneRuns(owner: Account): Promise<void> {
    const running = (await listMachines(owner)).filter(({ isStopped }) => !isStopped).map(({ name }) => name);
    if (running.length === 0) return;
    throw new BangerError('INSTALL_REFUSED', {
      message: `These machines run: ${running.join(', ')}.`,
      hint: `As ${owner.name}: banger vm stop ${running.join(' ')}`,
    });
  }

  async function removeMachines(owner: Account): Promise<void> {
    for (const { name } of await listMachines(owner)) {
      await asOwner(owner, [join(root, 'bin/banger'), 'vm', 'rm', '--force', name]);
    }
  }

  async function removeFolders({ home, ...owner }: Account): Promise<void> {
    const kept = ['.local/state/banger', '.local/share/banger', '.cache/banger'].map((name) => join(home, name));
    await asOwner({ home, ...owner }, ['rm', '--recursive', '--force', '--', ...kept, `/run/user/${owner.uid}/banger`]);
  }

  /** What is the owner's is looked at and changed by the owner. */
  function asOwner({ name, uid, home }: Account, argv: string[]): Promise<string> {
    const environment = [`HOME=${home}`, `XDG_RUNTIME_DIR=/run/user/${uid}`, 'PATH=/usr/bin:/bin', 'LANG=C.UTF-8'];
    return runTool(['runuser', '-u', name, '--', 'env', '-i', '--chdir=/', ...environment, ...argv]);
  }

  async function describeUnit(name: string) {
    const [active, enabled] = [
      await tryTool(['systemctl', 'is-active', name]),
      await tryTool(['systemctl', 'is-enabled', name]),
    ];
    return { name, active: active.trim() || 'unknown', enabled: enabled.trim() || 'unknown' };
  }

  /** For what tells by its words, whatever its code */
  function tryTool(argv: string[]): Promise<string> {
    return runTool(argv, [1, 2, 3, 4, 5]).catch(() => '');
  }

  function readMetadata(): Metadata | null {
    const found = readPlaced(onHost(METADATA));
    if (found === null) return null;
    try {
      return metadataSchema.parse(JSON.parse(found.bytes.toString()));
    } catch (cause) {
      throw new BangerError('INSTALL_REFUSED', {
        message: `${METADATA} is damaged, so what is installed is not known.`,
        hint: 'Remove it, and install again.',
        cause,
      });
    }
  }

  function digestNow(path: string): string | null {
    const found = readPlaced(onHost(path));
    return found && digestOf(found);
  }
}

/** One that a newer banger did not write is taken away after its own are there. */
function unite(after: Metadata, before: Metadata | null): Metadata['files'] {
  const paths = new Set(after.files.map(({ path }) => path));
  return [...after.files, ...(before?.files ?? []).filter(({ path }) => !paths.has(path))];
}

function lingerFile(name: string): string {
  return `/var/lib/systemd/linger/${name}`;
}

function pathsOf(metadata: Metadata | null): string[] {
  return metadata?.files.map(({ path }) => path) ?? [];
}

function contentOf(metadata: Metadata): Content {
  return { bytes: Buffer.from(`${JSON.stringify(metadata, null, 2)}\n`), mode: 0o644 };
}

/** After a power cut a unit may not be there any more. */
function ignoreMissing(fault: unknown): void {
  if (!/not loaded|does not exist|not found/.test(String(fault))) throw fault;
}

function notInstalled(): BangerError {
  return new BangerError('INSTALL_REFUSED', {
    message: 'banger is not installed for the whole system.',
    hint: 'sudo banger system install',
  });
}

function failed(how: string, cause: unknown, what: string): unknown {
  if (cause instanceof BangerError && cause.code === 'INSTALL_REFUSED') return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new BangerError('INSTALL_FAILED', { message: `banger could not be ${how}: ${why}`, hint: what, cause });
}
