/** A running QEMU, whether this daemon started it or an earlier one did. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Log } from '../../platform/log.ts';
import type { Task } from '../../platform/task.ts';
import { connectSocket } from '../../platform/unix-sockets.ts';
import type { BoundedLog } from '../bounded-log.ts';
import type { Machine, MachineExit, MachineStall, RefOf } from '../hypervisor.ts';
import { connectWhileItRuns } from '../machine-stream.ts';
import type { Vmm } from '../shut-in.ts';
import { AGENT_PORT, machineSockets } from './plan-arguments.ts';
import type { QmpConnection, QmpEvent } from './qmp.ts';
import { watchForStalls } from './stall-watch.ts';

type MachineParts = {
  ref: RefOf<'qemu'>;
  vmm: Vmm;
  qmp: QmpConnection;
  console: BoundedLog;
  events: MachineEvents;
  log: Log;
};

/** QEMU's events. That of its end comes before its control socket closes. */
export class MachineEvents {
  onStop = (): void => {};
  onAgentPort: (isOpen: boolean) => void = () => {};
  shutdown: { guest: boolean; reason: string } | null = null;

  take = (event: QmpEvent): void => {
    if (event.name === 'STOP') this.onStop();
    if (event.name === 'VSERPORT_CHANGE' && event.data.id === AGENT_PORT) this.onAgentPort(event.data.open === true);
    if (event.name !== 'SHUTDOWN') return;
    this.shutdown = { guest: event.data.guest === true, reason: String(event.data.reason).slice(0, 80) };
  };
}

export class QemuMachine implements Machine {
  readonly ref: RefOf<'qemu'>;
  readonly exited: Promise<MachineExit>;
  readonly #vmm: Vmm;
  readonly #qmp: QmpConnection;
  readonly #console: BoundedLog;
  readonly #events: MachineEvents;
  readonly #gone = new AbortController();
  #agentStream: Socket | null = null;
  #isReleased = false;
  #isKilled = false;
  stall: MachineStall | null = null;
  #onStall: (stall: MachineStall | null) => void = () => {};

  constructor({ ref, vmm, qmp, console, events, log }: MachineParts) {
    this.ref = ref;
    this.#vmm = vmm;
    this.#qmp = qmp;
    this.#console = console;
    this.#events = events;
    events.onStop = watchForStalls({
      ...{ qmp, log },
      onChange: (stall) => {
        this.stall = stall;
        this.#onStall(stall);
      },
      onFault: vmm.kill,
    });
    this.exited = this.#watchForExit();
  }

  /** Also told of a stall that is there already. */
  onStall(listener: (stall: MachineStall | null) => void): void {
    this.#onStall = listener;
    if (this.stall) listener(this.stall);
  }

  onAgentPort(listener: (isOpen: boolean) => void): void {
    this.#events.onAgentPort = listener;
  }

  // A second client would wait, without an error, until the first one leaves: so the first one leaves.
  async openAgentStream(task: Task): Promise<Duplex> {
    this.#agentStream?.destroy();
    const stream = await this.#connect(task);
    this.#agentStream?.destroy();
    this.#agentStream = stream;
    return stream;
  }

  // The socket of a QEMU that has ended refuses every connection, as one does that nobody listens on yet.
  #connect(task: Task): Promise<Socket> {
    const { agent } = machineSockets(this.ref);
    return connectWhileItRuns(task, this.#gone.signal, (limited) => connectSocket(limited, agent));
  }

  async kill(): Promise<void> {
    this.#isKilled = true;
    await this.#vmm.kill();
    if (!this.#isReleased) await this.exited;
  }

  release(): void {
    this.#isReleased = true;
    this.#agentStream?.destroy();
    this.#console.stop();
    this.#qmp.close();
  }

  // The control socket closes in the moment that QEMU ends, whoever started it: no timer has to look for it.
  async #watchForExit(): Promise<MachineExit> {
    await this.#qmp.closed;
    this.#gone.abort();
    if (this.#isReleased) return new Promise(() => {});
    await this.#vmm.untilGone();
    await this.#console.ended;
    return describeExit(this.#events, this.#isKilled);
  }
}

function describeExit({ shutdown }: MachineEvents, isKilled: boolean): MachineExit {
  if (isKilled) return { by: 'host', detail: 'killed' };
  if (!shutdown) return { by: 'lost', detail: 'QEMU ended without a word' };
  const { guest, reason } = shutdown;
  if (!guest) return { by: 'host', detail: reason };
  return { by: 'guest', how: reason === 'guest-reset' ? 'reset' : 'power-off', detail: reason };
}
