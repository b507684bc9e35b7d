/** What is around the host of fake-host.ts: the same server at many addresses, and two that know names. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

export const WORLD_PORT = 8080;
/** On the host's own loopback, and on an address as that of Docker's bridge */
export const HOST_PORT = 5432;
export const SECOND_HOST_ADDRESS = '172.17.0.1';
/** What the host has once the file named by HOST_GETS_ADDRESS is there, as with a VPN */
export const LATER_HOST_ADDRESS = '198.51.100.99';
/** Of a machine with an address of its own, for which the host has a device */
export const MACHINE_ADDRESS = '10.213.64.16';
/** The first two answer for names, each in its own way */
const NAME_SERVERS = ['203.0.113.1', '203.0.113.53'];
export const WORLD_ADDRESSES = [
  ...NAME_SERVERS,
  ...['198.51.100.7', '169.254.169.254', '169.254.0.9', '100.100.100.200', '168.63.129.16', '192.0.0.192'],
  ...['10.9.8.7', '172.16.5.4', '192.168.7.7', '100.64.1.1', MACHINE_ADDRESS],
];

if (import.meta.main) {
  process.stdout.write('here\n');
  await once(process.stdin, 'data'); // the interface is there
  process.stdin.on('end', () => process.exit()).resume(); // so is the host, until then
  const server = createServer((socket) => socket.end(`the world at ${socket.localAddress}`));
  server.listen(WORLD_PORT, '0.0.0.0');
  await once(server, 'listening');
  const echo = createSocket('udp4', (_message, from) => echo.send('the world', from.port, from.address));
  echo.bind(WORLD_PORT);
  await once(echo, 'listening');
  for (const address of NAME_SERVERS) {
    const names = createSocket('udp4', (question, from) =>
      names.send(answer(question, address), from.port, from.address),
    );
    names.bind(53, address);
    await once(names, 'listening');
  }
  process.stdout.write('listening\n');
}

/** Every name has the address of the server that was asked; a name that begins with "refused" has none. */
function answer(question: Buffer, address: string): Buffer {
  const header = Buffer.from(question.subarray(0, 12));
  header[2] = 0x81;
  header[3] = question[13] === 'r'.charCodeAt(0) && address === NAME_SERVERS[0] ? 0x85 : 0x80;
  header[7] = header[3] === 0x80 ? 1 : 0;
  const record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split('.').map(Number)];
  return Buffer.concat([header, question.subarray(12), Buffer.from(header[7] ? record : [])]);
}
