/** Firecracker's configuration, checked as strictly as it does it and more so: at the top it ignores what it does not know. */
import { existsSync } from 'node:fs';

type Drive = { path_on_host: string; is_read_only: boolean };
export type FakeConfig = {
  'boot-source': { kernel_image_path: string; initrd_path?: string };
  drives: Drive[];
  vsock: { uds_path: string };
};

/** A question mark: it may be left out. `[]`: any number of these. */
const SHAPE: Record<string, Record<string, string>> = {
  'boot-source': { kernel_image_path: 'string', 'initrd_path?': 'string', 'boot_args?': 'string' },
  'machine-config': { vcpu_count: 'number', mem_size_mib: 'number', 'smt?': 'boolean' },
  'drives[]': {
    ...{ drive_id: 'string', path_on_host: 'string', is_root_device: 'boolean', 'is_read_only?': 'boolean' },
    ...{ 'cache_type?': 'string', 'io_engine?': 'string' },
  },
  'network-interfaces[]': { iface_id: 'string', host_dev_name: 'string', 'guest_mac?': 'string', 'mtu?': 'number' },
  vsock: { guest_cid: 'number', uds_path: 'string' },
  'entropy?': {},
  'balloon?': {
    ...{ amount_mib: 'number', deflate_on_oom: 'boolean', 'stats_polling_interval_s?': 'number' },
    ...{ 'free_page_hinting?': 'boolean', 'free_page_reporting?': 'boolean' },
  },
};

/** Throws in words much like Firecracker's. */
export function checkConfig(json: unknown): FakeConfig {
  const given = json as Record<string, unknown>;
  checkKeys(given, Object.fromEntries(Object.keys(SHAPE).map((key) => [key.replace('[]', ''), 'object'])));
  for (const [key, shape] of Object.entries(SHAPE)) {
    const value = given[key.replace(/\[\]|\?/, '')];
    for (const one of key.endsWith('[]') ? (value as unknown[]) : value === undefined ? [] : [value]) {
      checkKeys(one as Record<string, unknown>, shape);
    }
  }
  const config = json as FakeConfig;
  const { vcpu_count: cpus } = given['machine-config'] as { vcpu_count: number };
  if (cpus < 1 || cpus > 32) throw new Error('The number of vCPUs must be greater than 0, less than 32');
  const { kernel_image_path: kernel, initrd_path: initrd } = config['boot-source'];
  if (!existsSync(kernel)) throw new Error(`The kernel file cannot be opened: No such file or directory ${kernel}`);
  if (initrd && !existsSync(initrd)) throw new Error(`The initrd file cannot be opened: ${initrd}`);
  for (const { path_on_host: path } of config.drives) {
    if (!existsSync(path)) throw new Error(`Block device error: No such file or directory (os error 2) ${path}`);
  }
  return config;
}

function checkKeys(value: Record<string, unknown>, shape: Record<string, string>): void {
  const names = Object.keys(shape).map((key) => key.replace('?', ''));
  const unknown = Object.keys(value).find((key) => !names.includes(key));
  if (unknown) throw new Error(`Invalid JSON: unknown field \`${unknown}\`, expected one of \`${names.join('`, `')}\``);
  for (const [key, type] of Object.entries(shape)) {
    const found = typeof value[key.replace('?', '')];
    if (found === 'undefined' && !key.endsWith('?')) throw new Error(`Invalid JSON: missing field \`${key}\``);
    if (found !== 'undefined' && found !== type) throw new Error(`Invalid JSON: invalid type: ${found}, for ${key}`);
  }
}
