/** The guest's own sshd with a key and a known host key: what banger's ssh is measured against. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchHome } from './bench-home.ts';

const HOST = 'bench-vm';

/** Starts it in a running vm; gives the options with which OpenSSH logs in without a question. */
export async function startGuestSshd(home: BenchHome, vm: string): Promise<string[]> {
  const folder = join(home.folder, 'guest-sshd');
  const key = join(folder, 'key');
  const knownHosts = join(folder, 'known_hosts');
  mkdirSync(folder, { mode: 0o700 });
  spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key], { stdio: 'inherit' });
  const publicKey = readFileSync(`${key}.pub`, 'utf8').trim();
  const authorize = `mkdir -p -m 700 /root/.ssh && echo '${publicKey}' >/root/.ssh/authorized_keys && systemctl start ssh`;
  await home.banger('vm', 'exec', vm, '--', 'sh', '-c', authorize);
  const hostKey = await home.banger('vm', 'exec', vm, '--', 'cat', '/etc/ssh/ssh_host_ed25519_key.pub');
  writeFileSync(knownHosts, `${HOST} ${hostKey}`);
  const options = ['BatchMode=yes', 'IdentitiesOnly=yes', 'StrictHostKeyChecking=yes', `HostKeyAlias=${HOST}`];
  options.push(`UserKnownHostsFile=${knownHosts}`, 'PreferredAuthentications=publickey', 'LogLevel=ERROR');
  return ['-F', 'none', '-i', key, ...options.flatMap((option) => ['-o', option])];
}

/** One ssh, to its end; throws unless it succeeds. */
export async function runSsh(home: BenchHome, words: string[]): Promise<void> {
  const ssh = spawn('ssh', words, { env: home.env, stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = await once(ssh, 'close');
  if (code !== 0) throw new Error(`ssh ${words.join(' ')} exited with ${code}`);
}
