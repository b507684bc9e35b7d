/**
 * Banger for the whole system: the root helper, and the owner's daemon as a service that begins at boot. Done by root, once,
 * through systemd; see docs/decisions/0052-the-systems-daemon-is-the-owners.md.
 *
 * The metadata is written first and removed last, so that what a power cut leaves is known, and either is done again or taken
 * away. A step that fails undoes all, as does an interrupt. What is in a place of ours and is not ours is never replaced.
 * Machines are the owner's, and are only touched by the owner's own command.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Installation } from '@banger/contract/api/installation.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { VERSION } from '@banger/contract/version.ts';
import type { Log } from '../platform/log.ts';
import { Task } from '../platform/task.ts';
import { UndoStack } from '../platform/undo-stack.ts';
import { beginForwarding, readForwarding, setForwarding } from './forwarding.ts';
import { lockChanges } from './lock-changes.ts';
import {
  type Account,
  accountSchema,
  contentOf,
  lingerFile,
  METADATA,
  type Metadata,
  metadataSchema,
  pathsOf,
  unite,
} from './metadata.ts';
import { ownersCommand, type RunTool } from './owners-command.ts';
import { type Content, digestOf, placeFile, readPlaced, removeEmptyFolder } from './place-files.ts';
import { COPIED_HELPER, planFiles, readOld } from './plan-files.ts';
import { failed, hintAfterInstall, noteOwner, notInstalled, ownerIsGone, refused } from './refusals.ts';
import { DAEMON, HELPER, HELPER_SOCKET, NAMES_SOCKET, UNIT_FOLDER, UNITS } from './units.ts';

const LOCK = '/run/banger-install.lock';
/** What systemctl makes in its folder when a unit of ours is enabled */
const ENABLED_IN = ['multi-user.target.wants', 'sockets.target.wants'];
/** The daemon's unit may take 90 s to stop, and 180 s to start */
const UNDO_STEP_LIMIT_MS = 300_000;

export type InstallationParts = {
  /** "/", except in a test */
  hostRoot: string;
  /** Of this banger: a checkout, or what a package installs */
  root: string;
  isRoot: boolean;
  /** Version of the state that this banger writes */
  stateVersion: number;
  runTool: RunTool;
  /** By name or number; null where there is none */
  findAccount: (task: Task, who: string) => Promise<Account | null>;
  /** Takes everything of the network back from the host that no machine holds; gives the vms that hold some of it */
  withdrawNetwork: (task: Task) => Promise<string[]>;
  log: Log;
  now: () => Date;
};

/** `caller`: who called root's command, and becomes the owner where nobody is or is named */
export type InstallOptions = { owner: string | null; caller?: string | null };

