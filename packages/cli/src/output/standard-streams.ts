/**
 * stdout and stderr, and whether what was written to them arrived: a command whose output is lost has failed. A text goes
 * straight to its descriptor: to make a stream of one takes longer than all else that a small command does. Where a stream
 * is needed there is one, and from then on all goes through it, so that nothing overtakes anything.
 */
import { BangerError, ERRORS } from '@banger/contract/errors.ts';
import { EXIT_BROKEN_PIPE, isTerminal } from './terminal.ts';

type Endings = {
  /** Nobody reads any more, which is told by the exit code alone */
  end: (exitCode: number) => void;
  fail: (thrown: unknown) => void;
};

type Fd = 1 | 2;

/** What Node makes of a standard stream: it knows neither of both members to TypeScript */
type StandardStream = {
  _type?: string;
  _write: (bytes: Buffer, encoding: string, done: (fault?: Error) => void) => void;
};

let endings: Endings = {
  end: process.exit,
  fail: (thrown) => {
    throw thrown;
  },
};
const streams = new Map<Fd, NodeJS.WriteStream>();
const lost = new Set<Fd>();

/** Says what becomes of a command whose output is lost. Called once, before anything is written. */
export function watchOutput(given: Endings): void {
  endings = given;
}

export function print(text: string): void {
  write(1, text);
}

export function complain(text: string): void {
  write(2, text);
}

/** The streams, for who has to wait for a slow reader */
export function stdout(): NodeJS.WriteStream {
  return streamOf(1);
}

export function stderr(): NodeJS.WriteStream {
  return streamOf(2);
}

/** Waits until the system has taken all of stdout, and gives the exit code; never, where `fail` has it. */
export async function settleOutput(exitCode: number): Promise<number> {
  const stream = streams.get(1);
  if (stream !== undefined) {
    await new Promise((resolve) => setImmediate(resolve)); // a stream tells of a write that failed just now only after this
    if (stream.writableLength > 0)
      await new Promise<void>((resolve) => stream.write('', (fault) => !fault && resolve()));
  }
  if (lost.has(1)) return new Promise(() => {});
  return exitCode === 0 && lost.has(2) ? ERRORS.OUTPUT_LOST.exit : exitCode;
}

function write(fd: Fd, text: string): void {
  if (lost.has(fd)) return;
  const bytes = Buffer.from(text);
  const left = streams.has(fd) ? bytes : writeNow(fd, bytes);
  if (left.length > 0) streamOf(fd).write(left);
}

/** Gives what a reader that is slow leaves for later. */
function writeNow(fd: Fd, bytes: Buffer): Buffer {
  let at = 0;
  try {
    while (at < bytes.length) at += writeSome(fd, bytes.subarray(at));
    return bytes.subarray(at);
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code === 'EAGAIN') return bytes.subarray(at);
    onFault(fd, fault as NodeJS.ErrnoException);
    return bytes.subarray(bytes.length);
  }
}

function writeSome(fd: Fd, bytes: Buffer): number {
  const written = process.getBuiltinModule('node:fs').writeSync(fd, bytes);
  if (written === 0) throw Object.assign(new Error('nothing was written'), { code: 'EIO' });
  return written;
}

function streamOf(fd: Fd): NodeJS.WriteStream {
  let stream = streams.get(fd);
  if (stream === undefined) {
    stream = fd === 1 ? process.stdout : process.stderr;
    writeWhole(stream as unknown as StandardStream, fd);
    stream.on('error', (fault: NodeJS.ErrnoException) => onFault(fd, fault));
    streams.set(fd, stream);
  }
  return stream;
}

/**
 * Node takes a short write to a file, as a disk that fills up gives, for a whole one. What it has no stream for, such as a
 * folder or a block device, it lets swallow everything.
 */
function writeWhole(stream: StandardStream, fd: Fd): void {
  if (stream._type !== 'fs' && stream._type !== undefined) return;
  if (isPipe(fd)) return; // of the packaged command's, which calls each stream that
  stream._write = (bytes, _, done) => {
    try {
      for (let at = 0; at < bytes.length; ) at += writeSome(fd, bytes.subarray(at));
      done();
    } catch (fault) {
      done(fault as Error);
    }
  };
}

function isPipe(fd: Fd): boolean {
  try {
    const found = process.getBuiltinModule('node:fs').fstatSync(fd);
    return found.isFIFO() || found.isSocket();
  } catch {
    return false; // it is closed, which the first write tells
  }
}

function onFault(fd: Fd, fault: NodeJS.ErrnoException): void {
  if (isReaderGone(fault, { isTTY: isTerminal(fd) })) {
    endings.end(EXIT_BROKEN_PIPE);
    return;
  }
  const isFirst = !lost.has(fd);
  lost.add(fd);
  // Of stderr the exit code tells, once what was asked for is done.
  if (fd === 1 && isFirst) endings.fail(outputLost(fault));
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
