/** A home whose hypervisor is a fake one: the real command and the real daemon, and faults on demand. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { TestContext } from 'node:test';
import type { DriverName } from '@banger/contract/api/vms.ts';
import { CHECKOUT, createHome } from './banger-home.ts';
import { writeFakeHypervisor } from './fake-faults.ts';

export async function createFakeHome(
  t: TestContext,
  env: Record<string, string> = {},
  driver: DriverName = 'qemu',
  around: readonly string[] = [],
) {
  const home = await createHome(t, { around });
  const { program, setFaults } = await writeFakeHypervisor(home.folder, driver);
  // Its guest's commands are this host's.
  const sees = ['/etc', '/tmp', home.folder, CHECKOUT].join(':');
  Object.assign(home.env, {
    BANGER_HYPERVISOR_SEES: sees,
    ...{ BANGER_QEMU: 'no-qemu', BANGER_FIRECRACKER: 'no-firecracker' }, // a real one is not to take its place
    [`BANGER_${driver.toUpperCase()}`]: program,
    ...env,
  });
  if (driver === 'firecracker') home.env.BANGER_KVM = await pretendKvm(home.folder, home.paths.cache);
  servePrograms(t, join(home.folder, 'programs.sock'));
  return {
    ...home,
    /** For every machine that starts from now on */
    setFaults,
  };
}

/** A device that opens, and the word that a guest ran on it: a proof would start a machine of its own, with the same faults. */
async function pretendKvm(folder: string, cacheFolder: string): Promise<string> {
  const device = join(folder, 'kvm');
  await writeFile(device, '');
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const verdict = { bootId, version: '1.16.1', booted: '', works: true };
  await mkdir(cacheFolder, { recursive: true });
  await writeFile(join(cacheFolder, 'kvm-firecracker.json'), JSON.stringify(verdict), { mode: 0o600 });
  return device;
}

/** The fake guest's programs are the test's, which the fake hypervisor, without a network, reaches by this. */
function servePrograms(t: TestContext, path: string): void {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (guest) => {
    sockets.add(guest.on('error', () => {}));
    guest.once('data', (line) => {
      guest.pause();
      const program = connect({ host: 'localhost', port: Number(line), allowHalfOpen: true });
      sockets.add(program);
      program.once('error', () => guest.end());
      program.once('connect', () => {
        guest.write('!');
        pipeline(guest, program, guest).catch(() => {}); // one of the two broke, and so has the other
      });
    });
  }).listen(path);
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy(); // a guest that was killed ends its side, and waits for the other
  });
}
