/** The vms. `state` is the intent: it is written before the host is touched, and reconcile goes by it. */
import type { DatabaseSync } from 'node:sqlite';
import { digestSchema } from '@banger/contract/api/images.ts';
import {
  allowSchema,
  driverChoiceSchema,
  hostPortsSchema,
  networkChoiceSchema,
  publishedSchema,
  runNetworkSchema,
  stopReasonSchema,
} from '@banger/contract/api/vms.ts';
import type { Digest } from '@banger/contract/digest.ts';
import { isVmId, isVmName, type VmId } from '@banger/contract/names.ts';
import { placeSchema } from '@banger/contract/privileged/places.ts';
import { z } from 'zod';
import { machineRefSchema } from '../../hypervisor/hypervisor.ts';
import { createTable } from '../table.ts';
import type { Writes } from '../writes.ts';
import { catalogNameSchema, imageNameSchema } from './named.ts';

const at = z.iso.datetime();
const count = z.int().min(1);

const stateSchema = z.discriminatedUnion('is', [
  z.object({ is: z.literal('creating') }),
  z.object({ is: z.literal('stopped'), why: stopReasonSchema, at }),
  z.object({ is: z.literal('starting') }),
  // An earlier version wrote down none.
  z.object({
    is: z.literal('running'),
    since: at,
    machine: machineRefSchema,
    network: runNetworkSchema.default('user'),
  }),
  z.object({ is: z.literal('stopping'), machine: machineRefSchema }),
  z.object({ is: z.literal('removing') }),
]);

const faultSchema = z.object({ code: z.string(), message: z.string(), at });

/** What a vm is, whatever it does at the moment: what its folder tells of it as well */
export const vmFactsSchema = z.object({
  id: z.string().refine(isVmId, 'it is no id of a vm'),
  name: z.string().refine(isVmName, 'it is no name of a vm'),
  imageName: imageNameSchema,
  imageDigest: digestSchema,
  kernelName: catalogNameSchema,
  kernelDigest: digestSchema,
  cpus: count,
  memoryBytes: count,
  diskBytes: count,
  /** Folders that an earlier version described have none */
  publish: publishedSchema.default([]),
  hostPorts: hostPortsSchema.default([]),
  /** The one it wants; that of a run is in its state */
  driver: driverChoiceSchema.default('auto'),
  network: networkChoiceSchema.default('auto'),
  allow: allowSchema.default([]),
  /** Its address, from the first start that gave it one to its removal */
  place: placeSchema.nullable().default(null),
  autostart: z.boolean().default(false),
  ephemeral: z.boolean(),
  /** 32 hex digits, the guest's /etc/machine-id */
  machineId: z.string().regex(/^[0-9a-f]{32}$/, 'it is no machine id'),
  createdAt: at,
});

const vmRecordSchema = vmFactsSchema.extend({ state: stateSchema, fault: faultSchema.nullable() });

export type VmFacts = z.infer<typeof vmFactsSchema>;
export type VmRecord = z.infer<typeof vmRecordSchema>;
export type VmRecordState = VmRecord['state'];
export type VmFault = z.infer<typeof faultSchema>;

export type VmRecords = ReturnType<typeof createVmRecords>;

export function createVmRecords(database: DatabaseSync, writes: Writes, onRemove: (id: VmId) => void) {
  const table = createTable<VmRecord>({
    ...{ database, writes, name: 'vms', key: ['id'], schema: vmRecordSchema },
    json: ['state', 'fault', 'publish', 'hostPorts', 'allow', 'place'],
    flags: ['autostart', 'ephemeral'],
  });
  return {
    list,
    findById: (id: string) => table.find(id),
    findByName,
    /** Names of the vms that were made from a digest, of damaged records too */
    usersOf,
    insert: table.insert,
    update: table.put,
    /** What tells that something ends: it counts at once, and is written when the disk has room */
    note: table.putWhenPossible,
    remove: (id: VmId) => {
      const row = table.find(id);
      if (row) table.remove(row);
      onRemove(id);
    },
    damaged: table.damaged,
  };

  /** The oldest first */
  function list(): VmRecord[] {
    return table.list().sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
  }

  /** Throws STATE_UNREADABLE for one whose row is damaged: its name is taken. */
  function findByName(name: string): VmRecord | null {
    const found = table.list().find((row) => row.name === name);
    if (!found) table.refuseDamaged((raw) => raw.name === name);
    return found ?? null;
  }

  function usersOf(field: 'imageDigest' | 'kernelDigest', digest: Digest): string[] {
    const rows = [...list(), ...table.damaged.map(({ row }) => row)];
    return rows.flatMap((row) => (row[field] === digest ? [String(row.name)] : []));
  }
}

function orderOf({ createdAt, name }: VmRecord): string {
  return `${createdAt} ${name}`;
}
