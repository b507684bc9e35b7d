/**
 * What a guest would find that has broken out of its hypervisor, looked at from outside by /proc: the same for every driver
 * and whoever runs it.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

export type Inside = {
  /** Files, folders and sockets of this host that must not be there */
  hidden: readonly string[];
  /** Those that must, and cannot be changed */
  readable: readonly string[];
  /** Those that must, and can */
  writable: readonly string[];
  /** Whether it filters its own calls; one that does not is a fake */
  hasFilter: boolean;
  /** The names of the processes that it sees beside itself */
  beside?: readonly string[];
};

const APART = ['mnt', 'net', 'pid', 'ipc', 'uts', 'cgroup'];

export function assertShutIn(pid: number, { hidden, readable, writable, hasFilter, beside = [] }: Inside): void {
  const isInside = (path: string) => existsSync(`/proc/${pid}/root${path}`);
  for (const path of [...hidden, ...readable, ...writable]) assert.ok(existsSync(path), `${path} is not on this host`);
  assert.deepEqual(hidden.filter(isInside), [], 'it finds what is hidden');
  assert.deepEqual(
    [...readable, ...writable].filter((path) => !isInside(path)),
    [],
    'it misses what it was given',
  );

  const changeable = readMounts(pid).filter(({ isReadOnly, path }) => !isReadOnly && !path.startsWith('/dev/'));
  assert.deepEqual(changeable.map(({ path }) => path).sort(), [...writable].sort(), 'what it may change');

  const status = readStatus(pid);
  const powers = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map((name) => status[name]);
  assert.deepEqual(
    powers,
    powers.map(() => '0000000000000000'),
    'its capabilities',
  );
  assert.deepEqual([status.NoNewPrivs, status.Seccomp], ['1', hasFilter ? '2' : '0']);
  assert.equal(status.NSpid?.split('\t').at(-1), '1', 'it is the first process of its own world');
  assert.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /^Max core file size +0 +0 /m);

  const shared = APART.filter((name) => namespaceOf(pid, name) === namespaceOf(process.pid, name));
  assert.deepEqual(shared, [], 'the namespaces that it shares with the host');
  const others = readdirSync(`/proc/${pid}/root/proc`).filter((name) => /^\d+$/.test(name) && name !== '1');
  const names = others.map((other) => readFileSync(`/proc/${pid}/root/proc/${other}/comm`, 'utf8').trim());
  assert.deepEqual(names, beside, 'the processes that it sees');
}

function readMounts(pid: number) {
  const lines = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').trim().split('\n');
  return lines.map((line) => {
    const [, , , , path = '', options = ''] = line.split(' ');
    return { path, isReadOnly: options.split(',').includes('ro') };
  });
}

function readStatus(pid: number): Record<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, 'utf8').matchAll(/^(\w+):\t(.*)$/gm);
  return Object.fromEntries([...lines].map(([, name, value]) => [name, value]));
}

function namespaceOf(pid: number, name: string): string {
  return readlinkSync(join('/proc', String(pid), 'ns', name));
}
