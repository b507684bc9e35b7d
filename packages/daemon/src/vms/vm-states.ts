/** The moves a vm may make. Whoever changes a state goes through `assertMove`. */
import { BangerError, type ErrorCode } from '@banger/contract/errors.ts';
import type { VmRecord, VmRecordState } from '../store/records/vms.ts';

type State = VmRecordState['is'];

const MOVES: Record<State, readonly State[]> = {
  creating: ['stopped', 'removing'],
  stopped: ['starting', 'removing'],
  starting: ['running', 'stopped', 'removing'],
  running: ['stopping', 'stopped', 'removing'],
  stopping: ['stopped', 'removing'],
  removing: [],
};

export function canMove(from: State, to: State): boolean {
  return MOVES[from].includes(to);
}

/** A wrong move is a fault of ours: what a user may ask for is checked by `expectState`. */
export function assertMove(from: State, to: State): void {
  if (!canMove(from, to)) throw new Error(`a vm cannot go from ${from} to ${to}`);
}

/** Throws VM_WRONG_STATE unless the vm is in the wanted state. */
export function expectState<Wanted extends State>(
  vm: VmRecord,
  wanted: Wanted,
  doing: string,
): asserts vm is VmRecord & { state: Extract<VmRecordState, { is: Wanted }> } {
  if (vm.state.is === wanted) return;
  const code: ErrorCode = 'VM_WRONG_STATE';
  throw new BangerError(code, {
    message: `"${vm.name}" is ${vm.state.is}; only a ${wanted} vm can be ${doing}.`,
    hint: hintFor(vm, wanted),
    details: { vm: vm.name, state: vm.state.is, wanted },
  });
}

function hintFor({ name, state }: VmRecord, wanted: State): string {
  if (wanted === 'running' && state.is === 'stopped') return `Run "banger vm start ${name}" first.`;
  if (wanted === 'stopped' && state.is === 'running') return `Run "banger vm stop ${name}" first.`;
  return `"banger vm show ${name}" tells what it is doing.`;
}
