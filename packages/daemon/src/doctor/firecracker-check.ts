/** Whether Firecracker is here, which one, and whether it is shut in by filters of its own. */
import type { Check } from '@banger/contract/api/doctor.ts';
import { createFirecrackerVersion } from '../hypervisor/firecracker/firecracker-version.ts';
import { knownBugsOf } from '../hypervisor/firecracker/known-bugs.ts';
import { bringsFilters } from '../hypervisor/firecracker/own-filters.ts';
import { findTool } from '../platform/find-tool.ts';
import { Task } from '../platform/task.ts';
import { locateProgram } from '../releases/pulled.ts';
import { pass, warn } from './check.ts';
import { whyNoVersion } from './qemu-check.ts';

export type Firecracker = {
  /** Null where there is none */
  path: string | null;
  /** What it says of itself, or why it does not */
  answer: { version: string } | { fault: string };
  hasFilters: boolean | null;
  /** Known to be wrong in this version */
  bugs: readonly string[];
};

export const PULL = 'banger hypervisor pull firecracker';
/** For a host that emulates a host */
const ANSWER_LIMIT_MS = 30_000;

/** `folder` is where programs that were pulled are. */
export async function findFirecracker({ tool, folder }: { tool: string; folder: string }): Promise<Firecracker> {
  const path = findTool(await locateProgram(folder, tool));
  if (path === null) return { path, answer: { fault: 'it is not here' }, hasFilters: null, bugs: [] };
  const task = Task.background().within(ANSWER_LIMIT_MS);
  try {
    const version = await createFirecrackerVersion()(task, path);
    return { path, answer: { version }, hasFilters: await bringsFilters(path), bugs: knownBugsOf(version) };
  } catch (thrown) {
    return { path, answer: { fault: whyNoVersion(thrown, path, ANSWER_LIMIT_MS) }, hasFilters: null, bugs: [] };
  }
}

/** `hasKvmDevice`: whether /dev/kvm opens, without which it runs nothing */
export function judgeFirecracker({ path, answer, hasFilters, bugs }: Firecracker, hasKvmDevice: boolean): Check {
  if (path === null) {
    if (hasKvmDevice) return warn('firecracker', 'it is not here, so vms are run by QEMU', PULL);
    return pass('firecracker', 'it is not here, and without KVM it would run nothing');
  }
  if ('fault' in answer) return warn('firecracker', answer.fault, `${PULL} --force`);
  const known = ['', ...bugs].join('; ');
  const found = `Firecracker ${answer.version} at ${path}`;
  if (hasFilters === true) return pass('firecracker', `${found}, with seccomp filters of its own${known}`);
  if (hasFilters === null) return warn('firecracker', `${found}; whether it has seccomp filters is not known${known}`);
  const why = "it was not built as its project's releases are";
  return warn('firecracker', `${found} brings no seccomp filters: ${why}${known}`, PULL);
}
