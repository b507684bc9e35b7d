/** Whether `ssh web.vm` works from any terminal: a convenience, so it only ever warns. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Check } from '@banger/contract/api/doctor.ts';
import { findTool } from '../platform/find-tool.ts';
import { pass, warn } from './check.ts';

export async function checkSsh(home: string): Promise<Check[]> {
  if (!findTool('ssh')) {
    return [warn('ssh', 'there is no ssh client, which "vm ssh" needs', 'sudo apt-get install openssh-client')];
  }
  const text = await readFile(join(home, '.ssh/config'), 'utf8').catch(() => '');
  if (/^\s*Include\s.*banger/im.test(text)) return [pass('ssh', '~/.ssh/config includes the vms')];
  return [
    warn(
      'ssh',
      '"vm ssh" works; plain "ssh <vm>.vm" does once the vms are in ~/.ssh/config',
      'banger ssh-config --install',
    ),
  ];
}
