/** A host passes packets on only when it is told to, and machines with an address of their own need that. */
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Task } from '../platform/task.ts';
import type { RunTool } from './owners-command.ts';
import type { Content } from './place-files.ts';

/** For each boot */
export const FORWARDING_FILE = '/etc/sysctl.d/60-banger.conf';
const NOW = '/proc/sys/net/ipv4/ip_forward';

export function forwardingFile(root: string): Content {
  return { bytes: readFileSync(join(root, 'packaging/sysctl/60-banger.conf')), mode: 0o644 };
}

/** As the files of the host say, ours among them */
export async function beginForwarding(task: Task, runTool: RunTool): Promise<void> {
  await runTool(task, ['/usr/lib/systemd/systemd-sysctl', '--prefix=net/ipv4/ip_forward']);
}

export function readForwarding(hostRoot: string): Promise<string> {
  return readFile(join(hostRoot, NOW), 'utf8');
}

export async function setForwarding(hostRoot: string, value: string): Promise<void> {
  await writeFile(join(hostRoot, NOW), value);
}
