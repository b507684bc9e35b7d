/** Records whose every change is published, once it is written. */
import type { VmState } from '@banger/contract/api/vms.ts';
import type { Digest } from '@banger/contract/digest.ts';
import type { VmRecord, VmRecordState, VmRecords } from '../store/records/vms.ts';
import type { Change, Publish } from './events.ts';

type Base = { name: string; digest: Digest };
type BaseRecords<Record> = {
  find: (name: string) => Record | null;
  put: (record: Record) => void;
  remove: (name: string) => void;
};

export function announceVms(
  records: VmRecords,
  publish: Publish,
  showState: (state: VmRecordState) => VmState,
): VmRecords {
  const announce = (change: 'made' | 'changed' | 'removed', { id, name, state, fault }: VmRecord) =>
    publish({ is: 'vm', change, id, name, state: showState(state), fault });
  return {
    ...records,
    insert(vm) {
      records.insert(vm);
      announce('made', vm);
    },
    update(vm) {
      records.update(vm);
      announce('changed', vm);
    },
    note(vm) {
      records.note(vm);
      announce('changed', vm);
    },
    remove(id) {
      const vm = records.findById(id);
      records.remove(id);
      if (vm) announce('removed', vm);
    },
  };
}

/** For images and for kernels. */
export function announceBases<Record extends Base, Records extends BaseRecords<Record>>(
  is: 'image' | 'kernel',
  records: Records & BaseRecords<Record>,
  publish: Publish,
): Records {
  const announce = (change: 'named' | 'removed', { name, digest }: Base) =>
    publish({ is, change, name, digest } satisfies Change);
  return {
    ...records,
    put(record: Record) {
      records.put(record);
      announce('named', record);
    },
    remove(name: string) {
      const record = records.find(name);
      records.remove(name);
      if (record) announce('removed', record);
    },
  };
}
