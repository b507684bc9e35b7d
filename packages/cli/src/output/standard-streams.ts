/** Whether what was written to stdout and stderr arrived: a command whose output is lost has failed. */
import { BangerError, ERRORS } from '@banger/contract/errors.ts';
import { EXIT_BROKEN_PIPE } from './terminal.ts';

type Endings = {
  /** Nobody reads any more, which is told by the exit code alone */
  end: (exitCode: number) => void;
  fail: (thrown: unknown) => void;
};

let isStderrLost = false;

/** What Node makes of a standard stream: it knows neither of both members to TypeScript */
type StandardStream = {
  _type?: string;
  _write: (bytes: Buffer, encoding: string, done: (fault?: Error) => void) => void;
};

export function watchOutput({ end, fail }: Endings): void {
  writeWhole(process.stdout as unknown as StandardStream, 1);
  writeWhole(process.stderr as unknown as StandardStream, 2);
  process.stdout.on('error', (fault: NodeJS.ErrnoException) => {
    if (isReaderGone(fault, process.stdout)) end(EXIT_BROKEN_PIPE);
    else fail(outputLost(fault));
  });
  process.stderr.on('error', (fault: NodeJS.ErrnoException) => {
    if (isReaderGone(fault, process.stderr)) end(EXIT_BROKEN_PIPE);
    isStderrLost = true; // told by the exit code, once what was asked for is done
  });
}

/** Waits until the system has taken all of stdout, and gives the exit code; never, where `fail` has it. */
export async function settleOutput(exitCode: number): Promise<number> {
  const { stdout } = process;
  await new Promise((resolve) => setImmediate(resolve)); // the streams tell of a write that failed just now only after this
  if (stdout.errored) return new Promise(() => {});
  if (stdout.writableLength > 0) await new Promise<void>((resolve) => stdout.write('', (fault) => !fault && resolve()));
  return exitCode === 0 && isStderrLost ? ERRORS.OUTPUT_LOST.exit : exitCode;
}

/**
 * Node takes a short write to a file, as a disk that fills up gives, for a whole one. What it has no stream for, such as a
 * folder or a block device, it lets swallow everything.
 */
function writeWhole(stream: StandardStream, fd: 1 | 2): void {
  if (stream._type !== 'fs' && stream._type !== undefined) return;
  const { writeSync } = process.getBuiltinModule('node:fs');
  stream._write = (bytes, _, done) => {
    try {
      for (let at = 0; at < bytes.length; ) {
        const written = writeSync(fd, bytes, at);
        if (written === 0) throw Object.assign(new Error('nothing was written'), { code: 'EIO' });
        at += written;
      }
      done();
    } catch (fault) {
      done(fault as Error);
    }
  };
}

/** A terminal whose other side was closed says EIO, as a disk that fails does. */
export function isReaderGone({ code }: NodeJS.ErrnoException, { isTTY }: { isTTY?: boolean }): boolean {
  return code === 'EPIPE' || (code === 'EIO' && isTTY === true);
}

export function outputLost(cause: NodeJS.ErrnoException): BangerError {
  const why = WHY[cause.code ?? ''] ?? cause.message;
  return new BangerError('OUTPUT_LOST', {
    message: `What this command printed could not be written: ${why}.`,
    hint: 'Let stdout be a terminal, a pipe, or a file on a disk that has room; what was asked for may be done all the same.',
    details: { errno: cause.code },
    cause,
  });
}

const WHY: Record<string, string> = {
  ENOSPC: 'the disk is full (ENOSPC)',
  EDQUOT: 'your quota on that disk is used up (EDQUOT)',
  EFBIG: 'the file would become larger than is allowed (EFBIG)',
  EIO: 'the disk or device behind stdout fails (EIO)',
  EBADF: 'stdout is closed, or cannot be written to (EBADF)',
};
