/**
 * Connections that leave HTTP: a command's frames and a guest's TCP connection. From the answer on the caller's bytes and
 * the agent's are passed on as they are.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { connectQuerySchema } from '@banger/contract/api/endpoints.ts';
import { ROUTES, type RouteName } from '@banger/contract/api/routes.ts';
import { BangerError, ERRORS, toBangerError } from '@banger/contract/errors.ts';
import { VERSION } from '@banger/contract/version.ts';
import type { Log } from '../platform/log.ts';
import { Task } from '../platform/task.ts';
import type { Vms } from '../vms/vms.ts';
import { parseWith } from './handlers.ts';
import { joinFrames, joinTcp } from './join-streams.ts';

const OPEN_TIMEOUT_MS = 30_000;

export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => Promise<void>;

type Opening = { task: Task; vm: string; query: URLSearchParams };
type Upgradable = {
  route: RouteName;
  protocol: string;
  open(vms: Vms, opening: Opening): Promise<Duplex>;
  join(caller: Duplex, guest: Duplex): Promise<void>;
};

const UPGRADABLE: Upgradable[] = [
  {
    route: 'vmExec',
    protocol: 'banger-frames',
    open: async (vms, { task, vm }) => (await vms.guest(task, vm)).openFrames(),
    join: joinFrames,
  },
  {
    route: 'vmConnect',
    protocol: 'banger-tcp',
    open: async (vms, { task, vm, query }) => {
      const { port } = parseWith(connectQuerySchema, Object.fromEntries(query));
      return (await vms.guest(task, vm)).connect(task, port);
    },
    join: joinTcp,
  },
];

export function createUpgrade({ vms, log }: { vms: Vms; log: Log }): Upgrade {
  return async (request, socket, head) => {
    socket.on('error', () => {}); // the caller went away; whoever joins the streams sees it too
    try {
      const { upgradable, vm, query } = findUpgrade(request);
      const task = Task.background().withSignal(AbortSignal.timeout(OPEN_TIMEOUT_MS));
      const guest = await upgradable.open(vms, { task, vm, query });
      using _use = vms.use(vm);
      if (socket.destroyed) return void guest.destroy();
      // Gone out before the guest can break off: the caller tells a lost guest from a lost daemon by it.
      await new Promise<void>((resolve) => socket.write(renderSwitch(upgradable), () => resolve()));
      if (head.length > 0) guest.write(head);
      await upgradable.join(socket, guest);
    } catch (thrown) {
      if (socket.destroyed || socket.writableEnded) return; // one side left, which is how it ends
      const error = toBangerError(thrown);
      if (error.code === 'INTERNAL') log.warn(`upgrade ${request.url}`, thrown);
      socket.end(renderError(error));
    }
  };
}

function findUpgrade({ url = '', method, headers }: IncomingMessage) {
  const { pathname, searchParams } = new URL(url, 'http://banger');
  for (const upgradable of UPGRADABLE) {
    const route = ROUTES[upgradable.route];
    const vm = new RegExp(`^${route.path.replace(':vm', '([^/]+)')}$`).exec(pathname)?.[1];
    const isMeant = method === route.method && headers.upgrade === upgradable.protocol;
    if (vm !== undefined && isMeant) return { upgradable, vm: decodeURIComponent(vm), query: searchParams };
  }
  throw new BangerError('ROUTE_NOT_FOUND', { message: `Nothing at ${url.slice(0, 200)} can be upgraded.` });
}

const VERSION_LINE = `banger-version: ${VERSION}\r\n`;

function renderSwitch({ protocol }: Upgradable): string {
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${protocol}\r\nConnection: Upgrade\r\n${VERSION_LINE}\r\n`;
}

function renderError(error: BangerError): string {
  const body = JSON.stringify({ error: error.toWire() });
  return [
    `HTTP/1.1 ${ERRORS[error.code].status} Error`,
    `banger-version: ${VERSION}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    '',
    body,
  ].join('\r\n');
}
