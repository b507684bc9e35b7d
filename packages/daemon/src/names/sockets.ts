/**
 * The sockets on which questions come. Port 53 is root's: systemd opens it for the daemon that it starts, once for each address
 * that may become ours, and holds it over a restart, so that what is asked meanwhile waits. Nobody else can answer there.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

/** Of connections that wait to be taken */
const BACKLOG = 64;
/** Of the loopback's sixteen million, one at which nobody listens */
const UNUSED_ADDRESS = '127.98.103.114';

export type NameSocket =
  | { by: 'udp'; socket: Socket; address: string }
  | { by: 'tcp'; server: Server; address: string };

/** `descriptors` are of either kind. Throws what Node throws for one that is neither. */
export async function openHanded(descriptors: readonly number[]): Promise<NameSocket[]> {
  return Promise.all(descriptors.map(async (fd) => (await asUdp({ fd })) ?? asTcp({ fd })));
}

/** Both of one address. Throws EACCES, EADDRINUSE or EADDRNOTAVAIL; none is open then. */
export async function openOwn(address: string, port: number): Promise<NameSocket[]> {
  const { socket } = await bindUdp({ address, port });
  const bound = socket.address().port; // the same for both, where any will do
  try {
    return [{ by: 'udp', socket, address }, await asTcp({ host: address, port: bound })];
  } catch (fault) {
    socket.close();
    throw fault;
  }
}

/** Whether this process may open such a port at all, at an address that is there. */
export async function mayOpen(port: number): Promise<boolean> {
  try {
    closeSockets(await openOwn(UNUSED_ADDRESS, port));
    return true;
  } catch (fault) {
    return (fault as NodeJS.ErrnoException).code !== 'EACCES';
  }
}

export function closeSockets(sockets: readonly NameSocket[]): void {
  for (const each of sockets) each.by === 'udp' ? each.socket.close() : each.server.close();
}

/** Null for one that is no datagram socket. */
async function asUdp(place: { fd: number }): Promise<NameSocket | null> {
  try {
    return await bindUdp(place);
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code === 'ERR_INVALID_FD_TYPE') return null;
    throw fault;
  }
}

async function bindUdp(place: { fd: number } | { address: string; port: number }) {
  const socket = createSocket('udp4');
  try {
    const listening = once(socket, 'listening'); // told at once for one that is bound
    socket.bind(place as { port: number });
    await listening;
  } catch (fault) {
    socket.close();
    throw fault;
  }
  return { by: 'udp' as const, socket, address: socket.address().address };
}

async function asTcp(place: { fd: number } | { host: string; port: number }): Promise<NameSocket> {
  const server = createServer({ allowHalfOpen: true }); // who has asked all may close, and waits for the answer
  server.listen({ ...place, backlog: BACKLOG });
  await once(server, 'listening');
  const at = server.address();
  return { by: 'tcp', server, address: typeof at === 'object' && at ? at.address : '' };
}
