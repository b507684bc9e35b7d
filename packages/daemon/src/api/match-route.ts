/** Which route a request means, for those that stay HTTP and those that leave it alike. */
import { ROUTES, type RouteName } from '@banger/contract/api/routes.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { readQuery } from '@banger/contract/query.ts';

type Requested = { method?: string | undefined; url?: string | undefined };
export type MatchedRoute = { name: RouteName; params: Record<string, string>; query: Record<string, string> };

const PATTERNS = Object.entries(ROUTES).map(([name, { method, path }]) => {
  return { name: name as RouteName, method, segments: path.split('/') };
});

/** Throws ROUTE_NOT_FOUND, or BAD_REQUEST when the path cannot be decoded. */
export function matchRoute({ method = '', url = '' }: Requested): MatchedRoute {
  const [path = '', query = ''] = splitOnce(url, '?');
  const found = findRoute(method, path);
  if (found === null) throw routeNotFound(method, path);
  return { ...found, query: readQuery(query) };
}

/** Null for a route that does not exist. Throws BAD_REQUEST. */
export function findRoute(method: string, path: string): Pick<MatchedRoute, 'name' | 'params'> | null {
  const segments = path.split('/');
  const pattern = PATTERNS.find((each) => each.method === method && fits(each.segments, segments));
  if (!pattern) return null;
  const params: Record<string, string> = {};
  for (const [at, segment] of pattern.segments.entries()) {
    if (segment.startsWith(':')) params[segment.slice(1)] = decode(segments[at] as string);
  }
  return { name: pattern.name, params };
}

function fits(pattern: string[], segments: string[]): boolean {
  if (pattern.length !== segments.length) return false;
  return pattern.every((wanted, at) => (wanted.startsWith(':') ? segments[at] !== '' : wanted === segments[at]));
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (cause) {
    throw new BangerError('BAD_REQUEST', { message: 'The path of the request is not percent-encoded UTF-8.', cause });
  }
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function routeNotFound(method: string, path: string): BangerError {
  return new BangerError('ROUTE_NOT_FOUND', {
    message: `This daemon has no route ${method} ${path.slice(0, 200)}.`,
    hint: 'It may be older than your command: "banger daemon stop" ends it, and the next command starts the new one.',
  });
}
