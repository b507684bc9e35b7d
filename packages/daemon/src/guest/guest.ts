/**
 * A guest, seen from the host: what its agent can be asked.
 *
 * Everything here takes a Task, has a deadline, and throws a BangerError. Nothing that the guest says is believed
 * beyond the schemas in contract/guest. Streams are handed over as they are: the frames of a command and the tar files
 * pass through the daemon unread.
 */
import { type ClientHttp2Stream, constants } from 'node:http2';
import { type Duplex, Readable } from 'node:stream';
import type { ImageConfig } from '@banger/contract/api/image-config.ts';
import { cleanQuote } from '@banger/contract/clean-text.ts';
import { checkCommandSize } from '@banger/contract/guest/command-size.ts';
import { encodeFrame, FRAME } from '@banger/contract/guest/frames.ts';
import {
  type AgentInfo,
  type ExecStart,
  type GuestPorts,
  type GuestStat,
  guestPortsSchema,
  guestStatSchema,
  type SessionInfo,
  sessionsSchema,
} from '@banger/contract/guest/messages.ts';
import { encodeRootWanted, type RootWanted } from '@banger/contract/guest/root-wanted.ts';
import { writeQuery } from '@banger/contract/query.ts';
import { z } from 'zod';
import { countDown } from '../platform/deadline.ts';
import type { Task } from '../platform/task.ts';
import { agentLost } from './agent-errors.ts';
import { AgentSession, ANSWER_DEADLINE_MS } from './agent-session.ts';
import { greetAgent } from './handshake.ts';
import { type CommandOutput, collectOutput, type RunOptions } from './run-command.ts';

export { followCommand } from './follow-command.ts';
export type { CommandOutput, RunOptions } from './run-command.ts';

const STALLED_TRANSFER_MS = 120_000;
const MAX_TRANSFER_MS = 24 * 3_600_000;

const kindSchema = z.enum(['file', 'directory', 'symlink']);
export type TarOptions = {
  /** The owner of the files, instead of those that the stream names */
  owner?: string;
  /** Whether the files are durable in the guest when this returns, and the old ones until then */
  isDurable?: boolean;
};
export type TarKind = z.infer<typeof kindSchema>;

/** Waits for the agent's hello. Throws VM_BOOT_FAILED, AGENT_PROTOCOL, or TIMED_OUT when the task's time is up. */
export async function connectGuest(task: Task, stream: Duplex, now: () => number = Date.now): Promise<Guest> {
  const info = await greetAgent(task, stream, now);
  return new Guest(info, await AgentSession.open(stream));
}

export class Guest {
  readonly info: AgentInfo;
  /** Resolves with the reason when the agent can no longer be asked */
  readonly closed: Promise<string>;
  readonly #session: AgentSession;

  constructor(info: AgentInfo, session: AgentSession) {
    this.info = info;
    this.#session = session;
    this.closed = session.closed;
  }

  get isClosed(): boolean {
    return this.#session.isClosed;
  }

  /** Closes it soon unless the agent that it was opened to is still there. */
  probe(): void {
    this.#session.probe();
  }

  /** Lets go of the agent; commands without `keep` end. */
  close(why?: string): void {
    this.#session.close(why);
  }

  /** The command's two-way stream of frames, after START. Destroying it ends the command, unless it is kept. */
  async exec(task: Task, start: ExecStart): Promise<Duplex> {
    checkCommandSize(start);
    return this.#openFrames(task, FRAME.START, JSON.stringify(start));
  }

  /** Joins a session: first its scrollback, then what comes. Whoever was attached before is cut off. */
  async attach(task: Task, id: string): Promise<Duplex> {
    return this.#openFrames(task, FRAME.ATTACH, JSON.stringify({ id }));
  }

  /** The same, for a caller who speaks frames itself: START or ATTACH is the first that it writes. */
  openFrames(): ClientHttp2Stream {
    const stream = this.#session.begin({ method: 'POST', path: '/v1/exec' });
    const late = () => stream.destroy(agentLost(`it did not answer within ${ANSWER_DEADLINE_MS / 1000} s`));
    const deadline = countDown(ANSWER_DEADLINE_MS, late);
    stream.once('response', deadline.stop).once('close', deadline.stop);
    return stream;
  }

  /** Runs a command of the daemon's own and collects what it prints, up to a bound. */
  async run(task: Task, argv: string[], options: RunOptions = {}): Promise<CommandOutput> {
    const { user = null, cwd = null, env = {}, stdin } = options;
    const start = { argv, env, cwd, user, tty: null, stdin: stdin !== undefined, keep: false };
    return collectOutput(task, await this.exec(task, start), options);
  }

  /** Until the image's own init has finished its boot; at once where there is none. For as long as the task allows. */
  async untilInitReady(task: Task): Promise<void> {
    await this.#session.tell(task, { method: 'GET', path: '/v1/init', deadlineMs: MAX_TRANSFER_MS });
  }

  async sessions(task: Task): Promise<SessionInfo[]> {
    const { sessions } = await this.#session.ask(task, { method: 'GET', path: '/v1/sessions' }, sessionsSchema);
    return sessions;
  }

