/**
 * A devcontainer.json to what is done with it. The repository is trusted with its machine, and with nothing of this host: what
 * would run here, reach files here or read the environment is left out with a word, and what banger does not have is refused.
 * Pure.
 */
import { BangerError } from '@banger/contract/errors.ts';
import type { Forward } from '@banger/contract/forward.ts';
import { normalize } from '../exact-path.ts';
import { listOf, objectOf, type Run, runsOf, switchOf, textOf, variablesOf } from './fields.ts';
import { portsOf } from './ports.ts';
import { type Document, invalid, quoted, readDocument } from './read-document.ts';
import { fill, type Variables } from './variables.ts';

/** In the order in which they run */
const STAGES = ['onCreateCommand', 'updateContentCommand', 'postCreateCommand', 'postStartCommand'] as const;
/** At once; a machine takes not many more sessions */
const MAX_RUNS = 32;
const MAX_FOLDER = 1024;

const USED: readonly string[] = [
  ...STAGES,
  ...['image', 'build', 'dockerFile', 'context', 'containerEnv', 'remoteEnv', 'remoteUser', 'containerUser'],
  ...['forwardPorts', 'appPort', 'workspaceFolder', 'workspaceMount', 'overrideCommand', 'features'],
];
/** For editors, or for containers where a machine of its own needs no word for it */
const MEANINGLESS: readonly string[] = [
  ...['$schema', 'name', 'customizations', 'extensions', 'settings', 'portsAttributes', 'otherPortsAttributes'],
  ...[
    'shutdownAction',
    'userEnvProbe',
    'updateRemoteUserUID',
    'waitFor',
    'init',
    'privileged',
    'capAdd',
    'securityOpt',
  ],
  ...['secrets', 'overrideFeatureInstallOrder', 'devPort'],
];
const LEFT_OUT: Readonly<Record<string, string>> = {
  initializeCommand: 'it would run on this host.',
  mounts: 'nothing of this host is mounted into a machine.',
  runArgs: 'they are for a container engine.',
  hostRequirements: 'the size is yours to say, by --cpus, --memory and --disk-size.',
  postAttachCommand: 'it is for an editor that comes to the machine.',
};

export type DevcontainerPlace = {
  /** Of the repository */
  name: string;
  /** Where the folder that it is for lies below the top; empty for the top itself */
  below: string;
  /** Always the same for this file of this repository */
  id: string;
  /** Where the caller wants the repository to go; null where the document decides */
  at: string | null;
  /** Variables that the caller hands over */
  handed: Readonly<Record<string, string>>;
};

export type DevcontainerImage =
  | { is: 'default' }
  | { is: 'named'; name: string }
  /** Paths as they are written: relative to the folder of the document */
  | { is: 'built'; dockerfile: string; context: string; target: string | undefined; args: string[] };

export type DevcontainerVariable = {
  name: string;
  value: string;
  /** Whether later commands may have it too: nothing that was handed over is in it */
  isKept: boolean;
};

export type DevcontainerPlan = {
  image: DevcontainerImage;
  user: string | null;
  /** Where the repository goes, and where commands begin */
  at: string;
  folder: string;
  variables: DevcontainerVariable[];
  stages: { name: string; runs: Run[] }[];
  ports: Forward[];
  /** Whether what the image runs is to run, rather than a shell */
  runsImage: boolean;
  notes: string[];
};

/** Throws DEVCONTAINER_INVALID and DEVCONTAINER_UNSUPPORTED. */
export function planDevcontainer(bytes: Uint8Array, place: DevcontainerPlace): DevcontainerPlan {
  const document = readDocument(bytes);
  refuseUnsupported(document);
  const { at, folder, notes } = foldersOf(document, place);
  const reader = createReader(variablesFor(place, folder));
  const { ports, notes: ofPorts } = portsOf(document.get('forwardPorts'), document.get('appPort'));
  return {
    image: imageOf(document, reader),
    user: userOf(document, reader),
    ...{ at, folder },
    variables: mergeVariables(document, reader),
    stages: STAGES.map((name) => ({ name, runs: stageOf(document.get(name), name, reader) })).filter(
      ({ runs }) => runs.length > 0,
    ),
    ports,
    runsImage: switchOf(document.get('overrideCommand'), 'overrideCommand') === false,
    notes: [...notesOf(document), ...reader.notes(), ...notes, ...ofPorts],
  };
}

/** What a repository without a devcontainer.json has: the Dockerfile in this folder of it. */
export function planDockerfile({ name, below, ...place }: DevcontainerPlace): DevcontainerPlan {
  const at = place.at ?? usualFolder(name);
  return {
    image: { is: 'built', dockerfile: 'Dockerfile', context: '.', target: undefined, args: [] },
    ...{ user: null, at, folder: join(at, below) },
    ...{ variables: [], stages: [], ports: [], runsImage: false, notes: [] },
  };
}

