/** Answers at what it was handed, until its standard input ends. A program of its own, as the daemon is. */
import { once } from 'node:events';
import type { VmId, VmName } from '@banger/contract/names.ts';
import { handedDescriptors } from '../../platform/handed-descriptors.ts';
import { createNames } from '../names.ts';

const web = { id: '000000000001' as VmId, name: 'web' as VmName, address: '192.0.2.1' };
const names = createNames({
  machines: {
    byNameOrId: () => ({ ...web, isRunning: true, reachesMachines: false }),
    byAddress: () => null,
    noteReach: async () => {},
  },
  handed: handedDescriptors(process.env, process.pid).map(({ descriptor }) => descriptor),
  resolversPath: '/dev/null',
  monotonicMs: () => performance.now(),
  log: { info: () => {}, warn: () => {} },
  subnetsInUse: () => [],
  helper: {
    publish: () => Promise.reject(new Error('nobody asks')),
    withdraw: async () => {},
    list: async () => ({ taps: [], names: [] }),
  },
});
await names.begin(null);
process.stdout.write('serves\n');
await once(process.stdin.resume(), 'end');
names.close();
