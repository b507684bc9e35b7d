/**
 * What a user reads, as files that a reviewer reads: snapshots/*.txt hold it to the byte. After a change that is meant,
 * `node --test --test-update-snapshots packages/cli/src/snapshots.test.ts` writes them anew.
 */

import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Check } from '@banger/contract/api/doctor.ts';
import type { ImageConfig } from '@banger/contract/api/image-config.ts';
import { BangerError } from '@banger/contract/errors.ts';
import {
  answerError,
  answerJson,
  type FakeDaemon,
  sampleVm,
  startFakeDaemon,
} from '@banger/sdk/testing/fake-daemon.ts';
import { describeCheck, summarise } from './commands/doctor.ts';
import { GROUPS } from './commands.ts';
import { helpFor } from './help.ts';
import { reportError } from './report-error.ts';
import { run } from './testing/run-banger.ts';

const FOLDER = join(import.meta.dirname, '../snapshots');

function hold(t: TestContext, name: string, text: string): void {
  t.assert.fileSnapshot(text, join(FOLDER, `${name}.txt`), { serializers: [(value) => value] });
}

/** Ages are told from now on. */
const createdAt = new Date(Date.now() - 2 * 3_600_000 - 1000).toISOString();

const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;
const web = {
  ...sampleVm,
  createdAt,
  state: { ...sampleVm.state, since: createdAt, network: 'routed' },
  address: '10.213.64.16',
  allow: ['host'],
  image: { name: 'debian', digest, hasCommand: false },
  kernel: { name: 'debian', digest },
};
const db = {
  ...web,
  name: 'db',
  state: { is: 'stopped', why: 'crashed', at: createdAt },
  ...{ network: 'user', address: null, allow: [] },
  fault: { code: 'VM_LOST', message: 'QEMU ended without a word', at: createdAt },
};
const image = {
  ...{ name: 'debian', digest, description: 'Debian 13', source: 'catalog', sizeBytes: 2e8, createdAt },
  ...{ allocatedBytes: 2.1e8, sharedWith: [] },
  config: null,
};
const notPulled = {
  digest: null,
  sizeBytes: null,
  allocatedBytes: null,
  createdAt: null,
  usedBy: [],
  isDefault: false,
};
const config: ImageConfig = {
  env: ['PATH=/opt/app/bin:/usr/bin', 'EMPTY=', `LONG=${'x'.repeat(5000)}`, 'EVIL=\u001b[2J\u202eright\nNEXT=line'],
  ...{ user: 'app:staff', workingDir: '/srv/\u001b]0;title\u0007app' },
  ...{ entrypoint: ['/entry', '--name', 'two words'], command: ['', '\u001b[31mred'], stopSignal: 'SIGQUIT' },
};
const uses = [
  { kind: 'vm', name: 'web', bytes: 5e7, usedBy: ['web'], describes: null, comesBackBytes: 3e7 },
  { kind: 'image', name: 'debian', bytes: 2e8, usedBy: ['db', 'web'], describes: null, comesBackBytes: null },
  { kind: 'cache', name: 'initramfs', bytes: 8e6, usedBy: [], describes: null, comesBackBytes: null },
  {
    kind: 'unrecorded',
    name: 'vms/0123456789ab',
    bytes: 4e6,
    usedBy: [],
    describes: 'the vm old',
    comesBackBytes: null,
  },
];
const session = { user: 'root', tty: false, attached: false, startedUnixMs: Date.parse(createdAt), exit: null };

