/** The hypervisors that run vms, and what a vm may ask for. */
export const DRIVER_NAMES = ['firecracker', 'qemu'] as const;

/** `auto`: the best that works on this host, chosen anew for each run */
export const DRIVER_CHOICES = ['auto', ...DRIVER_NAMES] as const;
