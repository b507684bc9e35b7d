/**
 * Long work, as its caller sees it: a stream of events that ends with the result. Leaving the stream leaves the work
 * going on, except for an ephemeral vm, whose life the open stream is; `cancel` undoes it.
 */
import type { OperationEvent } from '@banger/contract/api/operations.ts';
import { BangerError } from '@banger/contract/errors.ts';

/** One event is at most this long; the daemon bounds what it puts in, so more is a fault */
const MAX_EVENT_BYTES = 4 * 2 ** 20;

type OperationParts = {
  open: () => Promise<{ body: AsyncIterable<Buffer>; close: () => void }>;
  cancelById: (operation: string) => Promise<unknown>;
};

export class OperationStream<Result> implements AsyncIterable<OperationEvent<Result>> {
  readonly #parts: OperationParts;
  readonly #answer: ReturnType<OperationParts['open']>;
  readonly #begun = Promise.withResolvers<string>();

  constructor(parts: OperationParts) {
    this.#parts = parts;
    this.#answer = parts.open();
    this.#answer.catch(() => {}); // whoever reads the events hears of it
    this.#begun.promise.catch(() => {});
  }

  /** The events, once. Breaking off closes the connection. */
  async *[Symbol.asyncIterator](): AsyncGenerator<OperationEvent<Result>, void> {
    try {
      yield* this.#events();
    } finally {
      this.close();
    }
  }

  /**
   * Waits for the result; throws the BangerError that the operation failed with. The connection stays open until the
   * daemon ends it or `close` is called: it is the lease of an ephemeral vm.
   */
  async result(onEvent: (event: OperationEvent<Result>) => void = () => {}): Promise<Result> {
    for await (const event of this.#events()) {
      onEvent(event);
      if (event.is === 'done') return event.result;
      if (event.is === 'failed') throw BangerError.fromWire(event.error);
    }
    throw new BangerError('DAEMON_UNREACHABLE', {
      message: 'The connection to the daemon ended before the operation did.',
      hint: 'It may have been stopped or killed; when it starts again it finishes or undoes what was cut off.',
    });
  }

  /** Asks the daemon to cancel and undo; the stream then ends with `failed` and CANCELLED. */
  async cancel(): Promise<void> {
    const id = await this.#begun.promise;
    await this.#parts.cancelById(id);
  }

  close(): void {
    this.#answer.then(
      ({ close }) => close(),
      () => {}, // there is no connection to close
    );
  }

  async *#events(): AsyncGenerator<OperationEvent<Result>, void> {
    try {
      const { body } = await this.#answer;
      for await (const line of readLines(body)) {
        const event = JSON.parse(line) as OperationEvent<Result>;
        if (event.is === 'begun') this.#begun.resolve(event.operation.id);
        yield event;
      }
    } finally {
      this.#begun.reject(
        new BangerError('OPERATION_NOT_FOUND', { message: 'The daemon ended the call before the operation began.' }),
      );
    }
  }
}

/** NDJSON to lines. Does not close what it reads from when its reader leaves. */
export async function* readLines(body: AsyncIterable<Buffer>): AsyncGenerator<string, void> {
  const chunks = body[Symbol.asyncIterator]();
  let pending: Buffer = Buffer.alloc(0);
  for (;;) {
    const { done, value } = await chunks.next();
    if (done) break;
    pending = pending.length === 0 ? value : Buffer.concat([pending, value]);
    for (let end = pending.indexOf(10); end >= 0; end = pending.indexOf(10)) {
      if (end > 0) yield pending.toString('utf8', 0, end);
      pending = pending.subarray(end + 1);
    }
    if (pending.length > MAX_EVENT_BYTES) {
      throw new BangerError('INTERNAL', { message: `The daemon sent an event of more than ${MAX_EVENT_BYTES} bytes.` });
    }
  }
  if (pending.length > 0) yield pending.toString();
}
