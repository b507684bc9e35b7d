/** The fake agent's sessions: host processes whose working folder is inside the fake guest's root. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import type { ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { ImageConfig } from '../../packages/contract/src/api/image-config.ts';
import type { ExecExit } from '../../packages/contract/src/guest/command-messages.ts';
import { encodeChunks, encodeFrame, FRAME, FrameReader, textOf } from '../../packages/contract/src/guest/frames.ts';
import type { ExecStart, SessionInfo } from '../../packages/contract/src/guest/messages.ts';
import type { FakeFaults } from './fake-faults.ts';

const SCROLLBACK_BYTES = 256 * 1024;

type Session = {
  info: SessionInfo;
  child: ChildProcess;
  client: ServerHttp2Stream | null;
  kept: Uint8Array[];
  dropped: number;
};

/** Everything belongs to who runs the test. */
const ITS_USERS = new Set([null, 'root', String(process.getuid?.())]);

export class FakeSessions {
  readonly #root: string;
  readonly #faults: FakeFaults;
  readonly #sessions = new Map<string, Session>();
  readonly #onAgentEnd: () => void;
  #hasEnded = false;
  #image: ImageConfig | null = null;

  constructor(root: string, faults: FakeFaults, onAgentEnd: () => void) {
    this.#root = root;
    this.#faults = faults;
    this.#onAgentEnd = onAgentEnd;
  }

  get isAgentGone(): boolean {
    return this.#hasEnded && this.#faults.fault === 'agent-gone';
  }

  // The kernel takes the bytes of a port that nobody has open, so the host's side of the stream stays as it is.
  #endAgent(): void {
    this.#hasEnded = true;
    for (const { child } of this.#sessions.values()) child.kill('SIGKILL');
    this.#sessions.clear();
    this.#onAgentEnd();
  }

  useImage(config: ImageConfig): void {
    this.#image = config;
  }

