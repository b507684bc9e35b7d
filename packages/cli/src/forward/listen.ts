/** One forwarded port: every connection on the host becomes one in the guest. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { type Forward, formatAddress, portTaken } from '@banger/contract/forward.ts';

export type Listening = Forward & {
  /** "127.0.0.1:3000" */
  address: string;
};

type ForwardParts = {
  forward: Forward;
  /** A new connection to the port in the guest */
  connect: (port: number) => Promise<Socket>;
  /** Called when a connection could not be taken or made; the others go on */
  onRefused: (thrown: unknown) => void;
};

/** Throws PORT_TAKEN. Listens for as long as this program runs. */
export async function listen({ forward, connect, onRefused }: ForwardParts): Promise<Listening> {
  const { host, hostPort, guestPort } = forward;
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, join);
  server.listen(hostPort, host);
  await once(server, 'listening').catch((cause) => {
    throw portTaken(forward, cause);
  });
  server.on('error', onRefused); // the next connection may be taken again
  const { address, port } = server.address() as AddressInfo;
  return { ...forward, hostPort: port, address: formatAddress(address, port) };

  async function join(caller: Socket): Promise<void> {
    caller.on('error', () => {}); // it went away; the pipeline sees it too
    const guest = await connect(guestPort).catch((thrown) => {
      onRefused(thrown);
      caller.resetAndDestroy();
    });
    if (guest) await pipeline(caller, guest, caller).catch(() => {}); // one of the two broke, and so has the other
  }
}
