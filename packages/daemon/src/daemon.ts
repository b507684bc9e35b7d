/**
 * Builds every service and hands it its parts: the one place that knows who gets what, and in which order the daemon
 * comes up and goes down.
 */
import { join } from 'node:path';
import type { DaemonStatus } from '@banger/contract/api/system.ts';
import type { Digest } from '@banger/contract/digest.ts';
import { makeOwnFolder } from '@banger/contract/own-folder.ts';
import { addressOf } from '@banger/contract/privileged/places.ts';
import { VERSION } from '@banger/contract/version.ts';
import { listen } from './api/api-server.ts';
import { createApp } from './api/app.ts';
import { diskSpaceHandlers } from './api/disk-space.ts';
import { doctorHandlers } from './api/doctor.ts';
import { hypervisorHandlers } from './api/hypervisors.ts';
import { imageHandlers } from './api/images.ts';
import { sshHandlers } from './api/ssh.ts';
import { systemHandlers } from './api/system.ts';
import { createUpgrade } from './api/upgrades.ts';
import { vmHandlers } from './api/vms.ts';
import { workspaceHandlers } from './api/workspaces.ts';
import { createBuilder } from './builder/builder.ts';
import { createDiskCapability } from './capabilities/disk.ts';
import { createFileSyncCapability } from './capabilities/file-sync.ts';
import { createHostSettingsCapability, wantedFromHost } from './capabilities/host-settings.ts';
import { createManifestCapability } from './capabilities/manifest.ts';
import { createNetworkCapability } from './capabilities/network.ts';
import { createPublishCapability } from './capabilities/publish.ts';
import { createSshCapability } from './capabilities/ssh.ts';
import { type Config, createConfig } from './config/config.ts';
import { showConfig } from './config/show-config.ts';
import { createDiskSpace } from './disk-space/disk-space.ts';
import { bootCanary } from './doctor/boot-canary.ts';
import { announceBases, announceVms } from './events/announce-records.ts';
import { type Change, createEvents } from './events/events.ts';
import { greetAgent } from './guest/handshake.ts';
import { createDrivers } from './hypervisor/drivers.ts';
import { createFirecrackerDriver } from './hypervisor/firecracker/firecracker.ts';
import { createKvmProof } from './hypervisor/prove-kvm.ts';
import { createQemuDriver } from './hypervisor/qemu/qemu.ts';
import { createShutIn } from './hypervisor/shut-in.ts';
import { createImages } from './images/images.ts';
import { createKernels } from './kernels/kernels.ts';
import { createMachines } from './names/machines.ts';
import { createNames } from './names/names.ts';
import { createUserNetwork } from './network/passt.ts';
import { joinReach } from './network/reach.ts';
import { createRoutedNetwork } from './network/routed.ts';
import { createOperations } from './operations/operations.ts';
import { deadlineAfter } from './platform/deadline.ts';
import { removePartials } from './platform/files.ts';
import { readBootId, readHost } from './platform/host.ts';
import type { Log } from './platform/log.ts';
import { OWNER } from './platform/own-files.ts';
import { takeSingleInstanceLock } from './platform/single-instance.ts';
import { Task } from './platform/task.ts';
import { together } from './platform/together.ts';
import { createPrivileged } from './privileged/privileged.ts';
import { sweepRecovery } from './recover/recover.ts';
import { findUnrecorded, unrecordedUsersOf } from './recover/unrecorded.ts';
import { locateProgram, pulledPrograms } from './releases/pulled.ts';
import { createReleases } from './releases/releases.ts';
import { networkTools, type Settings } from './settings.ts';
import { createSsh } from './ssh/ssh.ts';
import { type Brought, createBrought } from './store/brought.ts';
import type { VmRecord } from './store/records/vms.ts';
import { openStore } from './store/store.ts';
import { createVmFolders } from './store/vm-folders.ts';
import { createVmManifests } from './store/vm-manifest.ts';
import { reachedAt, showState } from './vms/show-vm.ts';
import { startAtBoot } from './vms/start-at-boot.ts';
import { resolveVmDefaults } from './vms/vm-defaults.ts';
import { createVms, type Vms } from './vms/vms.ts';
import { createWorkspaces } from './workspace/workspace.ts';

