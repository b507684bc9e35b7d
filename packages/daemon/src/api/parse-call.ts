/** A request becomes a call: everything in it is bounded, and parsed once by the schemas of its route. */
import type { IncomingMessage } from 'node:http';
import { PassThrough, Readable } from 'node:stream';
import { ROUTES, type Route } from '@banger/contract/api/routes.ts';
import { schemasOf } from '@banger/contract/api/schemas.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { z } from 'zod';
import { countDown } from '../platform/deadline.ts';
import type { Call } from './handlers.ts';
import type { ApiLimits } from './limits.ts';
import type { MatchedRoute } from './match-route.ts';

/** JSON bodies are small; files travel as streams */
const MAX_BODY_BYTES = 256 * 1024;

const nothing = z.strictObject({});

/** Throws BAD_REQUEST. */
export async function parseCall(
  matched: MatchedRoute,
  request: IncomingMessage,
  signal: AbortSignal,
  { bodyMs }: ApiLimits,
): Promise<Call> {
  const { takes }: Route = ROUTES[matched.name];
  const { query, body } = schemasOf(matched.name);
  return {
    params: matched.params as Call['params'],
    query: parseWith(query ?? nothing, matched.query) as Call['query'],
    body: takes === 'tar' ? {} : (parseWith(body ?? nothing, await readJson(request, bodyMs)) as Call['body']),
    tar: takes === 'tar' ? openTar(request) : Readable.from([]),
    signal,
  };
}

export function parseWith<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.join('.');
  throw new BangerError('BAD_REQUEST', {
    message: `The request is not understood: ${where ? `${where}: ` : ''}${issue?.message}.`,
    details: {
      issues: parsed.error.issues.slice(0, 10).map(({ path, message }) => ({ path: path.join('.'), message })),
    },
  });
}

/** A stream of its own: destroying it leaves the connection open for the answer. */
function openTar(request: IncomingMessage): Readable {
  if (!hasBody(request)) throw new BangerError('BAD_REQUEST', { message: 'The body must be a tar stream.' });
  const tar = new PassThrough();
  tar.on('error', () => {}); // it may break off before somebody reads it, who hears of it then
  request.once('error', (fault) => tar.destroy(fault));
  return request.pipe(tar);
}

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** The JSON body; an empty one is `{}`. */
async function readJson(request: IncomingMessage, timeoutMs: number): Promise<unknown> {
  const bytes = await readBody(request, timeoutMs);
  if (bytes.length === 0) return {};
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new BangerError('BAD_REQUEST', { message: 'The body is not JSON.', cause });
  }
}

/** Leaves the connection open when it throws, for the answer. */
function readBody(request: IncomingMessage, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let lengthBytes = 0;
    const timeout = countDown(timeoutMs, () => stop(`did not arrive within ${timeoutMs / 1000} s`));
    request.on('data', onData).once('end', onEnd).once('error', onError);

    function onData(chunk: Buffer): void {
      lengthBytes += chunk.length;
      chunks.push(chunk);
      if (lengthBytes > MAX_BODY_BYTES) stop(`is larger than ${MAX_BODY_BYTES} bytes`);
    }
    function onEnd(): void {
      timeout.stop();
      resolve(Buffer.concat(chunks));
    }
    function onError(cause: Error): void {
      stop('broke off', cause);
    }
    function stop(how: string, cause?: Error): void {
      timeout.stop();
      request.off('data', onData).off('end', onEnd).pause();
      reject(new BangerError('BAD_REQUEST', { message: `The body of the request ${how}.`, cause }));
    }
  });
}