function refuseUnsupported(document: Document): void {
  const features = [...objectOf(document.get('features'), 'features').keys()];
  if (document.has('dockerComposeFile')) {
    throw unsupported(
      'It is made of several containers, by "dockerComposeFile".',
      'A vm has one image: name it by "image" or "build", and start the other services in it, as with docker in there.',
    );
  }
  if (features.length > 0) {
    throw unsupported(
      `It asks for features, which banger does not install: ${features.slice(0, 3).map(quoted).join(', ')}${features.length > 3 ? ' …' : ''}.`,
      'Install what they bring in a Dockerfile, and name that by "build": {"dockerfile": "Dockerfile"}.',
    );
  }
}

function unsupported(message: string, hint: string): BangerError {
  return new BangerError('DEVCONTAINER_UNSUPPORTED', {
    message: `The devcontainer.json of the repository cannot be used. ${message}`,
    hint: `${hint} Without --devcontainer the repository goes into the default image.`,
  });
}

type Reader = ReturnType<typeof createReader>;

/** Fills what is written, and remembers what of this host was asked for. */
function createReader(variables: Variables) {
  const asked = new Set<string>();
  return { whole, line, given, notes };

  /** Null where it needs what is not handed over. */
  function given(template: string): { text: string; isHanded: boolean } | null {
    const { text, missing, isHanded } = fill(template, variables);
    for (const name of missing) asked.add(name);
    return missing.length > 0 ? null : { text, isHanded };
  }

  /** Nothing of the caller's own goes into it, as into an image, which stays. */
  function whole(template: string): string | null {
    const { text, missing } = fill(template, { ...variables, handed: {} });
    for (const name of missing) asked.add(name);
    return missing.length > 0 ? null : text;
  }

  /** As a shell has it: nothing in the place of what is not there. */
  function line(template: string): string {
    const { text, missing } = fill(template, { ...variables, handed: {} });
    for (const name of missing) asked.add(name);
    return text;
  }

  function notes(): string[] {
    if (asked.size === 0) return [];
    const names = [...asked].slice(0, 10).map(quoted).join(', ');
    return [
      `Variables of this host are not the repository's: ${names} count as not set. "-e NAME" hands one to containerEnv and remoteEnv.`,
    ];
  }
}

function variablesFor({ name, below, id, handed }: DevcontainerPlace, folder: string): Variables {
  const base = folder.slice(folder.lastIndexOf('/') + 1);
  const words = new Map([
    ['localWorkspaceFolder', folder], // where whoever runs has the files: in the machine
    ['localWorkspaceFolderBasename', below.slice(below.lastIndexOf('/') + 1) || name],
    ['containerWorkspaceFolder', folder],
    ['containerWorkspaceFolderBasename', base],
    ['devcontainerId', id],
  ]);
  return { words, handed };
}

function usualFolder(name: string): string {
  return `/workspaces/${name}`;
}

/** A folder below the usual place of the repository leaves it there; another one is where the repository goes. */
function foldersOf(document: Document, place: DevcontainerPlace): { at: string; folder: string; notes: string[] } {
  const usual = place.at ?? usualFolder(place.name);
  const opened = join(usual, place.below);
  if (place.at !== null) return { at: usual, folder: opened, notes: [] };
  const reader = createReader({ ...variablesFor(place, opened), handed: {} });
  const target = targetOf(textOf(document.get('workspaceMount'), 'workspaceMount') ?? '');
  const mounted = target === null ? null : folderOf(target, 'workspaceMount', reader);
  const said = textOf(document.get('workspaceFolder'), 'workspaceFolder');
  const folder = said === undefined ? null : folderOf(said, 'workspaceFolder', reader);
  if (place.below !== '' && (mounted ?? folder) !== null && !isIn(folder ?? '', usual)) {
    const note = `workspaceFolder and workspaceMount are left out: the whole repository goes to ${usual}.`;
    return { at: usual, folder: opened, notes: [note] };
  }
  if (mounted !== null && place.below === '') return { at: mounted, folder: folder ?? mounted, notes: [] };
  if (folder === null) return { at: usual, folder: opened, notes: [] };
  return { at: isIn(folder, usual) ? usual : folder, folder, notes: [] };
}

/** Of "source=…,target=/workspace,type=bind" */
function targetOf(mount: string): string | null {
  return /(?:^|,)\s*(?:target|dst|destination)\s*=\s*([^,]+)/.exec(mount)?.[1]?.trim() ?? null;
}

