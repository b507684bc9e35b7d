/** The vms. `state` is the intent: it is written before the host is touched, and reconcile goes by it. */
import type { DatabaseSync } from 'node:sqlite';
import type { StopReason } from '@banger/contract/api/vms.ts';
import type { VmId, VmName } from '@banger/contract/names.ts';
import type { MachineRef } from '../../hypervisor/hypervisor.ts';

export type VmRecordState =
  | { is: 'creating' }
  | { is: 'stopped'; why: StopReason; at: string }
  | { is: 'starting' }
  | { is: 'running'; since: string; machine: MachineRef }
  | { is: 'stopping'; machine: MachineRef }
  | { is: 'removing' };

export type VmFault = { code: string; message: string; at: string };

export type VmRecord = {
  id: VmId;
  name: VmName;
  state: VmRecordState;
  fault: VmFault | null;
  imageName: string;
  imageDigest: string;
  kernelName: string;
  kernelDigest: string;
  cpus: number;
  memoryBytes: number;
  diskBytes: number;
  ephemeral: boolean;
  /** 32 hex digits, the guest's /etc/machine-id */
  machineId: string;
  createdAt: string;
};

type Row = Omit<VmRecord, 'state' | 'fault' | 'ephemeral'> & { state: string; fault: string | null; ephemeral: number };

export type VmRecords = ReturnType<typeof createVmRecords>;

export function createVmRecords(database: DatabaseSync) {
  const columns = `id, name, state, fault, image_name AS imageName, image_digest AS imageDigest,
    kernel_name AS kernelName, kernel_digest AS kernelDigest, cpus, memory_bytes AS memoryBytes,
    disk_bytes AS diskBytes, ephemeral, machine_id AS machineId, created_at AS createdAt`;
  const all = database.prepare(`SELECT ${columns} FROM vms ORDER BY created_at, name`);
  const byId = database.prepare(`SELECT ${columns} FROM vms WHERE id = ?`);
  const byName = database.prepare(`SELECT ${columns} FROM vms WHERE name = ?`);
  const insert = database.prepare(
    `INSERT INTO vms (id, name, state, fault, image_name, image_digest, kernel_name, kernel_digest, cpus,
       memory_bytes, disk_bytes, ephemeral, machine_id, created_at)
     VALUES (:id, :name, :state, :fault, :imageName, :imageDigest, :kernelName, :kernelDigest, :cpus,
       :memoryBytes, :diskBytes, :ephemeral, :machineId, :createdAt)`,
  );
  const update = database.prepare(
    `UPDATE vms SET state = :state, fault = :fault, cpus = :cpus, memory_bytes = :memoryBytes,
       disk_bytes = :diskBytes WHERE id = :id`,
  );
  const remove = database.prepare('DELETE FROM vms WHERE id = ?');
  return {
    list: () => (all.all() as Row[]).map(fromRow),
    findById: (id: string) => fromRowOrNull(byId.get(id) as Row | undefined),
    findByName: (name: string) => fromRowOrNull(byName.get(name) as Row | undefined),
    insert: (record: VmRecord) => void insert.run(toRow(record)),
    /** Writes what can change: state, fault, cpus, memory, disk size */
    update: ({ id, state, fault, cpus, memoryBytes, diskBytes }: VmRecord) =>
      void update.run({
        id,
        state: JSON.stringify(state),
        fault: fault && JSON.stringify(fault),
        cpus,
        memoryBytes,
        diskBytes,
      }),
    remove: (id: VmId) => void remove.run(id),
  };
}

function fromRowOrNull(row: Row | undefined): VmRecord | null {
  return row ? fromRow(row) : null;
}

function fromRow(row: Row): VmRecord {
  return {
    ...row,
    state: JSON.parse(row.state),
    fault: row.fault === null ? null : JSON.parse(row.fault),
    ephemeral: row.ephemeral === 1,
  };
}

function toRow(record: VmRecord): Row {
  return {
    ...record,
    state: JSON.stringify(record.state),
    fault: record.fault && JSON.stringify(record.fault),
    ephemeral: record.ephemeral ? 1 : 0,
  };
}
