/**
 * `vm exec -- true` against `ssh … true`, both on one running vm, both through the same virtio-serial port.
 *
 * The guest's own sshd, a key, a known host key. The connection that ssh finds is a relay which was opened before, as a
 * command of the agent's: its cost, and sshd's fork for it, are not counted, to ssh's advantage.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Bench } from './bench.ts';
import { type BenchHome, withHome } from './bench-home.ts';
import { runSsh, startGuestSshd } from './guest-sshd.ts';
import { openCommand } from './guest-stream.ts';
import { type Row, row } from './report.ts';
import { elapsedMs, interleave, ratios } from './statistics.ts';

export const title = '`vm exec -- true` against `ssh … true` to the same vm';

const VM = 'exec';

export async function measure({ rounds = 25 }: Bench): Promise<{ rows: Row[]; notes: string[] }> {
  return withHome({}, async (home) => {
    await home.startCalmVm(VM);
    await using ssh = await setUpSsh(home);
    const inGuest = async () => {
      const command = await openCommand(home.client, VM, ['true']);
      await command.exited;
    };
    const measures = {
      exec: () => elapsedMs(() => home.banger('vm', 'exec', VM, '--', 'true')),
      ssh: () => ssh.run(),
      inGuest: () => elapsedMs(inGuest),
    };
    await interleave(2, measures); // the first of each loads pages and translates code, in the guest too
    const { exec, ssh: viaSsh, inGuest: viaSdk } = await interleave(rounds, measures);
    return {
      rows: [
        row('ssh … true, start to end', 'ms', viaSsh),
        row('vm exec -- true, start to end', 'ms', exec),
        row('the same exec by the SDK, without the command', 'ms', viaSdk),
        row('vm exec by ssh', '×', ratios(exec, viaSsh), { atMost: 0.2 }),
      ],
      notes: ['ssh: key login to the guest’s sshd over a relay through the agent that is open already'],
    };
  });
}

async function setUpSsh(home: BenchHome) {
  const login = await startGuestSshd(home, VM);
  let relay = await openRelay(home);
  const server = createServer({ noDelay: true }, (socket) => relay.join(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    run,
    async [Symbol.asyncDispose]() {
      server.close();
      relay.close();
    },
  };

  async function run(): Promise<number> {
    const tookMs = await elapsedMs(() => runSsh(home, [...login, '-p', String(port), 'root@127.0.0.1', 'true']));
    relay.close();
    relay = await openRelay(home);
    return tookMs;
  }
}

/** A connection to the guest's sshd, which has said its first line. */
async function openRelay({ client }: BenchHome) {
  const script = 'exec 3<>/dev/tcp/127.0.0.1/22; cat <&3 & exec cat >&3';
  const { stream, events } = await openCommand(client, VM, ['bash', '-c', script]);
  const greeting = await nextOutput();
  if (!greeting) throw new Error('sshd says nothing');
  return {
    join(socket: Socket): void {
      socket.on('error', () => {}); // ssh has left
      socket.write(greeting);
      socket.on('data', (bytes: Buffer) => void stream.stdin(bytes));
      void passOn(socket).catch(() => {}); // ssh is done before its relay is
    },
    close: () => stream.close(),
  };

  async function passOn(socket: Socket): Promise<void> {
    for (let bytes = await nextOutput(); bytes; bytes = await nextOutput()) socket.write(bytes);
    socket.end();
  }

  async function nextOutput(): Promise<Uint8Array | null> {
    for (;;) {
      const { done, value } = await events.next();
      if (done || value.is === 'exit') return null;
      if (value.is === 'stdout') return value.bytes;
    }
  }
}
