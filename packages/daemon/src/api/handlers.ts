/**
 * The shape of a handler: parse, ask a service, render. One for each route of the contract, typed by the contract.
 */
import type { Readable } from 'node:stream';
import type { Endpoints } from '@banger/contract/api/endpoints.ts';
import type { ROUTES, RouteName } from '@banger/contract/api/routes.ts';
import { BangerError } from '@banger/contract/errors.ts';
import type { z } from 'zod';
import type { BegunOperation } from '../operations/operations.ts';
import { Task } from '../platform/task.ts';

/** JSON bodies are small; files travel as streams */
const MAX_BODY_BYTES = 256 * 1024;
/** How long the agent may take for a short answer */
const GUEST_ANSWER_TIMEOUT_MS = 30_000;

type Param<Route extends RouteName> = Endpoints[Route] extends { params: infer Params } ? keyof Params & string : never;
type Answer<Route extends RouteName> = Endpoints[Route] extends { answer: infer Value } ? Value : never;

export type Call<Route extends RouteName = RouteName> = {
  param(name: Param<Route>): string;
  /** Throws BAD_REQUEST. */
  query<Schema extends z.ZodType>(schema: Schema): z.output<Schema>;
  body<Schema extends z.ZodType>(schema: Schema): Promise<z.output<Schema>>;
  request: Request;
};

type Result<Route extends RouteName> = {
  json: Promise<Answer<Route>> | Answer<Route>;
  operation: Promise<WatchedOperation> | WatchedOperation;
  tar: Promise<Readable>;
  text: Promise<ReadableStream<Uint8Array>>;
  frames: never;
  tcp: never;
}[(typeof ROUTES)[Route]['answers']];

export type WatchedOperation = {
  operation: BegunOperation;
  /** Keeps the stream open after the last event, until it resolves or the caller leaves */
  keepOpen?: () => Promise<void>;
  /** Called when the stream ends, whoever ended it */
  onLeave?: () => void;
};

export type Handlers<Routes extends RouteName = RouteName> = {
  [Route in Routes as (typeof ROUTES)[Route]['answers'] extends 'frames' | 'tcp' ? never : Route]: (
    call: Call<Route>,
  ) => Result<Route>;
};

/** For a request that an agent answers at once. */
export function briefly(request: Request): Task {
  return new Task(AbortSignal.any([request.signal, AbortSignal.timeout(GUEST_ANSWER_TIMEOUT_MS)]), () => {});
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

/** The JSON body; an empty one is `{}`. */
export async function readJson(request: Request): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let lengthBytes = 0;
  for await (const chunk of request.body ?? []) {
    lengthBytes += chunk.length;
    if (lengthBytes > MAX_BODY_BYTES) {
      throw new BangerError('BAD_REQUEST', { message: `The body is larger than ${MAX_BODY_BYTES} bytes.` });
    }
    chunks.push(chunk);
  }
  if (lengthBytes === 0) return {};
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (cause) {
    throw new BangerError('BAD_REQUEST', { message: 'The body is not JSON.', cause });
  }
}
