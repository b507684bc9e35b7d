/** Which records there should be, as a decision over what the state, its copies and the folders say. */

import type { RecoveredItem } from '@banger/contract/api/recovery.ts';
import type { RunNetwork } from '@banger/contract/api/vms.ts';
import { type Digest, hexOf } from '@banger/contract/digest.ts';
import type { VmId, VmName } from '@banger/contract/names.ts';
import type { BaseName } from '../bases/names-file.ts';
import type { MachineRef } from '../hypervisor/hypervisor.ts';
import type { ImageRecord } from '../store/records/images.ts';
import type { KernelRecord } from '../store/records/kernels.ts';
import type { VmRecord, VmRecordState } from '../store/records/vms.ts';
import type { WorkspaceRecord } from '../store/records/workspaces.ts';
import { newestOf, type VmManifest } from '../store/vm-manifest.ts';

/** All records of one database */
export type StateRecords = {
  vms: VmRecord[];
  workspaces: WorkspaceRecord[];
  images: ImageRecord[];
  kernels: KernelRecord[];
};

export type VmFolderFound = {
  id: VmId;
  hasDisk: boolean;
  manifest: VmManifest | null;
  /** Of the run that may be going on */
  run: { machine: MachineRef; network: RunNetwork } | null;
};

export type BaseFolderFound<Facts> = {
  digest: Digest;
  names: BaseName[] | null;
  /** Null when the files are not there as the folder says, or not those of its digest */
  facts: Facts | null;
  /** They are there, and do not match the digest */
  isDamaged: boolean;
};
export type ImageFacts = Pick<ImageRecord, 'digest' | 'sizeBytes' | 'config'>;
export type KernelFacts = Pick<KernelRecord, 'digest' | 'sizeBytes' | 'release'>;

export type Findings = {
  /** The state, when it can be read */
  present: StateRecords | null;
  /** What else could be read, the newest first */
  copies: StateRecords[];
  vms: VmFolderFound[];
  images: BaseFolderFound<ImageFacts>[];
  kernels: BaseFolderFound<KernelFacts>[];
};

export type RecoveryPlan = {
  records: StateRecords;
  items: RecoveredItem[];
  /** Folders below that of the data which get another name, so that nothing boots what is in them */
  setAside: { from: string; to: string }[];
};

export function planRecovery(findings: Findings, at: string): RecoveryPlan {
  const vms = planVms(findings, at);
  const images = planBases<ImageFacts, ImageRecord>('image', findings, findings.images, at);
  const kernels = planBases<KernelFacts, KernelRecord>('kernel', findings, findings.kernels, at);
  return {
    records: { vms: vms.records, workspaces: vms.workspaces, images: images.records, kernels: kernels.records },
    items: [...vms.items, ...images.items, ...kernels.items],
    setAside: [...images.setAside, ...kernels.setAside],
  };
}

function planVms({ present, copies, vms: folders }: Findings, at: string) {
  const items: RecoveredItem[] = [];
  const records: VmRecord[] = [];
  const workspaces: WorkspaceRecord[] = [];
  const add = (record: VmRecord, item: Omit<RecoveredItem, 'kind' | 'name'>, from: (StateRecords | VmManifest)[]) => {
    records.push(record);
    items.push({ kind: 'vm', name: record.name, ...item });
    workspaces.push(...mergeWorkspaces(record.id, from));
  };

  for (const known of present?.vms ?? []) {
    const folder = folders.find(({ id }) => id === known.id);
    // A change of what the vm is goes to its folder before it goes to the state.
    const record = { ...known, ...folder?.manifest?.vm, name: known.name };
    const note = folder?.hasDisk || isPassing(known) ? null : 'its disk is gone; "banger vm rm" forgets it';
    add(record, { is: 'known', note }, [present as StateRecords, ...(folder?.manifest ? [folder.manifest] : [])]);
  }
  for (const folder of folders.toSorted((a, b) => (createdAt(a) < createdAt(b) ? -1 : 1))) {
    if (records.some(({ id }) => id === folder.id)) continue;
    const copied = copies.flatMap(({ vms }) => vms).find(({ id }) => id === folder.id);
    const facts = folder.manifest?.vm ?? copied;
    if (!facts || !folder.hasDisk || facts.ephemeral) {
      items.push({ kind: 'vm', name: `vms/${folder.id}`, is: 'left', note: whyLeft(folder, facts) });
      continue;
    }
    const name = freeName(facts.name, folder.id, records);
    const from = `from its ${folder.manifest ? 'folder' : 'copy'}`;
    const note = name === facts.name ? from : `${from}; another vm has its name ${facts.name}`;
    const record = { ...facts, name, state: recoveredState(folder, copied, at), fault: null };
    add(record, { is: 'recovered', note }, [...(folder.manifest ? [folder.manifest] : []), ...copies]);
  }
  return { records, workspaces, items };
}

