/** A record and what lasts as long as the vm: nothing runs yet. */
import { randomBytes } from 'node:crypto';
import type { VmCreate } from '@banger/contract/api/vms.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { parseVmName, type VmId, type VmName } from '@banger/contract/names.ts';
import { formatMib, formatSize } from '@banger/contract/sizes.ts';
import type { Task } from '../platform/task.ts';
import { UndoStack } from '../platform/undo-stack.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { checkMemory } from './check-memory.ts';
import { checkNetwork } from './check-network.ts';
import { sizeOf } from './vm-defaults.ts';
import { generateVmName } from './vm-names.ts';
import { moveVm, type VmParts } from './vm-parts.ts';

/** A request whose name was chosen, see `chooseName`. */
export type NamedVmCreate = VmCreate & { name: VmName };

export async function createVm(task: Task, parts: VmParts, request: NamedVmCreate): Promise<VmRecord> {
  const { name } = request;
  refuseTakenName(parts, name);
  const host = parts.readHost();
  const defaults = await parts.readDefaults();
  const size = { ...sizeOf(defaults), ...definedSizes(request) };
  const driver = request.driver ?? defaults.driver.value;
  const network = request.network ?? defaults.network.value;
  const [hostPorts, allow] = [request.hostPorts ?? [], request.allow ?? []];
  task.note(`spec: ${size.cpus} vcpu · ${formatMib(size.memoryBytes)} · ${formatSize(size.diskBytes)} disk`);
  checkMemory(size.memoryBytes, host);
  checkNetwork({ network, hostPorts, allow });
  parts.drivers.checkLimits({ driver, cpus: size.cpus });
  await parts.drivers.checkHere(task, { driver, cpus: size.cpus });
  const image = await parts.images.findOrPull(task, request.image, {
    ...(request.pull && { pull: request.pull }),
    ...(request.access && { access: request.access }),
  });
  const kernel = await parts.kernels.findOrPull(task, request.kernel);

  await using undo = new UndoStack(parts.log);
  const vm: VmRecord = {
    id: randomBytes(6).toString('hex') as VmId,
    name,
    state: { is: 'creating' },
    fault: null,
    imageName: image.name,
    imageDigest: image.digest,
    kernelName: kernel.name,
    kernelDigest: kernel.digest,
    ...size,
    publish: request.publish ?? [],
    ...{ hostPorts, driver, network, allow, place: null },
    autostart: request.autostart ?? false,
    ephemeral: request.ephemeral ?? false,
    machineId: randomBytes(16).toString('hex'),
    createdAt: parts.now().toISOString(),
  };
  refuseTakenName(parts, name); // once more: another one may have been made while the image was pulled
  undo.add('forget the vm', () => parts.records.remove(vm.id));
  parts.records.insert(vm);

  task.step('make the disk');
  for (const capability of parts.capabilities) {
    undo.add(`remove ${capability.name}`, () => capability.remove?.(vm));
    await capability.create?.(task, vm);
  }
  task.check();
  const created = moveVm(parts, vm, { is: 'stopped', why: 'new', at: parts.now().toISOString() });
  undo.keep();
  return created;
}

/** The wanted name, checked, or a generated one. Throws BAD_NAME or VM_EXISTS. */
export function chooseName({ records }: Pick<VmParts, 'records'>, wanted: string | undefined): VmName {
  if (wanted === undefined) return generateVmName((name) => records.findByName(name) !== null);
  const name = parseVmName(wanted);
  refuseTakenName({ records }, name);
  return name;
}

function refuseTakenName({ records }: Pick<VmParts, 'records'>, name: VmName): void {
  if (!records.findByName(name)) return;
  throw new BangerError('VM_EXISTS', {
    message: `There is a vm named "${name}" already.`,
    hint: `Choose another name, enter it with "banger vm exec ${name} -- bash", or remove it with "banger vm rm ${name}".`,
    details: { name },
  });
}

function definedSizes({ cpus, memoryBytes, diskBytes }: VmCreate) {
  return {
    ...(cpus !== undefined && { cpus }),
    ...(memoryBytes !== undefined && { memoryBytes }),
    ...(diskBytes !== undefined && { diskBytes }),
  };
}
