/** The shape of a handler: ask a service with what the edge has parsed. One for each route, typed by the contract. */
import type { Readable } from 'node:stream';
import type { ROUTES, RouteName } from '@banger/contract/api/routes.ts';
import type { AnswerOf, BodyOf, ParamsOf, QueryOf } from '@banger/contract/api/schemas.ts';
import type { BegunOperation } from '../operations/operations.ts';
import { deadlineAfter } from '../platform/deadline.ts';
import { Task } from '../platform/task.ts';

/** How long the agent may take for a short answer */
const GUEST_ANSWER_TIMEOUT_MS = 30_000;

export type Call<Route extends RouteName = RouteName> = {
  params: ParamsOf<Route>;
  query: QueryOf<Route>;
  body: BodyOf<Route>;
  /** The body of a route that takes a tar stream */
  tar: Readable;
  /** Aborts when the caller leaves */
  signal: AbortSignal;
};

type Result<Route extends RouteName> = {
  json: Promise<AnswerOf<Route>> | AnswerOf<Route>;
  operation: Promise<WatchedOperation> | WatchedOperation;
  events: AsyncIterable<AnswerOf<Route>>;
  tar: Promise<Readable>;
  text: Promise<TextAnswer>;
  frames: never;
  tcp: never;
}[(typeof ROUTES)[Route]['answers']];

export type TextAnswer = {
  text: ReadableStream<Uint8Array>;
  /** Said before the text; all of them are known when it begins */
  notes?: readonly string[];
};

export type WatchedOperation = {
  operation: BegunOperation;
  /** Keeps the stream open after the last event, until it resolves or the caller leaves */
  keepOpen?: () => Promise<void>;
  /** Called when the stream ends, whoever ended it; maybe more than once */
  onLeave?: () => void;
};

export type Handlers<Routes extends RouteName = RouteName> = {
  [Route in Routes as (typeof ROUTES)[Route]['answers'] extends 'frames' | 'tcp' ? never : Route]: (
    call: Call<Route>,
  ) => Result<Route>;
};

/** As long as the caller stays. */
export function whileAsked({ signal }: Pick<Call, 'signal'>, onNote: (note: string) => void = () => {}): Task {
  return new Task(signal, (event) => event.is === 'note' && onNote(event.text));
}

/** For a request that an agent answers at once. */
export function briefly({ signal }: Pick<Call, 'signal'>): Task {
  return whileAsked({ signal: AbortSignal.any([signal, deadlineAfter(GUEST_ANSWER_TIMEOUT_MS)]) });
}
