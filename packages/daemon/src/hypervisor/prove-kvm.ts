/**
 * Whether KVM runs guests here, found out by running one.
 *
 * The device can open, and machines and CPUs can be made, on hosts whose KVM still cannot run a stock kernel; and a
 * hypervisor then fails instead of falling back. So the first vm on a host that offers /dev/kvm waits for a small guest
 * to say hello. Each driver has a verdict of its own, which holds until the host boots again or the driver's program
 * changes.
 */
import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DriverName } from '@banger/contract/api/vms.ts';
import { z } from 'zod';
import { readSmallFile, writeFileDurably } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import { isOwnFile } from '../platform/own-files.ts';
import type { Task } from '../platform/task.ts';
import { driverWords } from './driver-words.ts';
import type { DriverAbilities, Machine, MachinePlan, Trial } from './hypervisor.ts';

const PROBE_MEMORY_BYTES = 256 * 2 ** 20;

const verdictSchema = z.object({
  bootId: z.string(),
  /** Of the driver's program */
  version: z.string(),
  /** A "no" is about this kernel and initramfs as well: what boots nowhere proves nothing about KVM */
  booted: z.string(),
  works: z.boolean(),
});
type Verdict = z.infer<typeof verdictSchema>;

type ProofParts = {
  log: Log;
  /** Each driver has its verdict there */
  cacheFolder: string;
  /** A guest that KVM runs says hello within a second; a "no" from a busy moment would hold until the next boot */
  helloLimitMs: number;
  /** Resolves when the agent behind the machine's stream has said hello */
  greet: (task: Task, machine: Machine) => Promise<unknown>;
  kvmDevice?: string;
  bootIdPath?: string;
};

/** What is tried: the plan's kernel and initramfs, by `launch`, which uses KVM. */
export type KvmTrial = {
  driver: DriverName;
  abilities: DriverAbilities;
  version: string;
  plan: Trial;
  launch: (task: Task, plan: MachinePlan) => Promise<Machine>;
};

export type ProveKvm = (task: Task, trial: KvmTrial) => Promise<boolean>;

export function createKvmProof(parts: ProofParts): ProveKvm {
  const { kvmDevice = '/dev/kvm', bootIdPath = '/proc/sys/kernel/random/boot_id', cacheFolder, log } = parts;
  const proving = new Map<DriverName, Promise<Verdict>>();
  /** Those that cannot be written */
  const unwritten = new Map<DriverName, Verdict>();

  return async function proveKvm(task, trial) {
    if (!(await canOpen(kvmDevice))) return false;
    const { driver, version, plan } = trial;
    const verdictPath = kvmVerdictPath(cacheFolder, driver);
    const bootId = (await readFile(bootIdPath, 'utf8')).trim();
    const booted = (await Promise.all([plan.kernelPath, plan.initramfsPath].map(identify))).join(' ');
    const holds = (verdict: Verdict | null) =>
      verdict?.bootId === bootId && verdict.version === version && (verdict.works || verdict.booted === booted);

    for (;;) {
      const known = unwritten.get(driver) ?? (await readKvmVerdict(verdictPath));
      if (known && holds(known)) return known.works;
      // Vms that start at once share one proof; each checks that its verdict holds for what it boots.
      const others = proving.get(driver);
      const proof = others ?? prove().finally(() => proving.delete(driver));
      proving.set(driver, proof);
      const verdict = await task.race(proof);
      if (!others || holds(verdict)) return verdict.works;
    }

    async function prove(): Promise<Verdict> {
      const works = await runsGuest(task, parts, trial);
      const verdict = { bootId, version, booted, works };
      log.info(`KVM ${works ? 'runs guests' : 'does not run guests'} here (${driver} ${version})`);
      unwritten.delete(driver);
      await writeFileDurably(verdictPath, `${JSON.stringify(verdict)}\n`).catch((fault) => {
        unwritten.set(driver, verdict);
        log.warn('the verdict about KVM cannot be kept beyond this daemon', fault);
      });
      return verdict;
    }
  };
}

export function kvmVerdictPath(cacheFolder: string, driver: DriverName): string {
  return join(cacheFolder, `kvm-${driver}.json`);
}

/** The same file by whatever path: homes of tests share it as hard links. */
async function identify(path: string): Promise<string> {
  const found = await stat(path).catch(() => null);
  return found ? `${found.dev}:${found.ino}:${found.mtimeMs}` : path;
}

async function runsGuest(
  task: Task,
  { log, helloLimitMs, greet }: ProofParts,
  { plan, abilities, launch }: KvmTrial,
): Promise<boolean> {
  const limited = task.within(helloLimitMs);
  let machine: Machine | null = null;
  try {
    machine = await launch(limited, probePlan(plan, abilities));
    const died = machine.exited.then(({ detail }) => Promise.reject(new Error(detail)));
    await Promise.race([greet(limited, machine), died]);
    return true;
  } catch (fault) {
    task.check(); // cancelled: nothing was found out
    log.info(`a guest under KVM did not say hello: ${limited.signal.aborted ? 'time is up' : fault}`);
    return false;
  } finally {
    await machine?.kill();
  }
}

/** In the folder of the vm that waits for it, so that whatever is left of it is found with that vm. */
function probePlan({ vmId, runtimeFolder, kernelPath, initramfsPath }: Trial, abilities: DriverAbilities): MachinePlan {
  return {
    ...{ vmId, runtimeFolder, kernelPath, initramfsPath },
    cpus: 1,
    memoryBytes: PROBE_MEMORY_BYTES,
    kernelArguments: ['console=ttyS0', 'quiet', 'panic=-1', 'banger.mode=floor', ...driverWords(abilities)],
    drives: [],
    network: null,
    consolePath: join(runtimeFolder, 'kvm-probe.console'),
    logPath: join(runtimeFolder, 'kvm-probe.log'),
  };
}

/** Whether this user gets at it; whether guests run on it is another question. */
export async function canOpen(device: string): Promise<boolean> {
  try {
    await (await open(device, 'r+')).close();
    return true;
  } catch {
    return false; // no such device, or not for this user
  }
}

/** What was found out last, for whichever boot, QEMU and kernel that was. */
export async function readKvmVerdict(path: string): Promise<Verdict | null> {
  if (!isOwnFile(path)) return null; // not probed yet, or somebody else's word
  try {
    return verdictSchema.parse(JSON.parse(readSmallFile(path)));
  } catch {
    return null; // cut off, or of another banger
  }
}