  list(): SessionInfo[] {
    return [...this.#sessions.values()].map(({ info, client }) => ({ ...info, attached: client !== null }));
  }

  signal(id: string, signal: string): boolean {
    const session = this.#sessions.get(id);
    if (session) kill(session, signal);
    return session !== undefined;
  }

  end(id: string): boolean {
    const session = this.#sessions.get(id);
    if (session) kill(session, 'KILL');
    return this.#sessions.delete(id) || session !== undefined;
  }

  serve(stream: ServerHttp2Stream): void {
    if (this.#faults.fault === 'hang-on-exec') return;
    if (this.#faults.fault === 'agent-dies') {
      stream.session?.destroy();
      return;
    }
    if (this.#faults.fault === 'agent-gone') {
      this.#endAgent();
      return;
    }
    stream.respond({ ':status': 200 });
    if (this.#faults.fault === 'bad-frames') {
      stream.write(Buffer.alloc(1000, 0xff));
      return;
    }
    const reader = new FrameReader('host');
    let session: Session | null = null;
    stream.on('data', (bytes: Buffer) => {
      for (const { type, payload } of reader.push(bytes)) {
        if (type === FRAME.START) session = this.#start(stream, JSON.parse(textOf(payload)));
        else if (type === FRAME.ATTACH) session = this.#attach(stream, JSON.parse(textOf(payload)).id);
        else if (type === FRAME.SIGNAL && session) kill(session, JSON.parse(textOf(payload)).signal);
        else if (type === FRAME.STDIN_END) session?.child.stdin?.end();
        else if (type === FRAME.STDIN && this.#faults.fault === 'agent-restarts') this.#endAgent();
        else if (type === FRAME.STDIN && session?.child.stdin?.write(payload) === false) {
          stream.pause();
          session.child.stdin?.once('drain', () => stream.resume());
        }
      }
    });
    stream.on('close', () => {
      if (!session || session.client !== stream) return;
      session.client = null;
      session.child.stdout?.resume();
      session.child.stderr?.resume();
      if (!session.info.keep) kill(session, 'KILL');
    });
  }

  #start(stream: ServerHttp2Stream, start: ExecStart): Session | null {
    const image = start.image === undefined ? null : this.#image;
    const cwd = join(this.#root, start.cwd ?? image?.workingDir ?? '/root');
    if (start.cwd === null) mkdirSync(cwd, { recursive: true });
    if (!existsSync(cwd)) return failed(stream, 'CWD_NOT_FOUND', 'no such folder');
    if (!ITS_USERS.has(start.user ?? image?.user ?? null)) return failed(stream, 'USER_NOT_FOUND', 'no such user');
    const argv = wordsOf(start, image);
    const [command = 'sh', ...rest] = argv;
    const own = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: cwd, FAKE_ROOT: this.#root };
    const env = { ...own, ...variablesOf(image), ...start.env };
    const child = spawn(command, rest, {
      cwd,
      env,
      detached: true,
      stdio: [start.stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    });
    child.stdin?.on('error', () => {});
    child.once('error', (fault: NodeJS.ErrnoException) => {
      const code = fault.code === 'ENOENT' ? 'COMMAND_NOT_FOUND' : 'COMMAND_NOT_EXECUTABLE';
      failed(stream, code, `${command}: ${fault.code}`);
    });
    if (child.pid === undefined) return null;

    const info = describe({ ...start, argv });
    const session: Session = { info, child, client: stream, kept: [], dropped: 0 };
    this.#sessions.set(info.id, session);
    sendStarted(stream, session);
    child.stdout?.on('data', (bytes) => output(session, FRAME.STDOUT, bytes));
    child.stderr?.on('data', (bytes) => output(session, start.tty ? FRAME.STDOUT : FRAME.STDERR, bytes));
    child.once('close', (code, signal) => {
      info.exit = signal ? { signal: signal.slice(3) } : { code: code ?? 1 };
      this.#finish(session, info.exit);
    });
    return session;
  }

  #attach(stream: ServerHttp2Stream, id: string): Session | null {
    const session = this.#sessions.get(id);
    if (!session) return failed(stream, 'NOT_FOUND', 'no such session');
    const before = session.client;
    session.client = stream;
    before?.close(8); // CANCEL
    sendStarted(stream, session);
    for (const frame of session.kept) stream.write(frame);
    if (session.info.exit) this.#finish(session, session.info.exit);
    return session;
  }

  #finish(session: Session, exit: ExecExit): void {
    session.client?.end(encodeFrame(FRAME.EXIT, JSON.stringify(exit)));
    if (session.client || !session.info.keep) this.#sessions.delete(session.info.id);
  }
}

/** What is run when an image counts as much as this. */
export function wordsOf({ argv, image }: Pick<ExecStart, 'argv' | 'image'>, config: ImageConfig | null): string[] {
  if (config === null || image !== 'command') return argv;
  return [...config.entrypoint, ...(argv.length === 0 ? config.command : argv)];
}

function variablesOf(config: ImageConfig | null): Record<string, string> {
  const split = (line: string) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)];
  return Object.fromEntries((config?.env ?? []).map(split));
}

function output(session: Session, type: typeof FRAME.STDOUT | typeof FRAME.STDERR, bytes: Buffer): void {
  const { client, child, kept } = session;
  for (const frame of encodeChunks(type, bytes)) {
    if (session.info.keep) kept.push(frame);
    if (client && !client.write(frame)) {
      child.stdout?.pause();
      client.once('drain', () => child.stdout?.resume());
    }
  }
  for (let sum = kept.reduce((all, { length }) => all + length, 0); sum > SCROLLBACK_BYTES; ) {
    const oldest = (kept.shift() as Uint8Array).length;
    sum -= oldest;
    session.dropped += oldest;
  }
}

function sendStarted(stream: ServerHttp2Stream, { info, child, dropped }: Session): void {
  stream.write(encodeFrame(FRAME.STARTED, JSON.stringify({ id: info.id, pid: child.pid, droppedBytes: dropped })));
}

function failed(stream: ServerHttp2Stream, code: string, message: string): null {
  stream.end(encodeFrame(FRAME.FAILED, JSON.stringify({ code, message })));
  return null;
}

function describe({ argv, user, tty, keep }: ExecStart): SessionInfo {
  const id = randomUUID().slice(0, 8);
  return {
    id,
    argv,
    user: user ?? 'root',
    tty: tty !== null,
    keep,
    attached: true,
    startedUnixMs: Date.now(),
    exit: null,
  };
}

function kill({ child }: Session, signal: string): void {
  const number = constants.signals[`SIG${signal}` as NodeJS.Signals];
  try {
    if (child.pid && number) process.kill(-child.pid, number);
  } catch {
    // it ended by itself
  }
}
