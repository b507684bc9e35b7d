/** A command in a vm, through the SDK: what the measurements time without the command line's own start. */
import { FRAME, type Frame } from '@banger/contract/guest/frames.ts';
import type { Client } from '@banger/sdk/connect.ts';
import type { FrameStream } from '@banger/sdk/frame-stream.ts';

export type GuestCommand = {
  stream: FrameStream;
  /** What comes after STARTED */
  frames: AsyncGenerator<Frame, void>;
  /** Reads to the end; throws unless the exit code is 0. Not together with `frames`. */
  readonly exited: Promise<void>;
};

/** Resolves once the command runs. */
export async function openCommand(client: Client, vm: string, argv: string[]): Promise<GuestCommand> {
  const stream = await client.vmExec({ vm });
  await stream.start({ argv, env: {}, cwd: null, user: null, tty: null, stdin: true, keep: false });
  const frames = stream.frames();
  const { value } = await frames.next();
  if (value?.type !== FRAME.STARTED) throw new Error(`${argv[0]} did not start: ${value?.payload}`);
  return {
    stream,
    frames,
    get exited() {
      return readToExit(stream, frames);
    },
  };
}

async function readToExit(stream: FrameStream, frames: AsyncGenerator<Frame, void>): Promise<void> {
  for await (const { type, payload } of frames) {
    if (type !== FRAME.EXIT) continue;
    stream.close();
    const { code } = JSON.parse(payload.toString()) as { code?: number };
    if (code !== 0) throw new Error(`the command ended with ${payload}`);
    return;
  }
  throw new Error('the command has no exit');
}
