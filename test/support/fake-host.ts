/**
 * A host with a world around it, in namespaces: an interface with a default route, servers out there at addresses that
 * this machine must never send to, one on the host's own loopback, and one on a second address of it. It runs a program
 * in there and ends with it.
 *
 *     unshare --user --map-root-user --net --mount node fake-host.ts <program> <argument>…
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { createServer } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { HOST_PORT, LATER_HOST_ADDRESS, SECOND_HOST_ADDRESS, WORLD_ADDRESSES } from './fake-world.ts';

const ip = (line: string, inNamespaceOf?: number) => {
  const enter = inNamespaceOf === undefined ? [] : ['nsenter', `--net=/proc/${inNamespaceOf}/ns/net`];
  const [program = '', ...args] = [...enter, 'ip', ...line.split(' ')];
  execFileSync(program, args, { stdio: 'inherit' });
};

const world = spawn('unshare', ['--net', process.execPath, join(import.meta.dirname, 'fake-world.ts')], {
  stdio: ['pipe', 'pipe', 'inherit'],
});
const pid = world.pid as number;
await once(world.stdout, 'data'); // it has a namespace of its own
ip('link set lo up');
ip('link add host type veth peer name world');
ip(`link set world netns ${pid}`);
ip('addr add 203.0.113.2/24 dev host');
ip(`addr add ${SECOND_HOST_ADDRESS}/16 dev lo`);
ip('link set host up');
ip('link set lo up', pid);
ip('link set world up', pid);
for (const address of WORLD_ADDRESSES) ip(`addr add ${address}/${address === '203.0.113.1' ? 24 : 32} dev world`, pid);
ip('route add default via 203.0.113.1');
// As DHCP does in some clouds: a route of its own, more specific than what closes the network.
ip('route add 169.254.169.254/32 via 203.0.113.1');
// As root makes it for a machine; what is sent there goes out into the world here, so that it arrives.
ip('tuntap add dev bgr0123456789ab mode tap');
ip('addr add 10.213.64.1/32 dev bgr0123456789ab');
world.stdin.write('listen\n');
await once(world.stdout, 'data');

for (const address of ['127.0.0.1', SECOND_HOST_ADDRESS]) await serve(address);
const later = process.env.HOST_GETS_ADDRESS;
if (later) {
  const watching = watch(dirname(later), (_, name) => {
    if (name !== basename(later)) return;
    watching.close(); // one file may be told of twice
    ip(`addr replace ${LATER_HOST_ADDRESS}/32 dev host`);
    void serve(LATER_HOST_ADDRESS);
  });
}

const [program = '', ...args] = process.argv.slice(2);
const [code] = await once(spawn(program, args, { stdio: 'inherit' }), 'exit');
world.kill('SIGKILL');
process.exit(code ?? 1);

async function serve(address: string): Promise<void> {
  const own = createServer((socket) => socket.end(`the host at ${address}`));
  own.listen(HOST_PORT, address);
  await once(own, 'listening');
}
