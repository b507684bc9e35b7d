/** What a guest tells of a command, from its start to its end: the one reader of the frames that come from there. */
import { BangerError } from '../errors.ts';
import {
  type AgentFailure,
  type ExecExit,
  type ExecStarted,
  readExit,
  readFailure,
  readStarted,
} from './command-messages.ts';
import { FRAME, type Frame, FrameReader } from './frames.ts';

/** `exit` or `failed` is the last. */
export type CommandEvent =
  | { is: 'started'; started: ExecStarted }
  | { is: 'stdout' | 'stderr'; bytes: Uint8Array }
  | { is: 'exit'; exit: ExecExit }
  | { is: 'failed'; failure: AgentFailure };

/** Ends with the bytes: without a last event the command was lost. Throws AGENT_PROTOCOL. */
export async function* readCommandEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<CommandEvent, void> {
  const reader = new FrameReader();
  for await (const bytes of chunks) {
    for (const frame of reader.push(bytes)) yield toEvent(frame);
  }
}

function toEvent({ type, payload }: Frame): CommandEvent {
  switch (type) {
    case FRAME.STARTED:
      return { is: 'started', started: readStarted(payload) };
    case FRAME.STDOUT:
      return { is: 'stdout', bytes: payload };
    case FRAME.STDERR:
      return { is: 'stderr', bytes: payload };
    case FRAME.EXIT:
      return { is: 'exit', exit: readExit(payload) };
    case FRAME.FAILED:
      return { is: 'failed', failure: readFailure(payload) };
    default:
      throw new BangerError('AGENT_PROTOCOL', {
        message: `The guest does not keep to the protocol: it sent a frame of type 0x${type.toString(16)} the wrong way.`,
        hint: 'The guest may be hostile or damaged; "banger vm logs" shows its console.',
      });
  }
}
