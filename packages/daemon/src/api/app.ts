/** The owner API: every route of the contract's table, with its handler. */
import { Readable } from 'node:stream';
import { ROUTES, type RouteName } from '@banger/contract/api/routes.ts';
import { BangerError, ERRORS, toBangerError } from '@banger/contract/errors.ts';
import { VERSION } from '@banger/contract/version.ts';
import { type Context, Hono } from 'hono';
import type { Log } from '../platform/log.ts';
import { type Call, type Handlers, parseWith, readJson, type WatchedOperation } from './handlers.ts';

export function createApp(handlers: Handlers, log: Log): Hono {
  const app = new Hono();
  for (const [name, { method, path, answers }] of Object.entries(ROUTES)) {
    const handler = handlers[name as keyof Handlers] as ((call: Call) => unknown) | undefined;
    if (!handler) continue; // streams of frames and of bytes are upgrades, see upgrades.ts
    app.on(method, path, async (context) => render(await handler(toCall(context)), answers, context));
  }
  app.use(async (context, next) => {
    await next();
    context.header('banger-version', VERSION);
  });
  app.notFound((context) => renderError(context, routeNotFound(context)));
  app.onError((thrown, context) => {
    const error = toBangerError(thrown);
    if (error.code === 'INTERNAL') log.warn(`${context.req.method} ${context.req.path}`, thrown);
    return renderError(context, error);
  });
  return app;
}

function toCall(context: Context): Call<RouteName> {
  return {
    param: (name) => context.req.param(name) ?? '',
    query: (schema) => parseWith(schema, context.req.query()),
    body: async (schema) => parseWith(schema, await readJson(context.req.raw)),
    request: context.req.raw,
  };
}

function render(result: unknown, answers: (typeof ROUTES)[RouteName]['answers'], context: Context): Response {
  const version = { 'banger-version': VERSION };
  switch (answers) {
    case 'json':
      return context.json(result ?? {}, 200, version);
    case 'operation':
      return new Response(eventStream(result as WatchedOperation), {
        status: 202,
        headers: { ...version, 'content-type': 'application/x-ndjson' },
      });
    case 'tar':
      return new Response(Readable.toWeb(result as Readable) as ReadableStream, {
        headers: { ...version, 'content-type': 'application/x-tar' },
      });
    case 'text':
      return new Response(result as ReadableStream, {
        headers: { ...version, 'content-type': 'text/plain; charset=utf-8' },
      });
    case 'frames':
    case 'tcp':
      throw new Error('an upgrade is not answered here');
  }
}

function eventStream({ operation, keepOpen, onLeave }: WatchedOperation): ReadableStream<Uint8Array> {
  const left = new AbortController();
  const lines = (async function* () {
    try {
      for await (const event of operation.events(left.signal)) yield encoder.encode(`${JSON.stringify(event)}\n`);
      await keepOpen?.();
    } finally {
      onLeave?.();
    }
  })();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await lines.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel() {
      left.abort();
      onLeave?.(); // the generator may be waiting in keepOpen, which only ends because of this
    },
  });
}

const encoder = new TextEncoder();

function renderError(context: Context, error: BangerError): Response {
  return context.json({ error: error.toWire() }, ERRORS[error.code].status as 400, { 'banger-version': VERSION });
}

function routeNotFound({ req }: Context): BangerError {
  return new BangerError('ROUTE_NOT_FOUND', {
    message: `This daemon has no route ${req.method} ${req.path.slice(0, 200)}.`,
    hint: 'It may be older than your command: "banger daemon stop" ends it, and the next command starts the new one.',
  });
}