/** Reconcile finishes or removes it when the daemon starts. */
function isPassing({ state, ephemeral }: VmRecord): boolean {
  return ephemeral || state.is === 'creating' || state.is === 'removing';
}

function createdAt({ manifest, id }: VmFolderFound): string {
  return `${manifest?.vm.createdAt ?? ''} ${id}`;
}

function whyLeft({ hasDisk }: VmFolderFound, facts: { ephemeral: boolean } | undefined): string {
  if (facts?.ephemeral) return 'it was ephemeral, for one command only';
  if (!hasDisk) return 'it has no disk';
  return 'nothing tells what it is';
}

/** Its machine may still run: the next daemon adopts it, or finds that it has ended. */
function recoveredState({ run }: VmFolderFound, copied: VmRecord | undefined, at: string): VmRecordState {
  if (run) return { is: 'running', since: at, ...run };
  return copied?.state.is === 'stopped' ? copied.state : { is: 'stopped', why: 'recovered', at };
}

function freeName(name: VmName, id: VmId, taken: readonly VmRecord[]): VmName {
  const isTaken = taken.some((record) => record.name === name);
  return isTaken ? (`${name.slice(0, 50)}-${id}` as VmName) : name;
}

function mergeWorkspaces(vmId: VmId, sources: readonly (StateRecords | VmManifest)[]): WorkspaceRecord[] {
  const all = sources.flatMap(({ workspaces }) => workspaces);
  const own = all.filter((workspace) => !('vmId' in workspace) || workspace.vmId === vmId);
  return newestOf(own).map((workspace) => ({ ...workspace, vmId }));
}

type BaseRow = ImageRecord | KernelRecord;
type Candidate<Row> = { row: Row; isPresent: boolean; from: 'folder' | 'copy' | null };

/** Each name goes to the newest of those that claim it, among digests that are here. */
function planBases<Facts extends object, Row extends BaseRow>(
  kind: 'image' | 'kernel',
  { present, copies }: Findings,
  folders: readonly BaseFolderFound<Facts>[],
  at: string,
): { records: Row[]; items: RecoveredItem[]; setAside: RecoveryPlan['setAside'] } {
  const known = (present?.[`${kind}s`] ?? []) as BaseRow[] as Row[];
  const copied = copies.flatMap((copy): BaseRow[] => copy[`${kind}s`]) as Row[];
  const candidates = new Map<string, Candidate<Row>>();
  const isHere = ({ digest }: Pick<Row, 'digest'>) =>
    folders.some((folder) => folder.digest === digest && folder.facts !== null);
  const isBetter = (row: Row, than: Row) =>
    isHere(row) === isHere(than) ? row.createdAt > than.createdAt : isHere(row);
  const offer = (candidate: Candidate<Row>) => {
    const best = candidates.get(candidate.row.name);
    if (!best || isBetter(candidate.row, best.row)) candidates.set(candidate.row.name, candidate);
  };

  for (const row of known) offer({ row, isPresent: true, from: null });
  for (const { digest, names, facts } of folders) {
    if (facts === null) continue;
    for (const name of names ?? [])
      offer({ row: { ...facts, ...name } as unknown as Row, isPresent: false, from: 'folder' });
    if (names !== null) continue;
    for (const row of copied.filter((each) => each.digest === digest)) offer({ row, isPresent: false, from: 'copy' });
  }

  const records = [...candidates.values()].map(({ row }) => row);
  const items = [...candidates.values()].map(({ row, isPresent, from }): RecoveredItem => {
    if (!isPresent) return { kind, name: row.name, is: 'recovered', note: `from its ${from}` };
    if (isHere(row)) return { kind, name: row.name, is: 'known', note: null };
    const why = folders.some(({ digest }) => digest === row.digest) ? 'not as they were left' : 'gone';
    return { kind, name: row.name, is: 'known', note: `its files are ${why}; "banger ${kind} rm" forgets it` };
  });
  const left = folders.filter(({ facts, names, digest }) => {
    return facts === null || (names === null && !records.some((row) => row.digest === digest));
  });
  const setAside: RecoveryPlan['setAside'] = [];
  for (const { digest, facts, isDamaged } of left) {
    const from = `${kind}s/${hexOf(digest)}`;
    const to = `${from}.damaged-${stampOf(at)}`;
    if (isDamaged) setAside.push({ from, to });
    const incomplete = isDamaged
      ? `its files do not match its digest: set aside as ${to}`
      : 'its files are not complete';
    items.push({ kind, name: from, is: 'left', note: facts === null ? incomplete : 'nothing tells its name' });
  }
  return { records, items, setAside };
}

/** A moment as part of a file's name */
export function stampOf(at: string): string {
  return at.replaceAll(/[-:.]/g, '');
}
