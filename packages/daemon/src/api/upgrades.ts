/**
 * Connections that leave HTTP: a command's frames and a guest's TCP connection. From the answer on the caller's bytes and
 * the agent's are passed on as they are.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { RouteName } from '@banger/contract/api/routes.ts';
import { connectQuerySchema } from '@banger/contract/api/vms.ts';
import { BangerError, ERRORS, toBangerError } from '@banger/contract/errors.ts';
import { VERSION } from '@banger/contract/version.ts';
import { countDown } from '../platform/deadline.ts';
import type { Log } from '../platform/log.ts';
import { Task } from '../platform/task.ts';
import type { Vms } from '../vms/vms.ts';
import { checkCaller, checkTime } from './check-caller.ts';
import { joinFrames, joinTcp } from './join-streams.ts';
import { API_LIMITS, type ApiLimits } from './limits.ts';
import { matchRoute } from './match-route.ts';
import { hasBody, parseWith } from './parse-call.ts';

const OPEN_TIMEOUT_MS = 30_000;
/** How long a caller who was refused may take to close */
const FAREWELL_MS = 2000;

export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => Promise<void>;

type Opening = { task: Task; vm: string; query: Record<string, string> };
type Upgradable = {
  route: RouteName;
  protocol: string;
  open(vms: Vms, opening: Opening): Promise<Duplex>;
  join(caller: Duplex, guest: Duplex, limits: ApiLimits): Promise<void>;
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
      const { port } = parseWith(connectQuerySchema, query);
      return (await vms.guest(task, vm)).connect(task, port);
    },
    join: joinTcp,
  },
];

type Parts = { vms: Vms; log: Log; ending: AbortSignal; limits?: ApiLimits };

/** `ending` is aborted when the daemon ends. */
export function createUpgrade({ vms, log, ending, limits = API_LIMITS }: Parts): Upgrade {
  return async (request, socket, head) => {
    socket.on('error', () => {}); // the caller went away; whoever joins the streams sees it too
    try {
      const { upgradable, vm, query } = findUpgrade(request);
      checkTime(ending, upgradable.route);
      const task = Task.background().within(OPEN_TIMEOUT_MS);
      using _use = vms.use(vm);
      const guest = await upgradable.open(vms, { task, vm, query });
      if (socket.destroyed) return void guest.destroy();
      // Sent before the guest can break off: a caller that has this answer knows that a later loss is the guest's.
      await new Promise<void>((resolve) => socket.write(renderSwitch(upgradable), () => resolve()));
      socket.unshift(head);
      await upgradable.join(socket, guest, limits);
    } catch (thrown) {
      if (socket.destroyed || socket.writableEnded) return; // one side left, which is how it ends
      const error = toBangerError(thrown);
      if (error.code === 'INTERNAL') log.warn(`upgrade ${request.url}`, thrown);
      refuseOn(socket, error);
    }
  };
}

function findUpgrade(request: IncomingMessage) {
  checkCaller(request);
  const { name, params, query } = matchRoute(request);
  const upgradable = UPGRADABLE.find(({ route }) => route === name);
  if (upgradable === undefined || request.headers.upgrade !== upgradable.protocol) {
    throw new BangerError('BAD_REQUEST', { message: 'This route does not offer the upgrade that was asked for.' });
  }
  if (hasBody(request)) throw new BangerError('BAD_REQUEST', { message: 'An upgrade has no body.' });
  return { upgradable, vm: params.vm ?? '', query };
}

const VERSION_LINE = `banger-version: ${VERSION}\r\n`;

function renderSwitch({ protocol }: Upgradable): string {
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${protocol}\r\nConnection: Upgrade\r\n${VERSION_LINE}\r\n`;
}

/** The answer and the end of a connection that Node's HTTP has let go of. */
export function refuseOn(socket: Duplex, error: BangerError): void {
  if (!socket.writable) return void socket.destroy();
  socket.end(renderError(error));
  socket.resume().once('close', countDown(FAREWELL_MS, () => socket.destroy()).stop);
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
