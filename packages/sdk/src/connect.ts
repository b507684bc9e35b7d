/**
 * A typed client of the owner API: one function for each route, made from the table of routes.
 *
 * ```ts
 * const banger = connect({ socketPath });
 * const { vms } = await banger.vmList();
 * const vm = await banger.vmCreate({ image: 'debian', start: true }).result();
 * ```
 *
 * Nothing is sent before a function is called, and every call is a connection of its own. Failures are BangerErrors.
 */
import type { Socket } from 'node:net';
import { ROUTES, type RouteName } from '@banger/contract/api/routes.ts';
import type { AnswerOf, GivenBody, GivenQuery, ParamsOf } from '@banger/contract/api/schemas.ts';
import { BangerError, type WireError } from '@banger/contract/errors.ts';
import { writeQuery } from '@banger/contract/query.ts';
import { VERSION_HEADER } from '@banger/contract/version.ts';
import type { FrameStream } from './frame-stream.ts';
import { type HttpAnswer, type HttpRequest, readText, requestHttp } from './http.ts';
import { OperationStream, readLines } from './operation-stream.ts';

export type ConnectParts = {
  /** A function is asked before each call, and may refuse it: nothing has been sent then */
  socketPath: string | (() => string);
  /** Called with what the daemon says its version is, at every answer */
  onDaemonVersion?: (version: string) => void;
  /** Called when no daemon took the call, which nothing has happened of then; after it the call is made again, once */
  startDaemon?: () => Promise<void>;
};

export type CallOptions = { signal?: AbortSignal };

export type ByteStream = AsyncIterable<Buffer> & { close: () => void };

/** With what was told on the way to it */
export type TextStream = ByteStream & { notes: string[] };

export type EventStream<Event> = AsyncIterable<Event> & { close: () => void };

export type Client = { [Name in RouteName]: ClientFunction<Name> };

type ClientFunction<Name extends RouteName> =
  Record<never, never> extends InputOf<Name>
    ? (input?: InputOf<Name>, options?: CallOptions) => OutputOf<Name>
    : (input: InputOf<Name>, options?: CallOptions) => OutputOf<Name>;

/** Path parameters, query and body in one object: no route has the same key twice. */
type InputOf<Name extends RouteName> = ParamsOf<Name> & GivenQuery<Name> & GivenBody<Name> & TarOf<Name>;
type TarOf<Name extends RouteName> = (typeof ROUTES)[Name] extends { takes: 'tar' }
  ? { tar: AsyncIterable<Uint8Array> }
  : Record<never, never>;

type OutputOf<Name extends RouteName> = OutputOfKind<AnswerOf<Name>>[(typeof ROUTES)[Name]['answers']];
type OutputOfKind<Answer> = {
  json: Promise<Answer>;
  operation: OperationStream<Answer>;
  /** Everything from this promise's fulfilment on; a reader that is too slow gets a gap */
  events: Promise<EventStream<Answer>>;
  frames: Promise<FrameStream>;
  /** Either side may end its half and still get the other's */
  tcp: Promise<Socket>;
  tar: Promise<ByteStream>;
  text: Promise<TextStream>;
};

export function connect({ socketPath, onDaemonVersion, startDaemon }: ConnectParts): Client {
  const entries = Object.keys(ROUTES).map((name) => [name, functionOf(name as RouteName)]);
  const client = Object.fromEntries(entries) as Client;
  return client;

  function functionOf(name: RouteName) {
    return (
      input: Record<string, unknown> = {},
      options: CallOptions = {},
    ): OutputOfKind<unknown>[keyof OutputOfKind<0>] => {
      const request = planRequest(name, input);
      const open = () => callDaemon({ ...request, ...options });
      switch (ROUTES[name].answers) {
        case 'json':
          return open().then(readJson);
        case 'operation':
          return new OperationStream({ open, cancelById: (operation) => client.operationCancel({ operation }) });
        case 'events':
          return open().then(({ body, close }) => Object.assign(readEvents(body), { close }));
        case 'frames':
          return open().then(upgrade);
        case 'tcp':
          return open().then(({ source }) => source.release());
        case 'tar':
          return open().then(({ body, close }) => Object.assign(body, { close }));
        case 'text':
          return open().then(readTextStream);
      }
    };
  }

  async function callDaemon(request: HttpRequest): Promise<HttpAnswer> {
    try {
      return await callOnce(request);
    } catch (error) {
      const isUsedUp = typeof request.body === 'object' && isEnding(error);
      if (startDaemon === undefined || !isNobodyThere(error) || isUsedUp) throw error;
      await startDaemon();
      return callOnce(request);
    }
  }

  /** Sends, waits for the head of the answer, and throws what an answer that is not a success says. */
  async function callOnce(request: HttpRequest): Promise<HttpAnswer> {
    const answer = await requestHttp(typeof socketPath === 'string' ? socketPath : socketPath(), request);
    const version = answer.headers.get(VERSION_HEADER);
    if (version !== undefined) onDaemonVersion?.(version);
    const hasWorked = request.headers?.upgrade ? answer.status === 101 : answer.status >= 200 && answer.status < 300;
    if (!hasWorked) throw await readError(answer);
    return answer;
  }
}

