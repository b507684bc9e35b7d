/**
 * The owner API: from a request to the answer of its handler. What is wrong with a request is found here, before any
 * service hears of it; what a service answers leaves in the form that the contract gives it, and nothing else does.
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { OperationEvent } from '@banger/contract/api/operations.ts';
import { ROUTES, type RouteName } from '@banger/contract/api/routes.ts';
import { schemasOf } from '@banger/contract/api/schemas.ts';
import { BangerError, ERRORS, toBangerError } from '@banger/contract/errors.ts';
import { NOTES_HEADER, writeNotes } from '@banger/contract/notes-header.ts';
import { VERSION, VERSION_HEADER } from '@banger/contract/version.ts';
import { deadlineAfter } from '../platform/deadline.ts';
import type { Log } from '../platform/log.ts';
import { checkCaller, checkTime } from './check-caller.ts';
import type { Call, Handlers, TextAnswer, WatchedOperation } from './handlers.ts';
import { API_LIMITS, type ApiLimits } from './limits.ts';
import { matchRoute } from './match-route.ts';
import { parseCall } from './parse-call.ts';

/** How long a caller may take to notice that it was answered before it had sent everything */
const FAREWELL_MS = 2000;

export type App = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

type AppParts = {
  handlers: Handlers;
  log: Log;
  /** Aborted when the daemon ends, which takes a while */
  ending: AbortSignal;
  limits?: ApiLimits;
};

export function createApp({ handlers, log, ending, limits = API_LIMITS }: AppParts): App {
  return async (request, response) => {
    const signal = leavingOf(response);
    try {
      checkCaller(request);
      const matched = matchRoute(request);
      checkTime(ending, matched.name);
      const handler = handlerOf(handlers, matched.name);
      const call = await parseCall(matched, request, signal, limits);
      await sendResult(response, matched.name, await handler(call), signal);
    } catch (thrown) {
      if (signal.aborted) return; // nobody hears the answer
      const error = toBangerError(thrown);
      if (error.code === 'INTERNAL') log.warn(`${request.method} ${request.url}`, thrown);
      if (response.headersSent) response.destroy();
      else await sendError(request, response, error);
    }
  };
}

/** Aborts when the connection closes before the whole answer was given. */
function leavingOf(response: ServerResponse): AbortSignal {
  const leaving = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) leaving.abort();
  });
  return leaving.signal;
}

function handlerOf(handlers: Handlers, name: RouteName): (call: Call) => unknown {
  const { answers } = ROUTES[name];
  if (answers !== 'frames' && answers !== 'tcp') return handlers[name as keyof Handlers] as (call: Call) => unknown;
  throw new BangerError('BAD_REQUEST', { message: `This route asks for "Upgrade: banger-${answers}".` });
}

async function sendResult(response: ServerResponse, name: RouteName, result: unknown, signal: AbortSignal) {
  const { answers } = ROUTES[name];
  switch (answers) {
    case 'json':
      return sendJson(response, 200, render(name, result));
    case 'operation':
      return sendOperation(response, name, result as WatchedOperation, signal);
    case 'events':
      return sendStream(
        response,
        200,
        'application/x-ndjson',
        Readable.from(linesOf(name, result as AsyncIterable<unknown>)),
      );
    case 'tar':
      return sendStream(response, 200, 'application/x-tar', result as Readable);
    case 'text':
      return sendText(response, result as TextAnswer);
    case 'frames':
    case 'tcp':
      throw new Error('an upgrade is not answered here');
  }
}

/** An answer that is not as its schema says is a fault of ours. */
function render(name: RouteName, result: unknown): unknown {
  const { answer } = schemasOf(name);
  return answer ? answer.parse(result) : {};
}

async function* linesOf(name: RouteName, events: AsyncIterable<unknown>): AsyncGenerator<Buffer> {
  for await (const event of events) yield lineOf(render(name, event));
}

function lineOf(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

async function sendOperation(
  response: ServerResponse,
  name: RouteName,
  { operation, keepOpen, onLeave }: WatchedOperation,
  signal: AbortSignal,
): Promise<void> {
  signal.addEventListener('abort', () => onLeave?.(), { once: true }); // keepOpen may wait for what onLeave ends
  if (!response.req.complete) response.shouldKeepAlive = false;
  try {
    await sendStream(response, 202, 'application/x-ndjson', Readable.from(lines()));
  } finally {
    onLeave?.();
  }

  async function* lines(): AsyncGenerator<Buffer> {
    for await (const event of operation.events(signal)) yield lineOf(renderEvent(event));
    await keepOpen?.();
    await hearOut(response.req);
  }

  function renderEvent(event: OperationEvent): OperationEvent {
    return event.is === 'done' ? { ...event, result: render(name, event.result) } : event;
  }
}

function sendText(response: ServerResponse, { text, notes = [] }: TextAnswer): Promise<void> {
  if (notes.length > 0) response.setHeader(NOTES_HEADER, writeNotes(notes));
  return sendStream(response, 200, 'text/plain; charset=utf-8', Readable.fromWeb(text as never));
}

function sendStream(response: ServerResponse, status: number, contentType: string, body: Readable): Promise<void> {
  response.writeHead(status, { [VERSION_HEADER]: VERSION, 'content-type': contentType });
  response.flushHeaders();
  return pipeline(body, response);
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { [VERSION_HEADER]: VERSION, 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

async function sendError(request: IncomingMessage, response: ServerResponse, error: BangerError): Promise<void> {
  if (!request.complete) response.shouldKeepAlive = false;
  const body = JSON.stringify({ error: error.toWire() });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  response.writeHead(ERRORS[error.code].status, { [VERSION_HEADER]: VERSION, ...headers });
  response.write(body);
  await hearOut(request);
  response.end();
}

/**
 * A caller that still sends its body may go on for a moment, and what it sends is dropped: closing a socket over unread
 * bytes resets the connection before the other side has read the answer.
 */
async function hearOut(request: IncomingMessage): Promise<void> {
  if (request.complete) return;
  request.unpipe().resume();
  await Promise.race([once(request, 'close'), once(deadlineAfter(FAREWELL_MS), 'abort')]).catch(() => {});
}
