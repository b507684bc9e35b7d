import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from './parse-config.ts';

const parse = (text: string) => parseConfig({ text, path: '/c/config.toml', home: '/home/mia' });
const GIB = 2 ** 30;

test('every key is understood', () => {
  const text = `
    ssh_key = "~/.ssh/id_ed25519"
    vm_defaults = { cpus = 2, memory = "1.5G", disk_size = "20G", driver = "qemu" }
    [vm]
    idle_stop_after = "30m"
    overcommit_memory = false
    [network]
    private = false
    host_ports = [5432, 5432]
    [hypervisor]
    releases = "https://releases.example/all"
    [registries]
    insecure = ["host:5000", "localhost", "host:5000"]
    [inside]
    ca_certificates = true
    proxy = false
    [[file_sync]]
    from = "~/.gitconfig"
    to = "~/.gitconfig"
    mode = "0600"
    [[file_sync]]
    from = "/home/mia/notes"
    to = "/srv/notes"
  `;
  assert.deepEqual(parse(text), {
    ssh_key: '/home/mia/.ssh/id_ed25519',
    vm_defaults: { cpus: 2, memory: 1.5 * GIB, disk_size: 20 * GIB, driver: 'qemu' },
    vm: { idle_stop_after: 1_800_000, overcommit_memory: false },
    network: { private: false, host_ports: [5432] },
    hypervisor: { releases: 'https://releases.example/all' },
    registries: { insecure: ['host:5000', 'localhost'] },
    inside: { ca_certificates: true, proxy: false },
    file_sync: [
      { from: '/home/mia/.gitconfig', to: '/root/.gitconfig', mode: 0o600 },
      { from: '/home/mia/notes', to: '/srv/notes' },
    ],
  });
  assert.deepEqual(parse(''), {});
});

const REFUSED: [string, string, RegExp][] = [
  [
    'an unknown key',
    '# c\n[vm_defaults]\nmemroy = "2G"',
    /line 3: there is no key "memroy" in \[vm_defaults\].*"memory"/,
  ],
  ['an unknown table', '\n[vm_default]\ncpus = 1', /line 2: there is no key "vm_default".*"vm_defaults"/],
  ['a key without its table', 'memory = "2G"', /line 1: there is no key "memory".*below \[vm_defaults\]/],
  ['a key like nothing known', 'colour = 1', /line 1: there is no key "colour".*ssh_key, vm_defaults/],
  [
    'a size without a unit',
    '[vm_defaults]\nmemory = "2048"',
    /line 2: \[vm_defaults\] memory: "2048" has no unit; write "2048M"/,
  ],
  [
    'a size that is a number',
    '[vm_defaults]\nmemory = 2048',
    /line 2: \[vm_defaults\] memory: it must be a text, such as "2G"/,
  ],
  ['a size that is no size', '[vm_defaults]\nmemory = "lots"', /line 2: .*"lots" is not a size/],
  ['a size out of bounds', '[vm_defaults]\ndisk_size = "1M"', /line 2: .*between 256M and 64T/],
  ['too many processors', '[vm_defaults]\ncpus = 65', /line 2: .*whole number from 1 to 64/],
  ['a driver that there is not', '[vm_defaults]\ndriver = "xen"', /line 2: .*it must be one of "auto", /],
  ['half a processor', '[vm_defaults]\ncpus = 1.5', /line 2: .*whole number from 1 to 64/],
  ['a port that is none', '[network]\nhost_ports = [0]', /line 2: .*it must be a list of ports, such as \[5432\]/],
  ['a registry with a path', '[registries]\ninsecure = ["host:5000/x"]', /line 2: .*not a name of a registry/],
  ['a registry that is an address', '[registries]\ninsecure = ["http://host:5000"]', /not a name of a registry/],
  ['releases without HTTPS', '[hypervisor]\nreleases = "http://a.example"', /line 2: .*begin with "https:\/\/"/],
  ['a yes that is none', '[network]\nprivate = "yes"', /line 2: \[network\] private: it must be true or false/],
  ['a setting of the host that is none', '[inside]\nlocale = true', /line 2: there is no key "locale" in \[inside\]/],
  ['a duration that is none', '[vm]\nidle_stop_after = "soon"', /line 2: .*"soon" is not a duration/],
  ['a duration of nothing', '[vm]\nidle_stop_after = "0"', /line 2: .*at least "1s"/],
  ['a value where a table belongs', 'vm = 3', /line 1: \[vm\]: it must be a table/],
  ['a table where a list belongs', '[file_sync]\nfrom = "a"', /line 1: \[\[file_sync\]\]: it must be a list of tables/],
  ['a sync to nowhere', '\n[[file_sync]]\nfrom = "~/a"', /line 2: \[\[file_sync\]\] to: it is missing/],
  ['a sync out of the guest', '[[file_sync]]\nfrom = "~/a"\nto = "/root/../../etc/passwd"', /line 3: .*absolute path/],
  ['a relative source', '[[file_sync]]\nfrom = "a"\nto = "/a"', /line 2: .*absolute path, or begin with "~\/"/],
  ['a mode with setuid', '[[file_sync]]\nfrom = "~/a"\nto = "/a"\nmode = "4755"', /line 4: .*three octal digits/],
  ['what is not TOML', 'a = 1\nb = = 2', /line 2: this is not TOML/],
  ['a key given twice', '[vm_defaults]\ncpus = 1\ncpus = 2', /line 3: this is not TOML/],
];

for (const [title, text, expected] of REFUSED) {
  test(`${title} is refused with the line and what to write`, () => {
    assert.throws(
      () => parse(text),
      (error: { code: string; message: string; hint: string }) => {
        assert.equal(error.code, 'CONFIG_INVALID');
        assert.match(`${error.message} ${error.hint}`, expected);
        return true;
      },
    );
  });
}

test('the first fault in the file is told first', () => {
  assert.throws(() => parse('[vm_defaults]\ncpus = 0\n[vm]\nidle = 1'), /line 2/);
});
