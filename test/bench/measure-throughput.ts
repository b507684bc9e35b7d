/**
 * 256 MB through `vm exec -- cat` and back, against the same through a bare port: a second virtio-serial port of the same
 * bus, whose socket this process reads and writes itself, with a `cat` at the guest's end.
 */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { CHECKOUT } from '../support/banger-home.ts';
import type { Bench } from './bench.ts';
import { type BenchHome, INSTRUMENTED_QEMU, withHome } from './bench-home.ts';
import { openCommand } from './guest-stream.ts';
import { type Row, row } from './report.ts';
import { interleave, ratios } from './statistics.ts';

export const title = '256 MB through `vm exec -- cat` and back, against a bare port';

const VM = 'bytes';
const SIZE_BYTES = 256_000_000;
const PIECE_BYTES = 64 * 1024;

export async function measure({ rounds = 3, say }: Bench): Promise<{ rows: Row[]; notes: string[] }> {
  const bytes = randomBytes(SIZE_BYTES);
  return withHome(INSTRUMENTED_QEMU, async (home) => {
    await home.startCalmVm(VM);
    const { exec, bare } = await interleave(
      rounds,
      { bare: () => throughBarePort(home, bytes), exec: () => throughExec(home, bytes) },
      (round) => say(`round ${round + 1} of ${rounds}`),
    );
    return {
      rows: [
        row('bare port, there and back', 'MB/s', bare),
        row('vm exec -- cat, there and back', 'MB/s', exec),
        row('vm exec by bare port', '×', ratios(exec, bare)),
      ],
      notes: [
        `${SIZE_BYTES / 1e6} MB of random bytes; MB/s of each direction, both at once; the hashes were equal every time`,
      ],
    };
  });
}

async function throughExec({ env }: BenchHome, bytes: Buffer): Promise<number> {
  const command = spawn(join(CHECKOUT, 'bin/banger'), ['vm', 'exec', VM, '--', 'cat'], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const speed = await thereAndBack(bytes, command.stdin, command.stdout);
  command.stdin.end();
  await once(command, 'close');
  return speed;
}

async function throughBarePort({ client, paths, json }: BenchHome, bytes: Buffer): Promise<number> {
  const { id } = await json<{ id: string }>(['vm', 'show', VM]);
  const script =
    'port=$(grep -lx bench.raw /sys/class/virtio-ports/*/name | cut -d/ -f5); exec 3<>/dev/$port; echo; exec cat <&3 >&3';
  const command = await openCommand(client, VM, ['bash', '-c', script]);
  const socket = await connected(connect(join(paths.runtime, 'vms', id, 'vmm/raw')));
  const isOpen = await command.events.next();
  if (isOpen.done) throw new Error('the guest has no second port');
  const speed = await thereAndBack(bytes, socket, socket);
  socket.destroy();
  command.stream.close();
  return speed;
}

/** Writes and reads at once; the clock runs from the first piece's return, so that no start is counted. */
async function thereAndBack(bytes: Buffer, to: Writable, from: Readable): Promise<number> {
  const returned = Buffer.allocUnsafe(bytes.length);
  let returnedBytes = 0;
  let beganMs = 0;
  const all = new Promise<void>((resolve, reject) => {
    from.on('data', (piece: Buffer) => {
      if (beganMs === 0) beganMs = performance.now();
      piece.copy(returned, returnedBytes);
      returnedBytes += piece.length;
      if (returnedBytes >= bytes.length) resolve();
    });
    from.once('close', () => reject(new Error(`only ${returnedBytes} bytes came back`)));
  });
  await Promise.all([writeAll(bytes, to), all]);
  const tookMs = performance.now() - beganMs;
  if (sha256(returned) !== sha256(bytes)) throw new Error('what came back is not what was sent');
  return bytes.length / 1e6 / (tookMs / 1000);
}

async function writeAll(bytes: Buffer, to: Writable): Promise<void> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    if (!to.write(bytes.subarray(at, at + PIECE_BYTES))) await once(to, 'drain');
  }
}

async function connected(socket: Socket): Promise<Socket> {
  await once(socket, 'connect');
  return socket;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