const ANSWERS: Record<string, unknown> = {
  '/v1/vms': { vms: [web, db] },
  '/v1/vms/web': web,
  '/v1/vms/db': db,
  '/v1/vms/web/sessions': {
    sessions: [
      { ...session, id: '3f9c', argv: ['make', 'world'] },
      { ...session, id: '40aa', argv: [], tty: true, exit: { code: 3 } },
    ],
  },
  '/v1/vms/web/ports': {
    ports: [{ protocol: 'tcp', port: 8080, address: '127.0.0.1', pid: 12, process: 'ser\u001b[2Jver\u202e' }],
    isCut: false,
  },
  '/v1/images': {
    images: [
      { ...image, usedBy: ['web'], isDefault: true },
      { ...image, ...notPulled, name: 'alpine', description: 'Small' },
      {
        ...image,
        name: 'app:latest',
        description: 'from a registry',
        usedBy: [],
        isDefault: false,
        sharedWith: ['app:1'],
      },
    ],
  },
  '/v1/images/app': {
    ...image,
    name: 'app',
    source: 'import',
    description: 'imported',
    usedBy: ['db', 'web'],
    sharedWith: ['app:1', 'evil\u001b[2J'],
    isDefault: false,
    config,
  },
  '/v1/kernels': {
    kernels: [{ ...image, release: '6.12.1-cloud', usedBy: ['web'], isDefault: true, description: "Debian's" }],
  },
  '/v1/hypervisors': {
    hypervisors: [
      {
        ...{ name: 'firecracker', version: '1.16.1', description: 'Small' },
        pulled: { version: '1.15.1', digest, sizeBytes: 3e6, path: '/p', createdAt },
      },
      { name: 'other', version: '2', description: 'Large', pulled: null },
    ],
  },
  '/v1/disk-space': { uses, totalBytes: 262e6, freeBytes: 9e10 },
};

function answerAll(daemon: FakeDaemon): void {
  for (const [path, answer] of Object.entries(ANSWERS))
    daemon.routes[`GET ${path}`] = (_, response) => answerJson(response, answer);
  daemon.routes['GET /v1/vms/nope'] = (_, response) => answerError(response, 'VM_NOT_FOUND', 'There is no vm "nope".');
}

test('help', (t) => {
  const pages = ['', ...Object.keys(GROUPS), 'vm workspace', 'vm run', 'vm logs', 'completion'];
  hold(t, 'help', pages.map((page) => `$ banger help ${page}\n${helpFor(page.split(' ').filter(Boolean))}\n`).join(''));
});

test('tables and facts', async (t) => {
  await using daemon = await startFakeDaemon();
  answerAll(daemon);
  let text = '';
  for (const line of [
    'vm ls',
    'vm show web',
    'vm show db',
    'vm sessions web',
    'vm ports web',
    'vm ports web --json',
    'image ls',
    'image show app',
    'kernel ls',
    'hypervisor ls',
    'system df',
    'vm show nope',
    'vm show nope --json',
    '--jsno vm ls',
    'vm run --memory 1M',
    'vm run --wait sistem',
  ]) {
    const { stdout, stderr, code } = await run(daemon, line);
    text += `$ banger ${line}\n${stdout}${stderr}${code === 0 ? '' : `[exit code ${code}]\n`}\n`;
  }
  hold(t, 'tables', text.replaceAll(createdAt, 'two-hours-ago'));
});

test('errors', (t) => {
  const errors = [
    new BangerError('VM_NOT_FOUND', { message: 'There is no vm "nope".', hint: 'Run "banger vm ls" to see them.' }),
    new BangerError('VM_BOOT_FAILED', {
      message: 'The guest said \u001b]0;owned\u0007"no\u202eon\u009b2J".',
      hint: '"banger vm logs web" shows its console.',
      details: { console: '[ 0.1] Kernel panic\u001b[8m - not syncing\r\n\r\n\u001b[31mred\n' },
    }),
    new BangerError('TOOL_MISSING', { message: 'passt is not installed.' }),
  ];
  hold(t, 'errors', errors.map((error) => `${reportError(error).text}\n`).join(''));
});

test('doctor', (t) => {
  const checks: Check[] = [
    { name: 'architecture', status: 'pass', text: 'x86_64', fix: null },
    { name: 'kvm', status: 'warn', text: 'this user may not open /dev/kvm', fix: 'sudo usermod -aG kvm "$USER"' },
    { name: 'passt', status: 'fail', text: 'it is not\u001b[2J installed', fix: 'sudo apt install passt' },
  ];
  hold(t, 'doctor', `${checks.map(describeCheck).join('')}\n${summarise(checks)}\n`);
});
