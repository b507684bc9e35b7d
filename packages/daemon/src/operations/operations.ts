/**
 * Long work: begun, watched by anyone any number of times, cancelled, and remembered for a while after it ends.
 *
 * An operation belongs to the daemon, not to the connection that began it. Its events are replayed to who comes late;
 * progress is not kept, only passed on.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Operation, OperationEvent } from '@banger/contract/api/operations.ts';
import { BangerError, toBangerError } from '@banger/contract/errors.ts';
import type { Log } from '../platform/log.ts';
import { Task } from '../platform/task.ts';
import { Journal } from './journal.ts';

const KEPT_AFTER_END = 200;

type Parts = {
  log: Log;
  now: () => Date;
  /** Called when an operation has begun, and when it has ended */
  onChange?: (change: 'begun' | 'ended', operation: Operation) => void;
};

type Entry = {
  operation: Operation;
  journal: Journal;
  controller: AbortController;
  /** Null when it failed or was cancelled; never rejects */
  result: Promise<unknown>;
};

export type BegunOperation<Result = unknown> = {
  id: string;
  /** Null when it failed or was cancelled; never rejects */
  result: Promise<Result | null>;
  events(signal: AbortSignal): AsyncIterable<OperationEvent>;
  cancel(): void;
};

export type Operations = ReturnType<typeof createOperations>;

export function createOperations({ log, now, onChange }: Parts) {
  const entries = new Map<string, Entry>();
  return { begin, find, list, cancel, cancelAll };

  function begin<Result>(
    kind: Operation['kind'],
    subject: string,
    work: (task: Task) => Promise<Result>,
  ): BegunOperation<Result> {
    const operation: Operation = {
      id: randomBytes(6).toString('hex'),
      kind,
      subject,
      state: 'running',
      startedAt: now().toISOString(),
      endedAt: null,
      step: null,
    };
    const controller = new AbortController();
    const journal = new Journal();
    journal.add({ is: 'begun', operation: { ...operation } });
    const beganMs = performance.now();
    const task = new Task(controller.signal, (event) => {
      if (event.is === 'step') operation.step = event.step;
      journal.add(event.is === 'step' ? { ...event, atMs: Math.round(performance.now() - beganMs) } : event);
    });
    onChange?.('begun', { ...operation });
    const result = run(operation, journal, task, work, beganMs);
    const entry: Entry = { operation, journal, controller, result };
    entries.set(operation.id, entry);
    forgetOldest();
    return { ...handle(entry), result };
  }

  async function run<Result>(
    operation: Operation,
    journal: Journal,
    task: Task,
    work: (task: Task) => Promise<Result>,
    beganMs: number,
  ): Promise<Result | null> {
    const durationMs = () => Math.round(performance.now() - beganMs);
    try {
      const result = await work(task);
      operation.state = 'done';
      journal.end({ is: 'done', result, durationMs: durationMs() });
      return result;
    } catch (thrown) {
      const error = toBangerError(thrown);
      operation.state = error.code === 'CANCELLED' ? 'cancelled' : 'failed';
      if (error.code !== 'CANCELLED') log.warn(`${operation.kind} ${operation.subject}: ${error.code}`, thrown);
      journal.end({ is: 'failed', error: error.toWire(), durationMs: durationMs() });
      return null;
    } finally {
      operation.endedAt = now().toISOString();
      onChange?.('ended', { ...operation });
      log.info(`${operation.kind} ${operation.subject}: ${operation.state} after ${durationMs()} ms`);
    }
  }

  function find(id: string): BegunOperation {
    const entry = entries.get(id);
    if (!entry) {
      throw new BangerError('OPERATION_NOT_FOUND', {
        message: `There is no operation "${id.slice(0, 40)}".`,
        hint: 'Operations are forgotten some time after they end, and when the daemon ends.',
      });
    }
    return handle(entry);
  }

  function list(): Operation[] {
    return [...entries.values()].map(({ operation }) => ({ ...operation }));
  }

  function cancel(id: string): void {
    find(id).cancel();
  }

  /** Cancels everything and waits until it is undone, at most until `signal` fires. */
  async function cancelAll(signal: AbortSignal): Promise<void> {
    for (const { controller } of entries.values()) controller.abort();
    const all = Promise.all([...entries.values()].map(({ result }) => result));
    await Promise.race([all, signal.aborted ? null : once(signal, 'abort')]);
  }

  function handle({ operation, journal, controller, result }: Entry): BegunOperation {
    return {
      id: operation.id,
      events: (signal) => journal.follow(signal),
      cancel: () => controller.abort(),
      result,
    };
  }

  function forgetOldest(): void {
    let surplus = entries.size - KEPT_AFTER_END;
    for (const [id, { operation }] of entries) {
      if (surplus-- <= 0) return;
      if (operation.state !== 'running') entries.delete(id);
    }
  }
}
