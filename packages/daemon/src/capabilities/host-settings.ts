/**
 * Brings settings of the host into a vm, each time it starts, where the config asks for them: its own CA certificates, its
 * proxies and its time zone.
 *
 * They make a vm more comfortable and are no part of it: what cannot be read or set is a note, and the vm starts. What an
 * earlier start brought is replaced, and taken back where the config now says no. The guest may do with it what it likes.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { FromHost } from '@banger/contract/api/vms.ts';
import { cleanQuote } from '@banger/contract/clean-text.ts';
import { toBangerError } from '@banger/contract/errors.ts';
import type { VmId } from '@banger/contract/names.ts';
import { packTar } from '@banger/contract/tar/pack-tar.ts';
import type { Guest } from '../guest/guest.ts';
import type { Task } from '../platform/task.ts';
import type { BroughtFiles } from '../store/brought.ts';
import type { VmRecord } from '../store/records/vms.ts';
import type { Capability } from './capability.ts';
import { digestOf, type HostCertificate, readHostCertificates } from './host-certificates.ts';
import { planProxies } from './host-proxies.ts';
import { type HostTimeZone, readHostTimeZone } from './host-time-zone.ts';

/** For each of the three; an emulated guest on a busy host takes a minute to go through its certificates */
const SETTING_LIMIT_MS = 120_000;
const MAX_WORDS_BYTES = 4096;
const CERTIFICATES = 'usr/local/share/ca-certificates';

/** Null leaves alone what is there, false takes back what an earlier start brought. */
type Wanted = {
  caCertificates: boolean | null;
  proxy: boolean | null;
  timeZone: boolean | null;
  /** Of the host's loopback, that this vm reaches */
  hostPorts: readonly number[];
};

type HostSettingsParts = {
  /** Where the host's files are: "/", except in a test */
  hostRoot: string;
  /** The owner's variables, with whatever password they hold */
  proxies: Readonly<Record<string, string>>;
  /** Throws CONFIG_INVALID. */
  readWanted: (vm: VmRecord) => Promise<Wanted>;
  brought: Pick<BroughtFiles, 'note'>;
  now: () => Date;
};

/** What is null is left alone. */
type Settings = {
  certificates: HostCertificate[] | null;
  proxies: Record<string, string> | null;
  timeZone: HostTimeZone | null;
};

export function createHostSettingsCapability({
  hostRoot,
  proxies,
  readWanted,
  brought,
  now,
}: HostSettingsParts): Capability {
  const prepared = new Map<VmId, Settings>();
  return {
    name: 'host settings',
    async prepare(task, vm) {
      prepared.set(vm.id, await readSettings(task, vm));
      return {};
    },
    async release({ id }) {
      prepared.delete(id);
    },
    async finish(task, vm, guest) {
      const settings = prepared.get(vm.id);
      prepared.delete(vm.id);
      if (!settings) return;
      const { certificates, timeZone } = settings;
      if (certificates) await attempt(task, 'CA certificates', (own) => giveCertificates(own, guest, certificates));
      if (settings.proxies) await attempt(task, 'proxies', (own) => giveProxies(own, guest, settings.proxies ?? {}));
      if (timeZone) await attempt(task, 'time zone', (own) => giveTimeZone(own, vm, guest, timeZone));
    },
  };

  async function readSettings(task: Task, vm: VmRecord): Promise<Settings> {
    const { caCertificates, proxy, timeZone, hostPorts } = await readWanted(vm);
    return {
      certificates: caCertificates ? await readHostCertificates(task, hostRoot) : caCertificates === false ? [] : null,
      proxies: proxy ? toldOf(task, planProxies(proxies, hostPorts)) : proxy === false ? {} : null,
      timeZone: timeZone ? await readHostTimeZone(task, hostRoot) : null,
    };
  }

  async function giveCertificates(task: Task, guest: Guest, certificates: HostCertificate[]): Promise<void> {
    const digest = digestOf(certificates);
    if ((await runScript(task, guest, 'certificates', ['outdated', digest])) === ALREADY_THERE) return;
    if (certificates.length > 0) {
      task.step("take the host's certificates");
      const entries = certificates.map(({ name, content }) => {
        return { is: 'file', path: `${CERTIFICATES}/${name}`, mode: 0o644, content } as const;
      });
      await guest.writeTar(task, '/', Readable.from([packTar(entries, now())]), { owner: 'root' });
    }
    const outcome = await runScript(task, guest, 'certificates', ['use', digest]);
    if (outcome === NOT_POSSIBLE && certificates.length > 0) {
      task.note(
        "The image has no update-ca-certificates: the host's certificates lie in /" +
          `${CERTIFICATES}, and programs do not know them before the package ca-certificates is installed.`,
      );
    }
  }

  async function giveTimeZone(task: Task, vm: VmRecord, guest: Guest, { name, content }: HostTimeZone): Promise<void> {
    await brought.note(vm, { hasTimeZone: true });
    const outcome = await runScript(task, guest, 'time-zone', [name ?? ''], content);
    if (outcome === NOT_POSSIBLE) task.note(`The vm does not know the host's time zone, ${name}.`);
  }
}

/** In the words of the API; what is taken back is not among them. */
export function wantedFromHost({ caCertificates, proxy, timeZone }: Omit<Wanted, 'hostPorts'>): FromHost[] {
  const wanted: [FromHost, boolean | null][] = [
    ['ca-certificates', caCertificates],
    ['proxy', proxy],
    ['time-zone', timeZone],
  ];
  return wanted.filter(([, isWanted]) => isWanted).map(([name]) => name);
}

function toldOf(task: Task, { variables, notes }: ReturnType<typeof planProxies>): Record<string, string> {
  for (const note of notes) task.note(note);
  return variables;
}

async function giveProxies(task: Task, guest: Guest, variables: Record<string, string>): Promise<void> {
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
  await runScript(task, guest, 'environment', [], Buffer.from(lines.join('')));
}

/** A start that was cancelled ends; any other fault becomes a note, and the vm starts without the setting. */
async function attempt(task: Task, what: string, work: (task: Task) => Promise<void>): Promise<void> {
  try {
    await work(task.within(SETTING_LIMIT_MS));
  } catch (fault) {
    task.check();
    task.note(`The vm does not get the host's ${what} as they are now: ${toBangerError(fault).message}`);
  }
}

const ALREADY_THERE = 3;
const NOT_POSSIBLE = 4;

/** Runs one of our own scripts, in the guest's root folder. Gives its exit code; throws for one without a meaning. */
async function runScript(task: Task, guest: Guest, name: string, args: string[], stdin?: Buffer): Promise<number> {
  const script = await readFile(join(import.meta.dirname, `guest-${name}.sh`), 'utf8');
  const { exit, stderr } = await guest.run(task, ['sh', '-c', script, 'sh', ...args], {
    cwd: '/',
    maxOutputBytes: MAX_WORDS_BYTES,
    ...(stdin && { stdin }),
  });
  if ('code' in exit && [0, ALREADY_THERE, NOT_POSSIBLE].includes(exit.code)) return exit.code;
  throw new Error(cleanQuote(stderr.toString('utf8').trim()) || 'a command of it failed');
}