const CANCEL_TIMEOUT_MS = 15_000;

/** Of the states of a vm, those in which there may be a tap for it */
const mayHaveTap = (state: VmRecord['state']) =>
  state.is === 'starting' || state.is === 'stopping' || (state.is === 'running' && state.network === 'routed');

export type Daemon = {
  stop(): Promise<void>;
  /** Those that are to start at boot, once a boot; nobody waits for them. */
  startMachines(): void;
};

/**
 * Throws FOLDER_UNSAFE, FOLDER_UNUSABLE, DAEMON_ALREADY_RUNNING, STATE_TOO_NEW or STATE_UNREADABLE; nothing was changed
 * then.
 */
export async function startDaemon(settings: Settings, log: Log, requestStop: () => void): Promise<Daemon> {
  const { paths, tools } = settings;
  const now = () => new Date();
  const startedAt = now().toISOString();
  for (const folder of [paths.state, paths.data, paths.cache, paths.runtime]) makeOwnFolder(folder, OWNER);
  const lock = takeSingleInstanceLock(join(paths.state, 'lock.sqlite'));
  const store = openStore(join(paths.state, 'state.sqlite'), { log, now });

  const events = createEvents({ now });
  const imageRecords = announceBases('image', store.images, events.publish);
  const kernelRecords = announceBases('kernel', store.kernels, events.publish);
  const helper = createPrivileged({ socketPath: settings.rootSocket });
  const machines = createMachines({
    list: () => store.vms.list().flatMap(withAddress),
    listTaps: (task) => helper.ask(task, 'list', {}),
  });
  const publishVm = (change: Change) => {
    machines.forget();
    events.publish(change);
    // What it may reach came into force by its start.
    if (change.is === 'vm' && change.state.is === 'running' && change.state.network === 'routed') {
      void machines.noteReach(Task.background()).catch((fault) => log.warn('machines do not find one another', fault));
    }
  };
  const vmRecords = announceVms(store.vms, publishVm, showState);

  const config = createConfig({ folder: paths.config, home: settings.home });
  const resolve = (configured: Config['vmDefaults']) => resolveVmDefaults(readHost(), configured);

  const known = () => ({
    ...{ vms: store.vms.list(), images: store.images.list(), kernels: store.kernels.list() },
    damaged: store.damaged(),
  });
  const unrecorded = () => findUnrecorded(paths, known());
  const usedBy = (field: 'imageDigest' | 'kernelDigest') => (digest: Digest) => [
    ...store.vms.usersOf(field, digest),
    ...unrecordedUsersOf(unrecorded(), field, digest),
  ];
  const areVmsKnown = () => !unrecorded().some(({ kind }) => kind === 'vm');
  const services = { catalogFolder: settings.catalogFolder, areVmsKnown, log, now };
  const images = createImages({
    ...services,
    proxies: settings.proxies,
    records: imageRecords,
    folder: join(paths.data, 'images'),
    usedBy: usedBy('imageDigest'),
    registry: {
      folder: join(paths.cache, 'oci'),
      home: settings.home,
      proxies: settings.proxies,
      readInsecure: async () => (await config.read()).insecureRegistries ?? [],
      nowMs: Date.now,
    },
  });
  const kernels = createKernels({
    ...services,
    proxies: settings.proxies,
    records: kernelRecords,
    folder: join(paths.data, 'kernels'),
    cacheFolder: paths.cache,
    agentPath: settings.agentPath,
    usedBy: usedBy('kernelDigest'),
  });
  const releases = createReleases({
    folder: pulledPrograms(paths),
    catalogFolder: settings.catalogFolder,
    fetching: { hostRoot: settings.hostRoot, proxies: settings.proxies },
    readAddress: async () => (await config.read()).releases,
    log,
    now,
  });
  const folders = createVmFolders({ dataFolder: paths.data, runtimeFolder: paths.runtime });
  const manifests = createVmManifests({ folders, workspaces: store.workspaces, log });
  const brought = createBrought({ folders });
  const userNetwork = createUserNetwork(networkTools(settings));
  const names = createNames({
    ...{ machines, handed: settings.namesSockets, resolversPath: join(settings.hostRoot, 'etc/resolv.conf'), log },
    monotonicMs: () => performance.now(),
    subnetsInUse: () =>
      store.vms.list().flatMap(({ state, place }) => (place && mayHaveTap(state) ? place.subnet : [])),
    helper: {
      publish: (task, subnet) => helper.ask(task, 'publish-names', { subnet }),
      withdraw: (task) => helper.ask(task, 'withdraw-names', {}),
      list: (task) => helper.ask(task, 'list', {}),
    },
  });
  const proveKvm = createKvmProof({
    log,
    ...{ cacheFolder: paths.cache, kvmDevice: settings.kvmDevice },
    helloLimitMs: settings.bootTimeoutMs / 2,
    greet: async (task, machine) => greetAgent(task, await machine.openAgentStream(task)),
  });
  const routedNetwork = createRoutedNetwork({
    helper,
    linkPath: settings.linkPath,
    places: {
      list: () => store.vms.list().flatMap(({ place }) => place ?? []),
      keep: async (id, place) => {
        const vm = store.vms.findById(id);
        if (vm === null) throw new Error(`there is no vm ${id}`);
        vmRecords.update({ ...vm, place });
        await manifests.writeWhenPossible({ ...vm, place });
      },
    },
    publishNames: names.publish,
    listConnected: () => store.vms.list().flatMap(({ id, state }) => (mayHaveTap(state) ? [id] : [])),
    log,
  });
  const readReach = async (vm: VmRecord) => joinReach(await config.read(), vm);
  const startVmm = createShutIn({ alsoSeen: settings.hypervisorSees });
  const drivers = createDrivers([
    createFirecrackerDriver({
      findProgram: () => locateProgram(pulledPrograms(paths), tools.firecracker),
      ...{ linkPath: settings.linkPath, kvmDevice: settings.kvmDevice, startVmm, log, proveKvm },
    }),
    createQemuDriver({ qemuPath: tools.qemu, startVmm, log, proveKvm }),
  ]);
  const sshKey = async () => (await config.read()).sshKey;
  const ssh = createSsh({ paths, folders, commandPath: settings.commandPath, sshKey });
  const publish = createPublishCapability({
    connect: async (task, { id }, port) => (await vms.guest(task, id)).connect(task, port),
    use: ({ id }) => vms.use(id),
    log,
  });
  const disk = createDiskCapability({ folders, log });
  const capabilities = [
    disk,
    createNetworkCapability({ folders, user: userNetwork, routed: routedNetwork, readReach }),
    createFileSyncCapability({
      ...{ home: settings.home, brought, now },
      readWanted: async () => (await config.read()).fileSync,
    }),
    createHostSettingsCapability({
      hostRoot: settings.hostRoot,
      proxies: settings.proxies,
      readWanted: async (vm) => {
        const [{ inside }, { hostPorts }] = [await config.read(), await readReach(vm)];
        return { ...inside, hostPorts };
      },
      brought,
      now,
    }),
    createSshCapability({ ssh }),
    publish,
    createManifestCapability({ manifests }),
  ];
  const vms: Vms = createVms({
    records: vmRecords,
    folders,
    capabilities,
    drivers,
    images,
    kernels,
    log,
    now,
    monotonicMs: () => performance.now(),
    readHost,
    mayOvercommit: async () => (await config.read()).mayOvercommit ?? true,
    readIdleLimitMs: async () => (await config.read()).idleStopAfterMs,
    readFromHost: async () => wantedFromHost((await config.read()).inside),
    readDefaults: async () => resolve((await config.read()).vmDefaults),
    readBrought: async (id) => ({
      ...(brought.read(id) ?? broughtBy(await config.read())),
      workspaces: store.workspaces.list(id).map(({ path }) => path.slice(1)),
    }),
    bootTimeoutMs: settings.bootTimeoutMs,
  });
  const workspaces = createWorkspaces({
    records: {
      list: store.workspaces.list,
      put: async (record) => {
        store.workspaces.put(record);
        const vm = store.vms.findById(record.vmId);
        if (vm?.state.is === 'running') await manifests.writeWhenPossible(vm);
      },
    },
    folders,
    vms,
    ownerEnv: settings.ownerEnv,
    scratchFolder: join(paths.cache, 'workspaces'),
    log,
    now,
  });
  const operations = createOperations({
    log,
    now,
    onChange: (change, operation) => events.publish({ is: 'operation', change, operation }),
  });
  const isMaking = () =>
    operations
      .list()
      .some(({ kind, state }) => state === 'running' && /^vm\.create|\.(pull|import|build|commit)$/.test(kind));
  const keepsDeleted = ({ state }: VmRecord) =>
    state.is === 'stopped' || (state.is === 'running' && !drivers.of(state.machine).abilities.givesBackSpace);
  const builder = createBuilder({ vms, images, builtFile: join(paths.cache, 'built.json'), log });
  const diskSpace = createDiskSpace({
    ...{ paths, known, unrecorded, vms, images, kernels, releases, isMaking },
    isRebuilt: builder.isRebuilt,
    estimateComingBack: (task) => disk.estimate(task, store.vms.list().filter(keepsDeleted)),
  });

  await vms.reconcile();
  await manifests.refresh(store.vms.list());
  await together(Task.background(), [
    () => images.sweep(),
    () => kernels.sweep(),
    () => releases.sweep(),
    () => workspaces.sweep(store.vms.list().map(({ id }) => id)),
    () => sweepRecovery(paths.state),
    () => removePartials(paths.cache),
  ]);
  await ssh.refreshConfig(Task.background()).catch((fault) => log.warn('the ssh config could not be refreshed', fault));

  await names.begin(
    store.vms
      .list()
      .flatMap(({ place }) => place?.subnet ?? [])
      .at(-1) ?? null,
  );
  const handlers = {
    ...vmHandlers({ vms, operations }),
    ...workspaceHandlers({ vms, workspaces, operations }),
    ...imageHandlers({ images, builder, kernels, operations }),
    ...hypervisorHandlers({ releases, operations }),
    ...diskSpaceHandlers({ operations, diskSpace }),
    ...doctorHandlers({ operations, bootCanary: (task) => bootCanary(task, { vms }) }),
    ...sshHandlers({ vms, ssh }),
    ...systemHandlers({ operations, events, status, requestStop, configShown: () => showConfig(config, resolve) }),
  };
  const stopping = new AbortController();
  const server = await listen({
    app: createApp({ handlers, log, ending: stopping.signal }),
    upgrade: createUpgrade({ vms, log, ending: stopping.signal }),
    folder: paths.runtime,
    socketPath: settings.socketPath,
  });
  store.beginUpkeep();
  log.info(`listening on ${settings.socketPath}, version ${VERSION}, pid ${process.pid}`);
  return { stop, startMachines };

  function startMachines(): void {
    startAtBoot({
      list: store.vms.list,
      start: (name) => operations.begin('vm.start', name, (task) => vms.start(task, name, 'agent')).result,
      ...{ markPath: join(paths.state, 'started-at-boot'), bootId: readBootId(), signal: stopping.signal, log },
    }).catch((fault) => log.warn('machines that start at boot were not all started', fault));
  }

  async function status(): Promise<DaemonStatus> {
    const all = store.vms.list();
    return {
      version: VERSION,
      pid: process.pid,
      startedAt,
      memoryBytes: process.memoryUsage.rss(),
      vms: { total: all.length, running: all.filter((vm) => vm.state.is === 'running').length },
      paths,
    };
  }

  /** Undoes what is under way and lets go of the machines, which go on. */
  async function stop(): Promise<void> {
    log.info('stopping');
    server.close();
    stopping.abort();
    await operations.cancelAll(deadlineAfter(CANCEL_TIMEOUT_MS));
    await vms.removeEphemeral();
    publish.releaseAll();
    names.close();
    await vms.releaseAll();
    server.closeAllConnections();
    store.close();
    lock[Symbol.dispose]();
    log.info('stopped');
  }
}

/** What a start would bring into a vm of which nobody noted that */
function broughtBy({ fileSync, inside }: Config): Brought {
  return { files: fileSync.map(({ to }) => to.slice(1)), hasTimeZone: inside.timeZone === true };
}

function withAddress(vm: VmRecord) {
  if (vm.place === null) return [];
  const { id, name, place } = vm;
  return [{ id, name, address: addressOf(place), isRunning: reachedAt(vm) !== null }];
}
