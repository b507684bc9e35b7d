/** A home whose hypervisor is the fake one: the real command and the real daemon, and faults on demand. */
import { writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { TestContext } from 'node:test';
import { CHECKOUT, createHome } from './banger-home.ts';
import { type FakeFaults, writeFakeFaults } from './fake-faults.ts';

const FAKE_QEMU = join(CHECKOUT, 'test/support/fake-qemu');

export async function createFakeHome(t: TestContext, env: Record<string, string> = {}) {
  const home = await createHome(t);
  const faultsPath = join(home.folder, 'faults.json');
  const qemuPath = join(home.folder, 'qemu');
  // What the daemon starts gets nothing of its environment.
  await writeFile(qemuPath, `#!/bin/sh\nBANGER_FAKE_QEMU=${faultsPath} exec ${FAKE_QEMU} "$@"\n`, { mode: 0o700 });
  // Its guest's commands are this host's.
  const sees = ['/etc', '/tmp', home.folder, CHECKOUT].join(':');
  Object.assign(home.env, {
    ...{ BANGER_QEMU: qemuPath, BANGER_HYPERVISOR_SEES: sees },
    BANGER_FIRECRACKER: 'no-firecracker', // where a real one is installed too, auto would take that
    ...env,
  });
  servePrograms(t, join(home.folder, 'programs.sock'));
  return {
    ...home,
    /** For every machine that starts from now on */
    setFaults: (faults: Partial<FakeFaults>) => writeFakeFaults(faultsPath, faults),
  };
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
