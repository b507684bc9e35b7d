/** A running Firecracker, whether this daemon started it or an earlier one did. */
import { rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Log } from '../../platform/log.ts';
import { signalProcess } from '../../platform/processes.ts';
import type { Task } from '../../platform/task.ts';
import type { Machine, MachineExit, MachineRef, MachineStall } from '../hypervisor.ts';
import { connectWhileItRuns } from '../machine-stream.ts';
import type { Vmm } from '../shut-in.ts';
import { describeExit, type Ending } from './describe-exit.ts';
import type { GuestSockets } from './guest-sockets.ts';
import { type HaltLooks, watchForHalt } from './halt-watch.ts';
import type { Outputs } from './outputs.ts';
import { machineFiles } from './plan-config.ts';
import { type RoomSource, watchSpace } from './space-watch.ts';

type MachineParts = {
  ref: MachineRef;
  vmm: Vmm;
  /** See `holdFirecracker` */
  api: Socket;
  sockets: GuestSockets;
  outputs: Outputs;
  /** How it ended; null for a process that this daemon did not start */
  ending: Promise<Ending> | null;
  /** The files that the guest writes to */
  disks: readonly string[];
  room: RoomSource;
  looks: HaltLooks | undefined;
  stall: MachineStall | null;
  log: Log;
};

export class FirecrackerMachine implements Machine {
  readonly ref: MachineRef;
  readonly exited: Promise<MachineExit>;
  readonly #parts: MachineParts;
  readonly #gone = new AbortController();
  readonly #space: { end: () => void };
  readonly #halt: ReturnType<typeof watchForHalt>;
  #hasHalted = false;
  #isReleased = false;
  #isKilled = false;
  stall: MachineStall | null;
  #onStall: (stall: MachineStall | null) => void = () => {};

  constructor(parts: MachineParts) {
    this.ref = parts.ref;
    this.#parts = parts;
    this.stall = parts.stall;
    this.#space = watchSpace({
      ...{ disks: parts.disks, isStopped: parts.stall !== null, room: parts.room, log: parts.log },
      stop: () => this.#stop(),
      goOn: () => this.#goOn(),
      onChange: (stall) => {
        this.stall = stall;
        this.#onStall(stall);
      },
    });
    this.#halt = watchForHalt({
      ...{ pid: parts.ref.pid, vsockPath: machineFiles(parts.ref.runtimeFolder).vsock },
      ...{ words: parts.outputs.console, isAdopted: parts.ending === null, looks: parts.looks },
      onHalt: () => this.#endHalted(),
    });
    this.exited = this.#watchForExit();
  }

  /** Also told of a stall that is there already. */
  onStall(listener: (stall: MachineStall | null) => void): void {
    this.#onStall = listener;
    if (this.stall) listener(this.stall);
  }

  onAgentPort(listener: (isOpen: boolean) => void): void {
    this.#parts.sockets.onAgentPort = listener;
  }

  openAgentStream(task: Task): Promise<Duplex> {
    return connectWhileItRuns(task, this.#gone.signal, (limited) => this.#parts.sockets.openStream(limited));
  }

  async kill(): Promise<void> {
    this.#isKilled = true;
    await this.#parts.vmm.kill();
    if (!this.#isReleased) await this.exited;
  }

  release(): void {
    this.#isReleased = true;
    this.#space.end();
    this.#halt.end();
    this.#parts.sockets.close();
    this.#parts.outputs.stop();
    this.#parts.api.destroy();
  }

  // By a signal and not by its API: a machine that was paused and resumed has a broken line in some versions, and one that
  // was only stopped has not. It is written down first, so that a daemon that comes after this one knows whose stop it is.
  #stop(): void {
    const { stalled } = machineFiles(this.ref.runtimeFolder);
    try {
      writeFileSync(stalled, '', { mode: 0o600 });
    } catch (fault) {
      this.#parts.log.warn(`a machine is stopped for want of space, and ${stalled} could not be made`, fault);
    }
    signalProcess(this.ref, 'SIGSTOP');
  }

  #goOn(): void {
    signalProcess(this.ref, 'SIGCONT');
    rmSync(machineFiles(this.ref.runtimeFolder).stalled, { force: true });
    this.#halt.look();
  }

  #endHalted(): void {
    this.#hasHalted = true;
    this.#parts.vmm
      .kill()
      .catch((fault) => this.#parts.log.warn('a machine whose guest has halted does not end', fault));
  }

  async #watchForExit(): Promise<MachineExit> {
    const { vmm, api, sockets, outputs, ending } = this.#parts;
    if (!api.destroyed) await new Promise((resolve) => api.once('close', resolve));
    this.#gone.abort();
    this.#halt.end();
    if (this.#isReleased) return new Promise(() => {});
    await vmm.untilGone();
    this.#space.end();
    await Promise.all([outputs.ended, sockets.untilRead()]);
    sockets.close();
    const { words } = outputs;
    const process = (await ending) ?? null;
    return describeExit({
      ...{ process, log: words.ending, goodbye: sockets.goodbye },
      ...{ isKilled: this.#isKilled, hasHalted: this.#hasHalted },
    });
  }
}