/**
 * There is no socket, it was left behind by a daemon that is gone, or its daemon is just ending and did not take the call.
 * Nothing has happened.
 */
export function isNobodyThere(error: unknown): boolean {
  const isUnreachable = error instanceof BangerError && error.code === 'DAEMON_UNREACHABLE';
  return (isUnreachable && error.details?.isUntaken === true) || isEnding(error);
}

function isEnding(error: unknown): boolean {
  return error instanceof BangerError && error.code === 'DAEMON_ENDING';
}

/** Which of the input's values go in the path, the query and the body. */
export function planRequest(name: RouteName, input: Record<string, unknown>): HttpRequest {
  const route: { method: string; path: string; answers: string; takes?: string } = ROUTES[name];
  const { tar, ...rest } = input;
  const path = route.path.replace(/:(\w+)/g, (_, parameter: string) => {
    const value = String(rest[parameter]);
    delete rest[parameter];
    return encodeURIComponent(value);
  });

  if (route.answers === 'frames') {
    return { method: route.method, path, headers: { connection: 'Upgrade', upgrade: 'banger-frames' } };
  }
  if (route.answers === 'tcp') {
    const headers = { connection: 'Upgrade', upgrade: 'banger-tcp' };
    return { method: route.method, path: path + queryOf(rest), headers, allowHalfOpen: true };
  }
  if (route.takes === 'tar') {
    const body = tar as AsyncIterable<Uint8Array>;
    return { method: route.method, path: path + queryOf(rest), headers: { 'content-type': 'application/x-tar' }, body };
  }
  if (route.method === 'GET' || route.method === 'DELETE') return { method: route.method, path: path + queryOf(rest) };
  const headers = { 'content-type': 'application/json' };
  return { method: route.method, path, headers, body: JSON.stringify(rest) };
}

function queryOf(values: Record<string, unknown>): string {
  const query = writeQuery(values);
  return query === '' ? '' : `?${query}`;
}

/** Loaded when it is needed: most calls carry no frames, and a command should start fast. */
async function upgrade({ socket, source }: HttpAnswer): Promise<FrameStream> {
  const { FrameStream } = await import('./frame-stream.ts');
  return new FrameStream(socket, source);
}

/** Loaded when it is needed, as above. */
async function readTextStream({ headers, body, close }: HttpAnswer): Promise<TextStream> {
  const { NOTES_HEADER, readNotes } = await import('@banger/contract/notes-header.ts');
  return Object.assign(body, { close, notes: readNotes(headers.get(NOTES_HEADER)) });
}

async function* readEvents(body: AsyncIterable<Buffer>): AsyncGenerator<unknown, void> {
  for await (const line of readLines(body)) yield JSON.parse(line);
}

async function readJson({ body }: HttpAnswer): Promise<unknown> {
  const text = await readText(body);
  return text === '' ? {} : JSON.parse(text);
}

async function readError({ status, body }: HttpAnswer): Promise<BangerError> {
  const text = await readText(body, 2 ** 20).catch(() => '');
  const error = readWireError(text);
  if (error !== null) return BangerError.fromWire(error);
  return new BangerError('INTERNAL', {
    message: `The daemon answered with status ${status} and no reason.`,
    details: { status, text: text.slice(0, 500) },
  });
}

function readWireError(text: string): WireError | null {
  try {
    const { error } = JSON.parse(text) as { error?: WireError };
    return typeof error?.code === 'string' && typeof error.message === 'string' ? error : null;
  } catch {
    return null; // not JSON: not one of our answers
  }
}
