/**
 * Commands inside a vm: the connection is upgraded, and from then on the caller's frames and the agent's are passed on
 * as they are. Closing the connection before the command ended cuts the agent's stream, which hangs the command up.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BangerError, ERRORS, toBangerError } from '@banger/contract/errors.ts';
import { VERSION } from '@banger/contract/version.ts';
import type { Log } from '../platform/log.ts';
import { Task } from '../platform/task.ts';
import type { Vms } from '../vms/vms.ts';

const OPEN_TIMEOUT_MS = 30_000;
const EXEC_PATH = /^\/v1\/vms\/([^/]+)\/exec$/;

export function createExecUpgrade({ vms, log }: { vms: Vms; log: Log }) {
  return async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    socket.on('error', () => {}); // the caller went away; pipeline() sees it too
    try {
      const vm = EXEC_PATH.exec(new URL(request.url ?? '', 'http://banger').pathname)?.[1];
      if (vm === undefined || request.headers.upgrade !== 'banger-frames') throw notHere(request);
      const task = Task.background().withSignal(AbortSignal.timeout(OPEN_TIMEOUT_MS));
      const guest = await vms.guest(task, decodeURIComponent(vm));
      using _use = vms.use(decodeURIComponent(vm));
      const stream = guest.openFrames();
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: banger-frames\r\nConnection: Upgrade\r\n${VERSION_LINE}\r\n`,
      );
      if (head.length > 0) stream.write(head);
      // A caller stays until EXIT: one that ends its side was killed, and its command goes with it.
      socket.once('end', () => stream.destroy());
      await pipeline(socket, stream, socket);
    } catch (thrown) {
      if (socket.destroyed || socket.writableEnded) return; // one side left, which is how it ends
      const error = toBangerError(thrown);
      if (error.code === 'INTERNAL') log.warn('exec', thrown);
      socket.end(renderError(error));
    }
  };
}

const VERSION_LINE = `banger-version: ${VERSION}\r\n`;

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

function notHere({ url }: IncomingMessage): BangerError {
  return new BangerError('ROUTE_NOT_FOUND', { message: `Nothing at ${(url ?? '').slice(0, 200)} can be upgraded.` });
}
