/** Decides what Firecracker is told: a finished plan in, its configuration and its arguments out. */
import { BangerError } from '@banger/contract/errors.ts';
import type { MachinePlan } from '../hypervisor.ts';
import { ownFolder } from '../shut-in.ts';

/** What the kernel's command line may take, its end included */
const MAX_COMMAND_LINE_BYTES = 2048;
/** "pci=off", and where each device is, which Firecracker adds to the command line */
const ADDED_BYTES = { once: 16, byDevice: 48 };

// A guest ends its machine by a reset through the keyboard's controller, which needs no driver for it: so the kernel looks
// for no mouse and no second keyboard behind it, which would take tens of milliseconds.
const KERNEL_ARGUMENTS = ['reboot=k', 'i8042.noaux', 'i8042.nomux', 'i8042.nopnp', 'i8042.dumbkbd'];

/** The same as QEMU's, so that a guest finds the same card whoever runs it. There is one machine behind each link. */
const GUEST_MAC = '52:54:00:12:34:56';

/** The device that carries the frames of a stream, in a network of its own */
export const TAP_OF_STREAM = 'fc0';

/** The guest's own address on its line; the lines of other machines are other sockets. */
const GUEST_CID = 3;

/** The keys as Firecracker spells them. The console is its standard output: its configuration has no key for that. */
export function planConfig(plan: MachinePlan) {
  const device = plan.network?.by === 'tap' ? plan.network.device : plan.network && TAP_OF_STREAM;
  const interfaces = device === null ? [] : [{ iface_id: 'eth0', host_dev_name: device, guest_mac: GUEST_MAC }];
  return {
    'boot-source': {
      kernel_image_path: plan.kernelPath,
      initrd_path: plan.initramfsPath,
      boot_args: kernelCommandLine(plan, plan.drives.length + interfaces.length + 3),
    },
    'machine-config': { vcpu_count: plan.cpus, mem_size_mib: Math.ceil(plan.memoryBytes / 2 ** 20), smt: false },
    // Without a root device they keep their order. Writeback: the guest's flushes become fsync on the host's file.
    drives: plan.drives.map(({ path, readOnly }, index) => ({
      ...{ drive_id: `drive${index}`, path_on_host: path, is_root_device: false, is_read_only: readOnly },
      ...{ cache_type: 'Writeback', io_engine: 'Sync' },
    })),
    'network-interfaces': interfaces,
    vsock: { guest_cid: GUEST_CID, uds_path: VSOCK_NAME },
    entropy: {},
    // It stays empty: the guest tells of pages that it has freed, and they are the host's again.
    balloon: { amount_mib: 0, deflate_on_oom: true, free_page_reporting: true },
  };
}

/** Relative, to the folder in which Firecracker runs: what a guest connects to is its name and the port. */
const VSOCK_NAME = 'v.sock';

/** What of a run is where. Firecracker sees its own folder, and of the rest only the configuration. */
export function machineFiles(runtimeFolder: string) {
  const own = ownFolder(runtimeFolder);
  return {
    api: `${own}/api.sock`,
    vsock: `${own}/${VSOCK_NAME}`,
    /** Where the daemon listens for what a guest connects to */
    guestPort: (port: number) => `${own}/${VSOCK_NAME}_${port}`,
    config: `${runtimeFolder}/config.json`,
    consoleFifo: `${runtimeFolder}/console.fifo`,
    logFifo: `${runtimeFolder}/hypervisor.fifo`,
    /** Says why what carries its network has ended; for who looks, since passt ends with it */
    networkEnded: `${own}/network.ended`,
    /** Leads to the vm's own file, for a daemon that adopts the machine */
    logLink: `${runtimeFolder}/hypervisor.log`,
    /** Is there while the machine is stopped for want of space */
    stalled: `${runtimeFolder}/stalled`,
  };
}

export function planArguments({ vmId, runtimeFolder }: Pick<MachinePlan, 'vmId' | 'runtimeFolder'>): string[] {
  const { api, config } = machineFiles(runtimeFolder);
  // Its log goes where its standard error goes; by that name it opens it so that it never waits for a reader.
  return ['--id', vmId, '--log-path', '/proc/self/fd/2', '--level', 'Info', '--config-file', config, '--api-sock', api];
}

function kernelCommandLine({ kernelArguments }: MachinePlan, devices: number): string {
  const line = [...kernelArguments, ...KERNEL_ARGUMENTS].join(' ');
  const maxBytes = MAX_COMMAND_LINE_BYTES - 1 - ADDED_BYTES.once - devices * ADDED_BYTES.byDevice;
  if (Buffer.byteLength(line) <= maxBytes) return line;
  throw new BangerError('DRIVER_LIMIT', {
    message: `The kernel's command line would have ${Buffer.byteLength(line)} bytes; with Firecracker ${maxBytes} are left for it.`,
    hint: 'A shorter name of the vm, or fewer search domains on the host, make it shorter; with "--driver qemu" there is more room.',
    details: { lineBytes: Buffer.byteLength(line), maxBytes },
  });
}