function folderOf(template: string, key: string, reader: Reader): string {
  const text = needed(reader.whole(template), template, key);
  const path = normalize(text).replace(/(?<=.)\/$/, '');
  const isPlain = path.startsWith('/') && path !== '/' && path.length <= MAX_FOLDER && !/\p{Cc}/u.test(path);
  if (!isPlain) throw invalid(`${quoted(key)} is not an absolute folder: ${quoted(text)}.`);
  return path;
}

function isIn(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

function join(folder: string, below: string): string {
  return below === '' ? folder : `${folder}/${below}`;
}

function imageOf(document: Document, reader: Reader): DevcontainerImage {
  const build = objectOf(document.get('build'), 'build');
  const dockerfile = textOf(build.get('dockerfile') ?? document.get('dockerFile'), 'build.dockerfile');
  const image = textOf(document.get('image'), 'image');
  const read = (text: string, key: string) => needed(reader.whole(text), text, key);
  if (dockerfile !== undefined) {
    const target = textOf(build.get('target'), 'build.target');
    return {
      is: 'built',
      dockerfile: read(dockerfile, 'build.dockerfile'),
      context: read(textOf(build.get('context') ?? document.get('context'), 'build.context') ?? '.', 'build.context'),
      target: target === undefined ? undefined : read(target, 'build.target'),
      args: argumentsOf(build.get('args'), reader),
    };
  }
  if (build.size > 0) throw invalid('"build" names no "dockerfile".');
  if (image === undefined) return { is: 'default' };
  return { is: 'named', name: read(image, 'image') };
}

/** One that needs what is not there is left out, so that the Dockerfile's own default counts. */
function argumentsOf(value: unknown, reader: Reader): string[] {
  return variablesOf(value, 'build.args').flatMap(([name, template]) => {
    if (!/^[A-Za-z_]\w*$/.test(name)) throw invalid(`${quoted(name)} is no argument of a Dockerfile.`);
    const text = template === null ? null : reader.whole(template);
    return text === null ? [] : [`${name}=${text}`];
  });
}

function userOf(document: Document, reader: Reader): string | null {
  for (const key of ['remoteUser', 'containerUser']) {
    const template = textOf(document.get(key), key);
    const user = template === undefined ? null : reader.whole(template);
    if (user === null || user === '') continue;
    if (/^\w[\w.-]{0,62}$/.test(user)) return user;
    throw invalid(`${quoted(key)} is no name of a user.`);
  }
  return null;
}

/** Those of the machine and those of who works in it are one here. */
function mergeVariables(document: Document, reader: Reader): DevcontainerVariable[] {
  const merged = new Map<string, DevcontainerVariable>();
  for (const key of ['containerEnv', 'remoteEnv']) {
    for (const [name, template] of variablesOf(document.get(key), key)) {
      if (template === null) merged.delete(name);
      const filled = template === null ? null : reader.given(template);
      if (filled !== null) merged.set(name, { name, value: filled.text, isKept: !filled.isHanded });
    }
  }
  return [...merged.values()];
}

function stageOf(value: unknown, name: string, reader: Reader): Run[] {
  const runs = runsOf(value, name);
  if (runs.length > MAX_RUNS) throw invalid(`${quoted(name)} has more than ${MAX_RUNS} commands.`);
  return runs.map(({ label, argv }) => ({ label, argv: argv.map(reader.line) }));
}

function needed(text: string | null, template: string, key: string): string {
  if (text !== null && text !== '') return text;
  if (text === '') throw invalid(`${quoted(key)} is empty.`);
  throw invalid(
    `${quoted(key)} needs a variable of this host, which a repository does not get: ${quoted(template)}.`,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: as it is written there
    'A default can be written into it: ${localEnv:NAME:default}.',
  );
}

function notesOf(document: Document): string[] {
  const build = objectOf(document.get('build'), 'build');
  const isSaid = (key: string) => !isEmpty(document.get(key));
  const leftOut = Object.entries(LEFT_OUT).filter(([key]) => isSaid(key));
  const unknown = [...document.keys()].filter(
    (key) => !USED.includes(key) && !MEANINGLESS.includes(key) && !Object.hasOwn(LEFT_OUT, key),
  );
  return [
    ...leftOut.map(([key, why]) => `${key} is left out: ${why}`),
    ...(listOf(build.get('options'), 'build.options').length > 0
      ? ['build.options are left out: they are for a container engine.']
      : []),
    ...(unknown.length > 0 ? [`Unknown, and left out: ${unknown.slice(0, 10).map(quoted).join(', ')}.`] : []),
  ];
}

function isEmpty(value: unknown): boolean {
  return (
    value === undefined ||
    value === null ||
    value === '' ||
    (typeof value === 'object' && Object.keys(value).length === 0)
  );
}
