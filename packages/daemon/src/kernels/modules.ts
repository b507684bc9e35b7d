/** Which modules a machine needs before its root is there, and in what order. Plain text in, plain values out. */

/** What boots a machine, on any machine type; a kernel has each as a module or built in */
export const REQUIRED_MODULES = [
  'virtio_pci',
  'virtio_blk',
  'virtio_console',
  'virtio_net',
  'squashfs',
  'ext4',
  'overlay',
] as const;

/** Loaded too where the kernel has them: another transport, early entropy, memory that goes back, what ext4 asks for at mount */
const WELCOME_MODULES = ['virtio_mmio', 'virtio_rng', 'virtio_balloon', 'crc32c_generic'];

/** The line to the agent where a hypervisor has no virtio-serial; loaded only there */
export const VSOCK_MODULE = 'vmw_vsock_virtio_transport';

export type ModulePlan = {
  /** Paths below the modules folder, in load order */
  order: string[];
  /** Those for a vsock, after the others; null when the kernel has none */
  vsock: string[] | null;
  /** Required, but neither a module nor built in */
  missing: string[];
};

export function planModules({ dep, builtin }: { dep: string; builtin: string }): ModulePlan {
  const available = parseDep(dep);
  const isBuiltIn = parseBuiltin(builtin);
  const order: string[] = [];
  const missing: string[] = REQUIRED_MODULES.filter((name) => !available.has(name) && !isBuiltIn.has(name));
  // The checksum first: ext4 needs it when it is mounted, and modules.dep does not say so.
  for (const name of [...WELCOME_MODULES.toReversed(), ...REQUIRED_MODULES]) {
    if (name === 'crc32c_generic' && isBuiltIn.has('ext4')) continue;
    order.push(...withNeeds(available.get(name), order));
  }
  const transport = available.get(VSOCK_MODULE);
  const vsock = transport || isBuiltIn.has(VSOCK_MODULE) ? withNeeds(transport, order) : null;
  return { order, vsock, missing };
}

/** What has to be loaded for it after those that are there */
function withNeeds(module: Module | undefined, there: string[]): string[] {
  return module ? [...module.needs, module.path].filter((path) => !there.includes(path)) : [];
}

type Module = { path: string; needs: string[] };

/** modules.dep: "a/b.ko: c/d.ko e/f.ko", where what is needed comes nearest first and deepest last. */
function parseDep(text: string): Map<string, Module> {
  const modules = new Map<string, Module>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const path = line.slice(0, colon);
    const needs = line
      .slice(colon + 1)
      .split(' ')
      .filter(Boolean)
      .reverse();
    modules.set(moduleName(path), { path, needs });
  }
  return modules;
}

function parseBuiltin(text: string): Set<string> {
  return new Set(text.split('\n').filter(Boolean).map(moduleName));
}

/** "kernel/drivers/char/hw_random/virtio-rng.ko.xz" → "virtio_rng" */
export function moduleName(path: string): string {
  const fileName = path.slice(path.lastIndexOf('/') + 1);
  return fileName.replace(/\.ko(?:\.(?:xz|zst|gz))?$/, '').replaceAll('-', '_');
}

/** The name under which a module lies in the initramfs, where it is no longer compressed. */
export function plainFileName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1).replace(/\.(?:xz|zst|gz)$/, '');
}
