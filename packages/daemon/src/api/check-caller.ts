/** Who may call at all: programs of the owner, which name the daemon, and no web page; and until when. */
import type { IncomingMessage } from 'node:http';
import { ROUTES, type RouteName } from '@banger/contract/api/routes.ts';
import { BangerError } from '@banger/contract/errors.ts';

/** What the client library calls the daemon, and what `curl --unix-socket` users write */
const OWN_HOSTS = ['banger', 'localhost'];

/** A browser sends which page asks (Origin), and which host it takes us for (Host). Throws CALLER_REFUSED. */
export function checkCaller({ headersDistinct }: Pick<IncomingMessage, 'headersDistinct'>): void {
  const { origin, host = [] } = headersDistinct;
  if (origin !== undefined) throw refused('A web page may not call the daemon.');
  // Of several, whoever stands between may have looked at another one than we do.
  if (host.length !== 1 || !OWN_HOSTS.includes(String(host[0]))) throw refused('The request is for another host.');
}

function refused(message: string): BangerError {
  return new BangerError('CALLER_REFUSED', {
    message,
    hint: 'Call it as "curl --unix-socket <socket> http://localhost/v1/…" does: host "localhost", no Origin.',
  });
}

/** Of what is under way these tell and end something, and begin nothing */
const ENDING_ROUTES: RouteName[] = ['daemonStop', 'operationCancel'];

/** What would be cut off in its middle is not begun: its caller takes it to the next daemon. Throws DAEMON_ENDING. */
export function checkTime(ending: AbortSignal, route: RouteName): void {
  if (!ending.aborted || ROUTES[route].method === 'GET' || ENDING_ROUTES.includes(route)) return;
  throw new BangerError('DAEMON_ENDING', {
    message: 'The daemon is about to end, and begins nothing more.',
    hint: 'Nothing of this has happened. Try again: the next command starts a new daemon.',
  });
}
