/** What a vm of a test is. */
import type { Digest } from '@banger/contract/digest.ts';
import { parseVmName, type VmId } from '@banger/contract/names.ts';
import type { VmFacts } from './records/vms.ts';

export const SAMPLE_VM: VmFacts = {
  id: '0123456789ab' as VmId,
  name: parseVmName('web'),
  imageName: 'debian',
  imageDigest: `sha256:${'a'.repeat(64)}` as Digest,
  kernelName: 'debian',
  kernelDigest: `sha256:${'b'.repeat(64)}` as Digest,
  cpus: 2,
  memoryBytes: 1,
  diskBytes: 2,
  publish: [],
  hostPorts: [],
  autostart: false,
  driver: 'auto',
  network: 'auto',
  allow: [],
  place: null,
  ephemeral: false,
  machineId: 'f'.repeat(32),
  createdAt: '2026-01-01T00:00:00.000Z',
};