  async signalSession(task: Task, id: string, signal: string): Promise<void> {
    const path = `${sessionPath(id)}/signal`;
    await this.#session.tell(task, { method: 'POST', path, body: { signal }, notFound: 'SESSION_NOT_FOUND' });
  }

  async endSession(task: Task, id: string): Promise<void> {
    await this.#session.tell(task, { method: 'DELETE', path: sessionPath(id), notFound: 'SESSION_NOT_FOUND' });
  }

  async statPath(task: Task, path: string): Promise<GuestStat> {
    return this.#session.ask(task, { method: 'GET', path: `/v1/stat?${writeQuery({ path })}` }, guestStatSchema);
  }

  /** A file or folder as a tar stream, whose names begin with its base name. Destroying it stops the guest's work. */
  async readTar(task: Task, path: string): Promise<{ kind: TarKind; tar: Readable }> {
    const request = { method: 'GET', path: `/v1/files?${writeQuery({ path })}` } as const;
    const { stream, headers } = await this.#session.open(task, request);
    const kind = kindSchema.safeParse(headers['banger-kind']).data ?? 'file';
    stream.setTimeout(STALLED_TRANSFER_MS, () => stream.destroy(agentLost('a transfer stalled')));
    return { kind, tar: stream };
  }

  /** All files of a machine that was booted only for that, as a tar stream. Whoever reads it says how long it may be silent. */
  async readRoot(task: Task, wanted: RootWanted): Promise<Readable> {
    const body = encodeRootWanted(wanted);
    const { stream } = await this.#session.open(task, { method: 'POST', path: '/v1/root', body });
    return Readable.from(untilItsEnd(stream));
  }

  /** Unpacks a tar stream in a folder of the guest, which must exist. Each file is replaced whole or stays as it was. */
  async writeTar(task: Task, folder: string, tar: Readable, options: TarOptions = {}): Promise<void> {
    const path = `/v1/files?${writeQuery({ path: folder, owner: options.owner, durable: options.isDurable })}`;
    const stream = this.#session.begin({ method: 'PUT', path });
    stream.setTimeout(STALLED_TRANSFER_MS, () => stream.destroy(agentLost('a transfer stalled')));
    const broken = new Promise<never>((_resolve, reject) => tar.once('error', reject));
    broken.catch(() => {}); // it may break after the answer
    // Not a pipeline, which would destroy the stream, and with it the answer, when the agent refuses half-way.
    tar.pipe(stream);
    try {
      await Promise.race([this.#session.answerTo(task, stream, 'GUEST_PATH', MAX_TRANSFER_MS), broken]);
    } finally {
      tar.unpipe(stream).destroy();
      stream.close(constants.NGHTTP2_CANCEL);
    }
  }

  /** A TCP connection to a program that listens in the guest, on whatever address. Throws PORT_REFUSED. */
  async connect(task: Task, port: number): Promise<Duplex> {
    return this.#session.connect(task, `localhost:${port}`, 'PORT_REFUSED');
  }

  /** What listens in the guest; the names of the processes are cleaned. */
  async ports(task: Task): Promise<GuestPorts> {
    const { ports, isCut } = await this.#session.ask(task, { method: 'GET', path: '/v1/ports' }, guestPortsSchema);
    return { isCut, ports: ports.map((each) => ({ ...each, ...cleanPort(each) })) };
  }

  /** Tells the guest what time it is now; its clock is set when it stood still. */
  async followClock(task: Task, unixMs: number): Promise<void> {
    await this.#session.tell(task, { method: 'POST', path: '/v1/clock', body: { unixMs } });
  }

  /** Tells it what its image says of running it, which counts for the commands that ask for it. Once a boot. */
  async useImage(task: Task, config: ImageConfig): Promise<void> {
    await this.#session.tell(task, { method: 'PUT', path: '/v1/image', body: config });
  }

  /**
   * Returns once the guest has begun to shut down; that it has finished, the machine's end tells. `withinMs` is how long it
   * may take altogether.
   */
  async shutdown(task: Task, how: 'poweroff' | 'reboot', withinMs?: number): Promise<void> {
    await this.#session.tell(task, { method: 'POST', path: '/v1/shutdown', body: { how, withinMs } });
  }

  async #openFrames(task: Task, type: typeof FRAME.START | typeof FRAME.ATTACH, json: string): Promise<Duplex> {
    const stream = this.openFrames();
    stream.write(encodeFrame(type, json));
    await this.#session.answerTo(task, stream);
    return stream;
  }
}

/** A stream that was broken off would else end like any other. */
async function* untilItsEnd(stream: ClientHttp2Stream): AsyncGenerator<Buffer, void> {
  for await (const bytes of stream) yield bytes;
  if (!stream.readableEnded) throw agentLost('it broke off a transfer');
}

function cleanPort({ address, process }: GuestPorts['ports'][number]) {
  return { address: cleanQuote(address), process: process === null ? null : cleanQuote(process) };
}

function sessionPath(id: string): string {
  return `/v1/sessions/${encodeURIComponent(id)}`;
}
