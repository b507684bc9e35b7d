/** A command in a vm, through the SDK: what the measurements time without the command line's own start. */
import type { CommandEvent } from '@banger/contract/guest/command-events.ts';
import type { Client } from '@banger/sdk/connect.ts';
import type { FrameStream } from '@banger/sdk/frame-stream.ts';

export type GuestCommand = {
  stream: FrameStream;
  /** What comes after `started` */
  events: AsyncGenerator<CommandEvent, void>;
  /** Reads to the end; throws unless the exit code is 0. Not together with `events`. */
  readonly exited: Promise<void>;
};

/** Resolves once the command runs. */
export async function openCommand(client: Client, vm: string, argv: string[]): Promise<GuestCommand> {
  const stream = await client.vmExec({ vm });
  await stream.start({ argv, env: {}, cwd: null, user: null, tty: null, stdin: true, keep: false });
  const events = stream.events();
  const { value } = await events.next();
  if (value?.is !== 'started') throw new Error(`${argv[0]} did not start: ${JSON.stringify(value)}`);
  return {
    stream,
    events,
    get exited() {
      return readToExit(stream, events);
    },
  };
}

async function readToExit(stream: FrameStream, events: AsyncGenerator<CommandEvent, void>): Promise<void> {
  for await (const event of events) {
    if (event.is !== 'exit') continue;
    stream.close();
    if (!('code' in event.exit && event.exit.code === 0))
      throw new Error(`it ended with ${JSON.stringify(event.exit)}`);
    return;
  }
  throw new Error('the command has no exit');
}