export function createInstallation(parts: InstallationParts) {
  const { hostRoot, root, runTool, log, now } = parts;
  const onHost = (path: string) => join(hostRoot, path);
  const systemctl = (task: Task, ...words: string[]) => runTool(task, ['systemctl', ...words]);
  const owners = ownersCommand({ root, runTool });
  return { install, status, restart, uninstall };

  /**
   * Safe to repeat; over an older banger it is an upgrade. Throws ROOT_NEEDED, INSTALL_REFUSED, STATE_TOO_NEW,
   * INSTALL_FAILED, CANCELLED, TIMED_OUT.
   */
  async function install(task: Task, options: InstallOptions): Promise<Installation> {
    expectRoot();
    expectSystemd();
    using _lock = lockChanges(onHost(LOCK));
    const before = readMetadata();
    const owner = await chooseOwner(task, before, options);
    if (before !== null) checkReplaces(before, owner);
    const planned = planFiles(root, owner);
    const isLingering = isLingeringNow(owner);
    const metadata: Metadata = {
      ...{ version: VERSION, stateVersion: parts.stateVersion, owner, installedAt: now().toISOString() },
      ...{ isComplete: false, hasEnabledLinger: before?.hasEnabledLinger === true || !isLingering },
      files: [...planned].map(([path, content]) => ({ path, digest: digestOf(content) })),
    };
    const old = readOld(hostRoot, before, planned);

    const undone = { whole: true };
    try {
      await using undo = new UndoStack({ ...log, warn: notWhole });
      const add = (what: string, run: (task: Task) => unknown) => undo.add(what, () => run(undoTask()));
      if (before?.isComplete) add('start what was there', startAgain);
      add('have systemd read its units', (later) => systemctl(later, 'daemon-reload'));
      add('put the files back', () => putBack(old, undone));
      await write(METADATA, contentOf({ ...metadata, files: unite(metadata, before) }));
      for (const [path, content] of planned) await write(path, content);
      for (const path of pathsOf(before)) if (!planned.has(path)) await placeFile(onHost(path), null);
      await systemctl(task, 'daemon-reload');
      const passedOn = await readForwarding(hostRoot);
      add('pass packets on as before', () => setForwarding(hostRoot, passedOn));
      await beginForwarding(task, runTool);

      if (!isLingering) add('end the lingering', (later) => isLingeringNow(owner) && linger(later, owner, false));
      await linger(task, owner, true);
      await systemctl(task, 'start', `user@${owner.uid}.service`);
      if (!before?.isComplete) add('stop the services', stopAll);
      await systemctl(task, 'enable', HELPER_SOCKET);
      await listenAnew(task);
      await giveUpOther(task, owner);
      add('remove the state, if it is empty', (later) => owners.removeEmptyState(later, owner).catch(() => {}));
      await owners.makeState(task, owner);
      await systemctl(task, 'enable', DAEMON);
      await startDaemon(task, owner);
      await write(METADATA, contentOf({ ...metadata, isComplete: true }));
      undo.keep();
    } catch (cause) {
      throw failed('installed', cause, hintAfterInstall(before, undone.whole));
    }
    if (before?.hasEnabledLinger && before.owner.name !== owner.name) await removeLingerFile(undoTask(), before.owner);
    return status(undoTask());

    function notWhole(text: string, cause?: unknown): void {
      undone.whole = false;
      log.warn(text, cause);
    }
  }

  /** Needs no root. */
  async function status(task: Task): Promise<Installation> {
    const found = readMetadata();
    const units = found === null ? [] : await Promise.all(UNITS.map((name) => describeUnit(task, name)));
    const pid =
      found === null ? 0 : Number(await tryTool(task, ['systemctl', 'show', '--property=MainPID', '--value', DAEMON]));
    return {
      installed: found && {
        ...{ version: found.version, installedAt: found.installedAt, isComplete: found.isComplete },
        owner: { name: found.owner.name, uid: found.owner.uid },
        changed: found.files.filter(({ path, digest }) => digestNow(path) !== digest).map(({ path }) => path),
      },
      units,
      daemonPid: pid > 0 ? pid : null,
      notes: found === null ? [] : noteOwner(found.owner, await findOwner(task, found)),
    };
  }

  /** Machines go on. A daemon of the owner's that a command started makes way. Throws ROOT_NEEDED, INSTALL_REFUSED, INSTALL_FAILED. */
  async function restart(task: Task): Promise<Installation> {
    expectRoot();
    using _lock = lockChanges(onHost(LOCK));
    const found = readMetadata();
    if (found === null) throw notInstalled();
    try {
      await listenAnew(task);
      await systemctl(task, 'stop', DAEMON);
      await giveUpOther(task, found.owner);
      await startDaemon(task, found.owner);
    } catch (cause) {
      throw failed('restarted', cause, 'The journal says more: journalctl -u bangerd.');
    }
    return status(task);
  }

  /**
   * Safe to repeat. Machines stay, stopped; with `purge` they and all else that the owner's banger keeps are removed first.
   * Where the owner is no user any more, or no systemd runs, what is left is taken away. Throws ROOT_NEEDED, INSTALL_REFUSED,
   * INSTALL_FAILED.
   */
  async function uninstall(task: Task, { purge }: { purge: boolean }): Promise<Installation> {
    expectRoot();
    using _lock = lockChanges(onHost(LOCK));
    const found = readMetadata();
    if (found === null) return status(task);
    try {
      const owner = await findOwner(task, found);
      if (owner !== null && purge) await owners.removeMachines(task, owner);
      else if (owner !== null && hasSystemd()) await expectNoneRuns(task, owner);
      await write(METADATA, contentOf({ ...found, isComplete: false }));
      if (hasSystemd()) await stopServices(task, owner);
      if (owner !== null && purge) await owners.removeFolders(task, owner);
      if (found.hasEnabledLinger) await endLinger(task, found, owner);
      for (const path of pathsOf(found)) await placeFile(onHost(path), null);
      await removeLinks();
      if (hasSystemd()) await systemctl(task, 'daemon-reload');
      await placeFile(onHost(METADATA), null);
    } catch (cause) {
      throw failed('uninstalled', cause, 'What is left is known: repeat the command once that is mended.');
    }
    for (const path of [METADATA, COPIED_HELPER]) await removeEmptyFolder(onHost(dirname(path)));
    return status(task);
  }

  function expectRoot(): void {
    if (parts.isRoot) return;
    throw new BangerError('ROOT_NEEDED', {
      message: 'Only root can change what is installed for the whole system.',
      hint: 'Put "sudo" before the command.',
    });
  }

  function hasSystemd(): boolean {
    return existsSync(onHost('/run/systemd/system'));
  }

  function expectSystemd(): void {
    if (hasSystemd()) return;
    throw refused(
      'systemd does not run this host, so there is nothing that would start banger at boot.',
      'Everything but an address and a name for machines works without: "banger vm run".',
    );
  }

  /** Whoever calls for an upgrade, it is the same owner's; by number, since a name may change. */
  async function chooseOwner(task: Task, before: Metadata | null, { owner, caller = null }: InstallOptions) {
    const hint = 'Say whose machines they are: --owner <name>. "sudo banger system install" takes who calls it.';
    const who = owner ?? (before === null ? caller : String(before.owner.uid));
    if (who === null) throw refused('root owns no machines.', hint);
    const account = await parts.findAccount(task, who);
    if (account === null && owner === null && before !== null) throw ownerIsGone(before);
    if (account === null) throw refused(`There is no user ${JSON.stringify(who)}.`, hint);
    if (account.uid === 0) throw refused('root owns no machines.', hint);
    const plain = accountSchema.safeParse(account);
    if (plain.success) return plain.data;
    throw refused(`The user ${JSON.stringify(who)} has a name or a home that no unit of systemd can have.`, hint);
  }

  function checkReplaces(before: Metadata, owner: Account): void {
    if (before.owner.uid !== owner.uid) {
      throw refused(
        `banger is installed for ${before.owner.name}, and a host has one owner.`,
        '"banger system uninstall" first; machines stay with whose they are.',
      );
    }
    if (before.stateVersion <= parts.stateVersion) return;
    throw new BangerError('STATE_TOO_NEW', {
      message: `banger ${before.version} is installed, whose state this one, ${VERSION}, does not know.`,
      hint: `Install ${before.version} or a newer one.`,
    });
  }

  async function write(path: string, content: Content): Promise<void> {
    await placeFile(onHost(path), content);
  }

  /** Where a step after them could not be undone they stay, and the metadata says that it is incomplete. */
  async function putBack(old: ReadonlyMap<string, Content | null>, undone: { whole: boolean }): Promise<void> {
    if (!undone.whole) throw new Error('something that needs them is still there');
    for (const [path, content] of [...old].reverse()) await placeFile(onHost(path), content);
    for (const path of [METADATA, COPIED_HELPER]) await removeEmptyFolder(onHost(dirname(path)));
  }

  /** The folder for the owner's sockets, and the owner's systemd, come from logind, which is asked by D-Bus. */
  async function linger(task: Task, { name }: Account, wanted: boolean): Promise<void> {
    try {
      await runTool(task, ['loginctl', wanted ? 'enable-linger' : 'disable-linger', name]);
    } catch (cause) {
      if (!/connect to.*bus/i.test(String(cause))) throw cause;
      throw new BangerError('INSTALL_REFUSED', {
        message: 'logind does not answer, and the owner gets folder and systemd from it.',
        hint: 'sudo apt-get install dbus libpam-systemd',
        cause,
      });
    }
  }

  function isLingeringNow({ name }: Account): boolean {
    return existsSync(onHost(lingerFile(name)));
  }

  /** logind knows nobody by a name that is no user's any more. */
  async function endLinger(task: Task, found: Metadata, owner: Account | null): Promise<void> {
    if (hasSystemd() && owner !== null) await linger(task, owner, false);
    await removeLingerFile(task, found.owner);
  }

  /** Another user may have the name by now. */
  async function removeLingerFile(task: Task, { name, uid }: Account): Promise<void> {
    const holder = await parts.findAccount(task, name);
    if (holder === null || holder.uid === uid) await placeFile(onHost(lingerFile(name)), null);
  }

  /** systemd says that it failed, the daemon why. One whose condition is not met has not failed for systemd. */
  async function startDaemon(task: Task, { home }: Account): Promise<void> {
    let cause: unknown = null;
    try {
      await systemctl(task, 'restart', DAEMON);
      if (await isActive(task, DAEMON)) return;
    } catch (thrown) {
      cause = thrown;
    }
    task.check();
    const said = await tryTool(task, ['journalctl', '--quiet', '--output=cat', '--lines=10', `--unit=${DAEMON}`]);
    const why = cause === null ? `what it keeps below ${home} is not there` : 'its last words are below';
    throw new BangerError('INSTALL_FAILED', {
      message: `${DAEMON} does not start: ${why}`,
      details: { console: said.trim().split('\n').filter(Boolean) },
      cause,
    });
  }

  /**
   * Where a socket listens it reads when it begins, and it begins while no service has it: the helper's takes its service along,
   * and that of names comes again with the daemon.
   */
  async function listenAnew(task: Task): Promise<void> {
    await systemctl(task, 'restart', HELPER_SOCKET);
    await systemctl(task, 'stop', NAMES_SOCKET).catch(ignoreMissing);
  }

  async function startAgain(task: Task): Promise<void> {
    await listenAnew(task);
    await systemctl(task, 'restart', DAEMON);
  }

  async function stopAll(task: Task): Promise<void> {
    await systemctl(task, 'stop', NAMES_SOCKET).catch(ignoreMissing);
    for (const unit of [DAEMON, HELPER_SOCKET]) await systemctl(task, 'disable', '--now', unit).catch(ignoreMissing);
    await systemctl(task, 'stop', HELPER).catch(ignoreMissing);
  }

  async function stopServices(task: Task, owner: Account | null): Promise<void> {
    await systemctl(task, 'stop', NAMES_SOCKET).catch(ignoreMissing);
    await systemctl(task, 'disable', '--now', DAEMON).catch(ignoreMissing);
    if (owner !== null) await giveUpOther(task, owner);
    await systemctl(task, 'start', HELPER_SOCKET).catch(ignoreMissing);
    const held = await parts.withdrawNetwork(task);
    if (held.length > 0) throw new Error(`these machines hold a network: ${held.join(', ')}`);
    await systemctl(task, 'disable', '--now', HELPER_SOCKET).catch(ignoreMissing);
    await systemctl(task, 'stop', HELPER).catch(ignoreMissing);
  }

  /** systemctl takes them away where a systemd runs. */
  async function removeLinks(): Promise<void> {
    for (const folder of ENABLED_IN.map((name) => `${UNIT_FOLDER}/${name}`)) {
      for (const unit of UNITS) await placeFile(onHost(`${folder}/${unit}`), null);
      await removeEmptyFolder(onHost(folder));
    }
  }

  /** A daemon that a command of the owner's started holds the state; machines go on without it. */
  async function giveUpOther(task: Task, owner: Account): Promise<void> {
    if (await isActive(task, DAEMON)) return;
    await owners.stopDaemon(task, owner);
  }

  async function isActive(task: Task, unit: string): Promise<boolean> {
    return (await tryTool(task, ['systemctl', 'is-active', unit])).trim() === 'active';
  }

  /** They would lose their network, and with the lingering the systemd that holds them. */
  async function expectNoneRuns(task: Task, owner: Account): Promise<void> {
    const running = await owners.listRunning(task, owner);
    if (running.length === 0) return;
    throw refused(
      `These machines run: ${running.join(', ')}.`,
      `As ${owner.name}: banger vm stop ${running.join(' ')}`,
    );
  }

  /** As the account is now: it may have another name or home. Null when it is no more. */
  function findOwner(task: Task, { owner }: Metadata): Promise<Account | null> {
    return parts.findAccount(task, String(owner.uid));
  }

  async function describeUnit(task: Task, name: string) {
    const [active, enabled] = [
      await tryTool(task, ['systemctl', 'is-active', name]),
      await tryTool(task, ['systemctl', 'is-enabled', name]),
    ];
    return { name, active: active.trim() || 'unknown', enabled: enabled.trim() || 'unknown' };
  }

  /** For what tells by its words, whatever its code */
  function tryTool(task: Task, argv: string[]): Promise<string> {
    return runTool(task, argv, [1, 2, 3, 4, 5]).catch(() => '');
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
    try {
      const found = readPlaced(onHost(path));
      return found && digestOf(found);
    } catch {
      return null; // not a file any more, or not for us to read
    }
  }
}

/** An undo goes on when whoever wanted the install has given up. */
function undoTask(): Task {
  return Task.background().within(UNDO_STEP_LIMIT_MS);
}

/** After a power cut a unit may not be there any more. */
function ignoreMissing(fault: unknown): void {
  if (!/not loaded|does not exist|not found/.test(String(fault))) throw fault;
}
