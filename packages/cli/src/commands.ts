/**
 * The table of commands. Help, docs/cli.md, the checking of arguments, suggestions and completion are made from it;
 * `load-command.ts` says which file does the work of each.
 */

import { DRIVER_CHOICES } from '@banger/contract/driver-names.ts';
import { type Limits, STOP_LIMITS_MS, TAIL_LIMITS, VM_LIMITS } from '@banger/contract/limits.ts';
import { NETWORK_CHOICES, REACHES } from '@banger/contract/network-words.ts';
import { PULL_CHOICES } from '@banger/contract/registry-access.ts';

/**
 * What a flag's value is, and so what the command gets: `text` a string, `size` bytes, `duration` milliseconds,
 * `count` a whole number of at least 1, `lines` a whole number of at least 0, `switch` true or false.
 */
export type FlagType = 'switch' | 'text' | 'size' | 'duration' | 'count' | 'lines';

export type FlagSpec = {
  type: FlagType;
  short?: string;
  /** What stands for the value in help */
  placeholder?: string;
  summary: string;
  /** May be given more than once */
  many?: true;
  /** Bounds of its value, in the unit that the command gets */
  limits?: Limits;
} & Completed;

export type ArgumentSpec = { name: string; summary: string; optional?: true; many?: true } & Completed;

/** What Tab offers for a value: one of the few that there are, or names of the things that there are at that moment */
type Completed = {
  values?: readonly string[];
  /** Taken, but not offered: for programs */
  hiddenValues?: readonly string[];
  completes?: LiveKind | 'files';
};

/** What "banger completion <kind>" names, for the scripts */
export const LIVE_KINDS = ['vms', 'images', 'kernels'] as const;
export type LiveKind = (typeof LIVE_KINDS)[number];
export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export const HYPERVISORS = ['firecracker'] as const;
export const WAIT_FOR = ['agent', 'system'] as const;
const ON_OR_OFF = ['on', 'off'] as const;

export type CommandSpec = {
  summary: string;
  /** Paragraphs below the usage line */
  details?: readonly string[];
  arguments?: readonly ArgumentSpec[];
  /** What comes after `--`: a command for the guest */
  command?: 'optional' | 'required';
  /** When stdout has what somebody else says, as it is: then errors of --json go to stderr */
  foreignStdout?: 'always' | 'unless --detach' | 'with -';
  flags?: Readonly<Record<string, FlagSpec>>;
  examples: readonly { does: string; line: string }[];
  /** Words that people try for this command; used for suggestions only */
  alsoTried?: readonly string[];
};

/** Every command takes these. */
export const COMMON_FLAGS = {
  json: { type: 'switch', summary: 'Print one JSON document instead of text, and no progress' },
  quiet: { type: 'switch', short: 'q', summary: 'No progress and no notes; only results and errors' },
  help: { type: 'switch', short: 'h', summary: 'Show the help of this command' },
} as const satisfies Record<string, FlagSpec>;

const vm = { name: 'vm', summary: 'Name or id of a vm', completes: 'vms' } as const;
const vms = { ...vm, many: true } as const;

const size = {
  cpus: { type: 'count', placeholder: 'n', summary: 'Virtual CPUs', limits: VM_LIMITS.cpus },
  memory: { type: 'size', placeholder: 'size', summary: 'Memory, such as 512M or 2G', limits: VM_LIMITS.memoryBytes },
  'disk-size': {
    type: 'size',
    placeholder: 'size',
    summary: 'Size of the disk, such as 8G; it takes what is written',
    limits: VM_LIMITS.diskBytes,
  },
} as const;

const driver = {
  type: 'text',
  values: DRIVER_CHOICES,
  placeholder: 'name',
  summary: 'Hypervisor that runs it; auto takes the best that works here, anew at each start',
} as const;

const network = {
  type: 'text',
  values: NETWORK_CHOICES,
  placeholder: 'kind',
  summary: "routed: an address of its own; user: behind this host's; none; auto takes the first that is given here",
} as const;

const create = {
  name: { type: 'text', placeholder: 'name', summary: 'Name of the vm; a readable one is made up when it is left out' },
  image: {
    type: 'text',
    placeholder: 'image',
    summary: 'Image to start from: a name of "banger image ls", or of a registry, such as python:3.14',
    completes: 'images',
  },
  pull: {
    type: 'text',
    values: PULL_CHOICES,
    placeholder: 'when',
    summary: 'Ask the registry for the image always, when it is missing here, or never; missing unless said',
  },
  kernel: {
    type: 'text',
    placeholder: 'kernel',
    summary: 'Kernel to boot; see "banger kernel ls"',
    completes: 'kernels',
  },
  ...size,
  driver,
  network,
  allow: {
    type: 'text',
    values: REACHES,
    placeholder: 'what',
    many: true,
    summary: 'With an address of its own, let it reach this besides the internet',
  },
  publish: {
    type: 'text',
    short: 'p',
    placeholder: 'port',
    many: true,
    summary: 'Keep a port reachable here while the vm runs, such as 8080:80; written as for "banger vm forward"',
  },
  autostart: { type: 'switch', summary: 'Start it at each boot of the host; needs "banger system install"' },
  'host-port': {
    type: 'text',
    placeholder: 'port',
    many: true,
    summary: "Let the vm reach this port of the host's own loopback, at host.banger; no other vm does",
  },
} as const;

const wait = {
  type: 'text',
  values: WAIT_FOR,
  placeholder: 'what',
  summary: '"system" waits until the init of the image has finished its boot; else a command would be run now',
} as const;

const exec = {
  env: { type: 'text', short: 'e', placeholder: 'K=V', many: true, summary: 'Set a variable; K alone passes yours on' },
  cwd: {
    type: 'text',
    short: 'w',
    placeholder: 'path',
    summary: "Folder to start in; else the image's, or the user's home",
  },
  user: { type: 'text', short: 'u', placeholder: 'name', summary: "User inside the vm; else the image's, or root" },
  entrypoint: { type: 'switch', summary: "Put the image's entrypoint before the command, and its command for none" },
  tty: { type: 'switch', short: 't', summary: 'Give the command a terminal' },
  'no-tty': { type: 'switch', summary: 'Give it none, even when it would get one' },
} as const;

const stopTimeout = {
  type: 'duration',
  limits: STOP_LIMITS_MS,
  placeholder: 'time',
  summary: 'How long the guest may take to shut down before it is killed; 30s unless said',
} as const;

/** What of a repository travels. */
const source = {
  ref: { type: 'text', placeholder: 'ref', summary: 'This commit, branch or tag instead of what is checked out' },
  'include-untracked': { type: 'switch', summary: 'Also files that git neither tracks nor ignores' },
  'skip-submodules': { type: 'switch', summary: "Leave submodules' folders empty, rather than refuse" },
  full: { type: 'switch', summary: 'The whole history, not only the last commit' },
  shallow: { type: 'switch', summary: 'Only the last commit; this is so unless --full says otherwise' },
  at: {
    type: 'text',
    placeholder: 'path',
    summary: "Folder in the guest; the repository's name in the user's home unless said",
  },
  'dry-run': { type: 'switch', summary: 'List what would travel, with sizes, and do nothing' },
} as const;

const at = { type: 'text', placeholder: 'path', summary: 'Which workspace, when the vm has several' } as const;
const repo = {
  type: 'text',
  placeholder: 'folder',
  summary: 'Where the repository is now, when it was moved',
} as const;

export const COMMANDS = {
  'vm run': {
    summary: 'Create and start a vm, and run a command or a shell in it',
    details: [
      'Without a command it runs what the image names, else a shell, on a terminal. With one, stdin, stdout and stderr are ' +
        "passed through apart, signals reach the command, and its exit code becomes banger's (128 + n when signal n " +
        'ended it). A command gets no terminal unless --tty says so, and runs as it stands, without an entrypoint.',
      'The vm goes on running afterwards, unless --rm removes it.',
      'With a git repository, such as ".", its files as they are now go in first, and the command starts in their ' +
        'folder: see "vm workspace import". A command comes after "--".',
      'With --devcontainer the repository says which image it wants, or has built, what is run in there first, as which ' +
        'user, and which ports are published. Nothing of that runs on this host or sees its files and variables.',
    ],
    arguments: [{ name: 'repo', completes: 'files', summary: 'A git repository to bring in', optional: true }],
    command: 'optional',
    foreignStdout: 'unless --detach',
    flags: {
      ...create,
      rm: { type: 'switch', summary: 'Remove the vm when the command has ended or banger is gone' },
      detach: { type: 'switch', short: 'd', summary: 'Leave the vm (and the command) running; print its name' },
      wait,
      ...exec,
      ...source,
      devcontainer: {
        type: 'switch',
        summary: "Make it as the repository's devcontainer.json or Dockerfile says",
      },
      'devcontainer-file': {
        type: 'text',
        placeholder: 'path',
        completes: 'files',
        summary: 'The devcontainer.json that counts, where the repository has several: its path in there',
      },
    },
    examples: [
      { does: 'A shell in a fresh vm', line: 'banger vm run' },
      { does: 'This repository in it, and a command', line: 'banger vm run . -- make test' },
      { does: 'In the image that the repository asks for', line: 'banger vm run --devcontainer . -- make test' },
      { does: 'One command, nothing left afterwards', line: 'banger vm run --rm -- uname -a' },
      { does: 'Its port 80 is port 8080 here, whenever it runs', line: 'banger vm run -p 8080:80' },
      { does: 'A larger vm with a name', line: 'banger vm run --name big --cpus 4 --memory 8G --disk-size 40G' },
    ],
    alsoTried: ['vm new', 'run'],
  },
  'vm create': {
    summary: 'Create a vm without starting it',
    flags: { ...create, start: { type: 'switch', summary: 'Start it too' }, wait },
    examples: [{ does: 'A vm for later', line: 'banger vm create --name web --memory 2G' }],
    alsoTried: ['vm add', 'create'],
  },
  'vm start': {
    summary: 'Start vms and wait until they answer',
    arguments: [vms],
    flags: { wait },
    examples: [
      { does: 'Start one', line: 'banger vm start web' },
      { does: 'With all of its services up', line: 'banger vm start web --wait system' },
    ],
    alsoTried: ['vm up', 'vm boot', 'start'],
  },
  'vm stop': {
    summary: 'Let vms shut down; kill them after a time limit',
    details: ['Says which of the two it was.'],
    arguments: [vms],
    flags: { timeout: stopTimeout },
    examples: [{ does: 'Give it two minutes', line: 'banger vm stop web --timeout 2m' }],
    alsoTried: ['vm down', 'vm halt', 'vm shutdown', 'stop'],
  },
  'vm kill': {
    summary: 'End vms at once, as if the power went',
    arguments: [vms],
    examples: [{ does: 'End one that hangs', line: 'banger vm kill web' }],
    alsoTried: ['kill'],
  },
  'vm restart': {
    summary: 'Stop and start vms',
    arguments: [vms],
    flags: { timeout: stopTimeout, wait },
    examples: [{ does: 'Restart one', line: 'banger vm restart web' }],
    alsoTried: ['vm reboot', 'vm reset', 'restart'],
  },
  'vm rm': {
    summary: 'Remove vms with their disks',
    arguments: [vms],
    flags: { force: { type: 'switch', short: 'f', summary: 'Also those that run: they are killed first' } },
    examples: [{ does: 'Remove two, running or not', line: 'banger vm rm --force web db' }],
    alsoTried: ['vm remove', 'vm delete', 'vm del', 'vm destroy', 'rm'],
  },
  'vm ls': {
    summary: 'List the vms',
    examples: [
      { does: 'All of them', line: 'banger vm ls' },
      {
        does: 'Names of the running ones',
        line: `banger vm ls --json | jq -r '.vms[] | select(.state.is=="running").name'`,
      },
    ],
    alsoTried: ['vm list', 'vm ps', 'ls', 'ps', 'list'],
  },
  'vm show': {
    summary: 'Show everything about a vm',
    arguments: [vm],
    examples: [{ does: 'One vm', line: 'banger vm show web' }],
    alsoTried: ['vm inspect', 'vm info', 'vm status', 'vm get'],
  },
  'vm set': {
    summary: 'Change the size, driver, network or autostart of a stopped vm',
    details: ['A disk can grow, not shrink.'],
    arguments: [vm],
    flags: {
      ...size,
      driver,
      network,
      allow: {
        type: 'text',
        values: ['none', ...REACHES],
        placeholder: 'what',
        many: true,
        summary: 'What it may reach besides the internet, in place of what was said before',
      },
      autostart: {
        type: 'text',
        values: ON_OR_OFF,
        placeholder: 'on|off',
        summary: 'Whether it starts at each boot of the host; needs "banger system install"',
      },
    },
    examples: [{ does: 'More of everything', line: 'banger vm set web --cpus 4 --memory 4G --disk-size 20G' }],
    alsoTried: ['vm update', 'vm edit', 'vm resize'],
  },
  'vm exec': {
    summary: 'Run a command in a running vm',
    details: [
      'stdin, stdout and stderr are passed through apart, signals reach the command, and its exit code becomes ' +
        "banger's (128 + n when signal n ended it). With --tty it runs on a terminal instead.",
      'Without a command it opens a shell on a terminal.',
      'With --detach it goes on without you: the id of its session is printed; see "vm attach".',
    ],
    arguments: [vm],
    command: 'optional',
    foreignStdout: 'unless --detach',
    flags: { detach: { type: 'switch', short: 'd', summary: 'Start it and leave; print its session' }, ...exec },
    examples: [
      { does: 'A command', line: 'banger vm exec web -- ls -la /etc' },
      { does: 'A shell', line: 'banger vm exec web' },
      { does: 'From your stdin to a file in there', line: 'banger vm exec web -- tee /root/notes < notes' },
      { does: 'Something long', line: 'banger vm exec --detach web -- make world' },
    ],
    alsoTried: ['vm shell', 'vm sh', 'exec', 'shell'],
  },
  'vm sessions': {
    summary: 'List the commands that run in a vm, or end one',
    arguments: [vm],
    flags: {
      end: { type: 'text', placeholder: 'session', summary: 'End this session: hang up, terminate, then kill' },
    },
    examples: [
      { does: 'What runs in there', line: 'banger vm sessions web' },
      { does: 'End one', line: 'banger vm sessions web --end 3f9c' },
    ],
    alsoTried: ['vm session', 'vm jobs', 'sessions'],
  },
  'vm attach': {
    summary: 'Join a detached command again, with its latest output',
    details: [
      'On a terminal, Ctrl-] leaves it running. A command without a terminal goes on when you press Ctrl-\\ ' +
        '(SIGQUIT) or end banger; Ctrl-C reaches the command.',
    ],
    arguments: [vm, { name: 'session', summary: 'Its id; see "banger vm sessions"' }],
    foreignStdout: 'always',
    examples: [{ does: 'Join again', line: 'banger vm attach web 3f9c' }],
    alsoTried: ['attach'],
  },
  'vm cp': {
    summary: 'Copy files and folders into and out of a vm',
    details: [
      'One side is <vm>:<absolute path>, the other a path on the host, or "-" for a tar stream on stdin or stdout.',
      'A file becomes the file that is named, or goes into the folder that is named. A folder becomes the folder that ' +
        'is named, or, when that exists, goes into it; "folder/." copies what is inside.',
      'What comes out of a vm belongs to you, without setuid bits; devices, and links that lead out of what is ' +
        'copied, are left out.',
    ],
    arguments: [
      { name: 'source', completes: 'files', summary: '<vm>:<path>, a path, or -' },
      { name: 'destination', completes: 'files', summary: '<vm>:<path>, a path, or -' },
    ],
    foreignStdout: 'with -',
    examples: [
      { does: 'Into a vm', line: 'banger vm cp ./src web:/root/' },
      { does: 'Out of one', line: 'banger vm cp web:/var/log/syslog .' },
      { does: 'As a tar stream', line: 'banger vm cp web:/etc - | tar t' },
    ],
    alsoTried: ['vm copy', 'vm scp', 'cp', 'copy'],
  },
  'vm commit': {
    summary: 'Make an image of a stopped vm',
    details: [
      'The image has the files of the vm as it left them, and says of running it what the image says that the vm was made ' +
        'from. Nothing of the vm runs meanwhile, and the vm stays as it is.',
      'Left out are host keys, the machine id and the seed of random numbers, what banger brought in (files of [[file_sync]], ' +
        'proxies, certificates, the time zone, ssh keys), the folders of repositories that were brought in, and what docker, ' +
        'containerd and podman keep in /var/lib.',
    ],
    arguments: [vm, { name: 'image', summary: 'What the image is to be called' }],
    flags: {
      force: {
        type: 'switch',
        short: 'f',
        summary: 'Also where an image is called so; vms keep the one that they have',
      },
    },
    examples: [{ does: 'A vm with tools of your own, for --image tools', line: 'banger vm commit web tools' }],
    alsoTried: ['commit', 'image commit', 'vm save', 'vm snapshot'],
  },
  'vm logs': {
    summary: "Show a vm's console",
    arguments: [vm],
    foreignStdout: 'always',
    flags: {
      follow: { type: 'switch', short: 'f', summary: 'Go on with what comes' },
      tail: { type: 'lines', short: 'n', placeholder: 'n', summary: 'Only the last n lines', limits: TAIL_LIMITS },
    },
    examples: [{ does: 'Watch it boot', line: 'banger vm logs --follow web' }],
    alsoTried: ['vm log', 'vm console', 'logs'],
  },
  'vm ssh': {
    summary: 'Open a shell or run a command in a vm with your own ssh',
    details: [
      'It works in every network mode, asks nothing and knows the host key of the vm beforehand. The image needs an ' +
        'ssh server; "vm exec" does without.',
      'One word after "--" is a line for the shell in there, several are a command with its arguments. The exit code ' +
        "is the command's, or 255 when ssh itself fails.",
    ],
    arguments: [vm],
    command: 'optional',
    foreignStdout: 'always',
    flags: {
      user: { type: 'text', short: 'u', placeholder: 'name', summary: 'User inside the vm; else root' },
      tty: { type: 'switch', short: 't', summary: 'Give the command a terminal' },
    },
    examples: [
      { does: 'A shell', line: 'banger vm ssh web' },
      { does: 'A line for the shell in there', line: "banger vm ssh web -- 'cd /srv && ls *.log'" },
    ],
    alsoTried: ['ssh', 'vm login', 'vm connect'],
  },
  'vm forward': {
    summary: 'Make ports of a vm reachable on this host, until Ctrl-C',
    details: ['Listens on 127.0.0.1 unless an address is named. Port 0 takes any that is free.'],
    arguments: [vm, { name: 'port', summary: '[address:]port here, and :port in the vm if it is another', many: true }],
    examples: [
      { does: 'The same port here and there', line: 'banger vm forward web 8080' },
      { does: 'Several at once', line: 'banger vm forward web 3000:80 5432' },
      { does: 'For the whole network', line: 'banger vm forward web 0.0.0.0:8080:80' },
    ],
    alsoTried: ['vm port-forward', 'vm tunnel', 'forward', 'port-forward'],
  },
  'vm ports': {
    summary: 'List what listens in a vm',
    arguments: [vm],
    examples: [{ does: 'Which program has which port', line: 'banger vm ports web' }],
    alsoTried: ['vm port', 'vm netstat', 'ports'],
  },
  'vm stats': {
    summary: 'Show what vms take of the host',
    details: [
      'On a terminal the table is redrawn every two seconds until q or Ctrl-C; elsewhere, and with --once, it is printed once. With --json each sample is a line of its own, until the command is ended; with --once there is one.',
      'CPU is that of the hypervisor: 150% are one processor and a half. MEMORY is what it holds of the host, DISK what the disk takes there; READ and WRITTEN are what goes from and to the drives, RECEIVED and SENT what passes the network card, seen from the vm, all by the second. A hyphen stands for what nobody counts, as the network of vms on QEMU without an address of their own.',
    ],
    arguments: [{ ...vms, summary: 'Names or ids of vms; all that run when none is named', optional: true }],
    flags: { once: { type: 'switch', summary: 'Print one table, or one JSON document, and end' } },
    examples: [
      { does: 'All that run, until q', line: 'banger vm stats' },
      {
        does: 'Processors that each keeps busy',
        line: `banger vm stats --once --json | jq '.vms[] | {name, busy: (.machine.cpuMs.perSecond / 1000)}'`,
      },
    ],
    alsoTried: ['vm top', 'vm usage', 'stats', 'top'],
  },
  'vm proxy': {
    summary: 'Join stdin and stdout to a port or to the ssh server of a vm',
    details: ['What ssh calls as its ProxyCommand; see "ssh-config". It ends when the program in the vm closes.'],
    arguments: [vm, { name: 'port', summary: 'A TCP port in the vm; else an ssh server', optional: true }],
    foreignStdout: 'always',
    examples: [{ does: 'Talk to a web server by hand', line: 'banger vm proxy web 80' }],
    alsoTried: ['vm nc', 'vm netcat', 'proxy'],
  },

  'vm workspace import': {
    summary: 'Bring a git repository into a vm',
    details: [
      'What is checked out travels, with the uncommitted changes of tracked files; files that git ignores never do, nor ' +
        'does anything of the config, hooks, remotes or credentials. In the guest it is a repository of its own, with ' +
        'the same branch, commit and uncommitted changes. An image without git gets the files.',
      'Bringing it in again updates it, unless the guest has changes that would be lost.',
    ],
    arguments: [
      vm,
      { name: 'repo', completes: 'files', summary: 'A folder of the repository; else the current one', optional: true },
    ],
    flags: {
      ...source,
      user: {
        type: 'text',
        short: 'u',
        placeholder: 'name',
        summary: "Whose the files are; else root's, or whose home --at is in",
      },
      force: { type: 'switch', short: 'f', summary: 'Overwrite what was changed in the guest' },
    },
    examples: [
      { does: 'The current repository', line: 'banger vm workspace import web' },
      { does: 'See what would travel', line: 'banger vm workspace import web --dry-run' },
      { does: 'A tag with its history', line: 'banger vm workspace import web ~/src/app --ref v1.2 --full' },
    ],
    alsoTried: ['workspace import', 'vm import', 'vm workspace push', 'vm workspace update'],
  },
  'vm workspace diff': {
    summary: 'Show what was changed in a vm since the repository went in',
    details: [
      'A diff of git, with commits made in the guest, uncommitted changes and new files that its .gitignore lets ' +
        'through, against what was brought in.',
    ],
    arguments: [vm],
    flags: { at, repo },
    examples: [
      { does: 'On the terminal', line: 'banger vm workspace diff web' },
      { does: 'With a pager', line: 'banger vm workspace diff web | less' },
    ],
    alsoTried: ['vm diff', 'workspace diff', 'vm workspace status', 'vm workspace show'],
  },
  'vm workspace export': {
    summary: 'Bring the changes in a vm back, as a branch or a patch',
    details: [
      'The branch has the commits that were made in the guest, and one more for what is not committed there. Files, ' +
        'index and HEAD of your repository are not touched.',
      'What would be unsafe to check out (links that lead out of the repository, new submodules, names with ".git" ' +
        'in them) is refused.',
    ],
    arguments: [vm],
    foreignStdout: 'with -',
    flags: {
      branch: { type: 'text', placeholder: 'name', summary: 'Make this branch in your repository' },
      patch: {
        type: 'text',
        placeholder: 'file',
        completes: 'files',
        summary: 'Write a patch for "git apply"; - is stdout',
      },
      at,
      repo,
      force: { type: 'switch', short: 'f', summary: 'Move the branch, or overwrite the file, when it is there' },
    },
    examples: [
      { does: 'A branch to look at and merge', line: 'banger vm workspace export web --branch from-web' },
      { does: 'Into the files here', line: 'banger vm workspace export web --patch - | git apply' },
    ],
    alsoTried: ['vm export', 'workspace export', 'vm workspace pull', 'vm workspace get'],
  },

  'image ls': {
    summary: 'List the images, those to pull included',
    examples: [{ does: 'All of them', line: 'banger image ls' }],
    alsoTried: ['image list', 'images'],
  },
  'image pull': {
    summary: 'Fetch an image from a registry, or build one of the catalog',
    details: [
      'A name of the catalog means that one; every other is of a registry: "alpine" and "org/app:tag" are of Docker Hub, ' +
        '"ghcr.io/org/app" names another. One that is here is asked for again, and what its name means by now is fetched: ' +
        'machines keep what they were made from.',
      'Credentials are those of docker, podman and skopeo: log in with one of them.',
    ],
    arguments: [{ name: 'image', completes: 'images', summary: 'Its name in the catalog or in a registry' }],
    flags: { force: { type: 'switch', short: 'f', summary: 'Again, although it is there' } },
    examples: [
      { does: 'From Docker Hub', line: 'banger image pull python:3.14' },
      { does: 'From another registry', line: 'banger image pull ghcr.io/org/app:1.2' },
      { does: 'The default image', line: 'banger image pull debian' },
    ],
    alsoTried: ['image fetch', 'image get', 'pull'],
  },
  'image build': {
    summary: "Build an image from a Dockerfile, in a machine of banger's own",
    details: [
      'The context goes into a vm named "image-builder", without what .dockerignore leaves out, and buildah builds it there. ' +
        'That vm is made at the first build, runs while somebody builds, and keeps the cache; "banger system prune" removes it.',
      'FROM asks registries from inside of that vm, without credentials.',
    ],
    arguments: [
      { name: 'context', completes: 'files', summary: 'The folder with what is copied; else this one', optional: true },
    ],
    flags: {
      file: { type: 'text', short: 'f', placeholder: 'file', summary: 'The Dockerfile; else that of the context' },
      tag: { type: 'text', short: 't', placeholder: 'name', summary: "The image's name; else that of the folder" },
      'build-arg': {
        type: 'text',
        placeholder: 'N=V',
        many: true,
        summary: 'For an ARG; N alone takes the value from here',
      },
      target: { type: 'text', placeholder: 'stage', summary: 'The stage to end with; else the last one' },
      'no-cache': { type: 'switch', summary: 'Run every step again' },
    },
    examples: [
      { does: 'From the Dockerfile here', line: 'banger image build -t app .' },
      { does: 'Of one stage', line: 'banger image build -t app-test --target test --build-arg MODE=test .' },
    ],
    alsoTried: ['build', 'image make'],
  },
  'image import': {
    summary: 'Make an image from a tarball, a saved container image or an OCI layout',
    arguments: [
      { name: 'image', completes: 'images', summary: 'The name that it gets' },
      {
        name: 'tarball',
        completes: 'files',
        summary: 'A tar file, plain or compressed, a folder that is an OCI layout, or - for stdin',
      },
    ],
    flags: {
      ref: { type: 'text', placeholder: 'name', summary: 'Which image, where several are saved in one archive' },
    },
    examples: [
      { does: 'From a tarball', line: 'banger image import busybox ./busybox.tar.gz' },
      { does: 'From a container', line: 'docker export box | banger image import box -' },
      { does: 'From an image', line: 'docker save app:latest | banger image import app -' },
    ],
    alsoTried: ['image add', 'image load'],
  },
  'image export': {
    summary: 'Write an image as an OCI archive, which skopeo and podman read',
    arguments: [
      { name: 'image', completes: 'images', summary: 'Its name or digest' },
      { name: 'file', completes: 'files', summary: 'Where to write it, or - for stdout' },
    ],
    flags: { force: { type: 'switch', short: 'f', summary: 'Overwrite the file when it is there' } },
    examples: [
      { does: 'To a file', line: 'banger image export app app.tar' },
      { does: 'To podman', line: 'banger image export app - | podman load' },
    ],
    alsoTried: ['image save', 'image write'],
  },
  'image show': {
    summary: 'Show everything about an image',
    arguments: [{ name: 'image', completes: 'images', summary: 'Its name or digest' }],
    examples: [{ does: 'One image', line: 'banger image show debian' }],
    alsoTried: ['image inspect', 'image info'],
  },
  'image rm': {
    summary: 'Remove images that no vm needs',
    arguments: [{ name: 'image', completes: 'images', summary: 'Its name or digest', many: true }],
    examples: [{ does: 'Remove one', line: 'banger image rm busybox' }],
    alsoTried: ['image remove', 'image delete', 'rmi'],
  },
  'image prune': {
    summary: 'Remove the images that no vm was made from',
    details: [
      'What "banger system prune" does, for images alone. Imported ones stay, since they cannot be fetched again, and so ' +
        'does the default image, which the next vm would wait for; --all removes them too.',
    ],
    flags: {
      'dry-run': { type: 'switch', short: 'n', summary: 'Only say what would go, and how much it takes' },
      all: { type: 'switch', short: 'a', summary: 'Imported images and the default image too' },
    },
    examples: [{ does: 'See first', line: 'banger image prune --dry-run' }],
    alsoTried: ['image gc', 'image clean'],
  },

  'kernel ls': {
    summary: 'List the kernels, those to pull included',
    examples: [{ does: 'All of them', line: 'banger kernel ls' }],
    alsoTried: ['kernel list', 'kernels'],
  },
  'kernel pull': {
    summary: 'Fetch a kernel of the catalog',
    arguments: [{ name: 'kernel', completes: 'kernels', summary: 'Its name in the catalog' }],
    flags: { force: { type: 'switch', short: 'f', summary: 'Again, although it is there' } },
    examples: [{ does: 'The default kernel', line: 'banger kernel pull debian' }],
    alsoTried: ['kernel fetch', 'kernel get'],
  },
  'kernel import': {
    summary: 'Add a kernel from a vmlinuz or vmlinux file',
    arguments: [
      { name: 'kernel', completes: 'kernels', summary: 'The name that it gets' },
      { name: 'file', completes: 'files', summary: 'A vmlinuz or vmlinux' },
    ],
    flags: {
      modules: {
        type: 'text',
        placeholder: 'folder',
        completes: 'files',
        summary: 'Its modules: the folder that has modules.dep in it',
      },
    },
    examples: [{ does: 'Your own build', line: 'banger kernel import mine ./vmlinux --modules ./lib/modules/6.12.1' }],
    alsoTried: ['kernel add', 'kernel load'],
  },
  'kernel rm': {
    summary: 'Remove kernels that no vm needs',
    arguments: [{ name: 'kernel', completes: 'kernels', summary: 'Its name', many: true }],
    examples: [{ does: 'Remove one', line: 'banger kernel rm mine' }],
    alsoTried: ['kernel remove', 'kernel delete'],
  },

  'hypervisor ls': {
    summary: 'List the hypervisors that banger fetches by itself',
    examples: [{ does: 'All of them', line: 'banger hypervisor ls' }],
    alsoTried: ['hypervisor list', 'hypervisors', 'driver ls'],
  },
  'hypervisor pull': {
    summary: "Fetch a hypervisor from its project's releases",
    details: [
      "One version, for you alone: it goes into a folder of banger's. The release comes over HTTPS from where --from or " +
        '"releases" below [hypervisor] in the config says, and is kept when its digest and its version are right.',
      'A file of the release, the folder that it is in, or the program itself will do too.',
    ],
    arguments: [{ name: 'hypervisor', summary: 'Its name in the catalog', values: HYPERVISORS }],
    flags: {
      from: {
        type: 'text',
        placeholder: 'place',
        completes: 'files',
        summary: "The https address of the project's releases, or a path; else what the config says",
      },
      digest: {
        type: 'text',
        placeholder: 'digest',
        summary: 'SHA-256 that the file has to have; needed where banger knows none',
      },
      force: { type: 'switch', short: 'f', summary: 'Again, although it is there' },
    },
    examples: [
      {
        does: 'What the config names',
        line: 'banger hypervisor pull firecracker --digest $SHA256',
      },
      { does: 'A release that is here', line: 'banger hypervisor pull firecracker --from ~/Downloads' },
    ],
    alsoTried: ['hypervisor fetch', 'hypervisor get', 'hypervisor install'],
  },

  'daemon start': {
    summary: 'Start the daemon, unless it runs',
    details: ['Other commands start it by themselves when they need it.'],
    examples: [{ does: 'Start it and see why it does not', line: 'banger daemon start' }],
    alsoTried: ['daemon run'],
  },
  'daemon stop': {
    summary: 'Stop the daemon; vms go on running',
    details: ['The next daemon finds them again. Vms of "vm run --rm" are removed.'],
    examples: [{ does: 'After an upgrade', line: 'banger daemon stop' }],
    alsoTried: ['daemon kill', 'daemon restart'],
  },
  'daemon status': {
    summary: 'Say whether the daemon runs, without starting it',
    details: ['The exit code is 69 when it does not.'],
    examples: [{ does: 'In a script', line: 'banger daemon status --quiet || echo not running' }],
    alsoTried: ['daemon show', 'daemon info', 'status'],
  },

  'config show': {
    summary: 'Show every setting, and where its value comes from',
    examples: [{ does: 'What a vm gets when nobody says', line: 'banger config show' }],
    alsoTried: ['config', 'config ls', 'config list', 'config get', 'settings'],
  },
  'config path': {
    summary: 'Print the path of the config file',
    examples: [{ does: 'Edit it', line: 'banger config path' }],
    alsoTried: ['config file', 'config edit'],
  },

  'system install': {
    summary: 'Install banger for the whole system: a daemon from boot on, and the root helper',
    details: [
      'Needs root. It adds two services of systemd: the root helper, which makes the network of machines, and the daemon ' +
        'of one user, the owner. That daemon is the one that commands of the owner use anyway; machines go on meanwhile.',
      'Safe to repeat, and how a newer banger takes the place of an older one. When a step fails, all is as it was.',
    ],
    flags: {
      owner: { type: 'text', placeholder: 'user', summary: 'Whose machines they are; who calls sudo unless said' },
    },
    examples: [
      { does: 'For yourself, behind sudo', line: 'banger system install' },
      { does: 'As root, for somebody', line: 'banger system install --owner mia' },
    ],
    alsoTried: ['install', 'system setup', 'system enable', 'system upgrade'],
  },
  'system status': {
    summary: 'Show what is installed for the whole system, and which daemon runs',
    details: ['Needs no root. The exit code is 69 where nothing is installed.'],
    examples: [{ does: 'What is there', line: 'banger system status' }],
    alsoTried: ['system show', 'system info'],
  },
  'system restart': {
    summary: "Restart the system's daemon and the root helper; vms go on running",
    details: ['Needs root. A daemon of the owner that a command started makes way for it.'],
    examples: [{ does: 'Let the service take over, behind sudo', line: 'banger system restart' }],
    alsoTried: ['system start', 'system reload'],
  },
  'system uninstall': {
    summary: 'Take away what "banger system install" has added to the system',
    details: [
      'Needs root, and that no vm runs. The vms stay with their owner, for whom banger works as before; with --purge they ' +
        'are removed first, with all images and records.',
    ],
    flags: { purge: { type: 'switch', summary: 'Remove the vms too, and all else that banger keeps for the owner' } },
    examples: [{ does: 'The services only, behind sudo', line: 'banger system uninstall' }],
    alsoTried: ['uninstall', 'system remove', 'system disable', 'system stop'],
  },
  'system df': {
    summary: 'Show what vms, images, kernels and caches take on the disk',
    details: ['Counted is what is allocated: a sparse disk takes what was written to it.'],
    examples: [{ does: 'What takes the space', line: 'banger system df' }],
    alsoTried: ['df', 'du', 'system du', 'disk'],
  },
  'system prune': {
    summary: 'Remove what no vm needs',
    details: [
      'Images and kernels that no vm was made from and that can be fetched again, caches, and what vms that are gone ' +
        'have left. The default image and kernel stay, unless --all is said.',
      'A folder that the state knows nothing of, which "system df" shows as unrecorded, goes only when it is named; ' +
        'then nothing else goes.',
    ],
    arguments: [{ name: 'unrecorded', summary: 'Remove this unrecorded folder', optional: true, many: true }],
    flags: {
      'dry-run': { type: 'switch', short: 'n', summary: 'Only say what would go, and how much it takes' },
      all: { type: 'switch', short: 'a', summary: 'Imported images and kernels and the defaults too' },
    },
    examples: [
      { does: 'See first', line: 'banger system prune --dry-run' },
      { does: 'A folder without a record, with what is in it', line: 'banger system prune vms/0123456789ab' },
    ],
    alsoTried: ['prune', 'system gc', 'system clean', 'clean', 'gc'],
  },
  'system recover': {
    summary: 'Make records anew for vms, images and kernels whose records were lost',
    details: [
      'For a state that is damaged, of a newer version, moved away, or an old copy. Names, sizes and workspaces are read ' +
        'from the folders themselves, and from copies that the daemon keeps of its state. Nothing is removed: the state ' +
        'as it was stays beside the new one.',
      'The daemon must not run: "banger daemon stop" ends it, and machines go on.',
    ],
    flags: { 'dry-run': { type: 'switch', short: 'n', summary: 'Only say what would be recovered' } },
    examples: [
      { does: 'See first', line: 'banger system recover --dry-run' },
      { does: 'After the state was lost or damaged', line: 'banger system recover' },
    ],
    alsoTried: ['recover', 'system repair', 'system restore', 'repair'],
  },

  doctor: {
    summary: 'Check this host, and say what fixes what does not work',
    details: [
      'Each check passes, warns or fails. It needs no daemon, starts none and writes nothing. The exit code is 69 when a ' +
        'check fails.',
      'With --boot it also makes a small vm, tries its agent, clock, names, network and disk, shuts it down and removes ' +
        'it, and says how long each took.',
    ],
    flags: { boot: { type: 'switch', summary: 'Boot and try a vm too' } },
    examples: [
      { does: 'What this host has', line: 'banger doctor' },
      { does: 'That a vm really works', line: 'banger doctor --boot' },
    ],
    alsoTried: ['check', 'diagnose', 'system doctor'],
  },
  completion: {
    summary: 'Print the completion script of a shell',
    details: [
      'Vms, images and kernels are completed by their names as they are at that moment; Tab never starts the daemon. ' +
        'Bash needs the package bash-completion for it; "source <(banger completion bash)" works without.',
    ],
    arguments: [{ name: 'shell', summary: 'bash, zsh or fish', values: SHELLS, hiddenValues: LIVE_KINDS }],
    examples: [
      { does: 'For bash', line: 'banger completion bash > ~/.local/share/bash-completion/completions/banger' },
      { does: 'For zsh, in a folder of $fpath', line: 'banger completion zsh > ~/.zfunc/_banger' },
      { does: 'For fish', line: 'banger completion fish > ~/.config/fish/completions/banger.fish' },
    ],
    alsoTried: ['completions', 'complete'],
  },
  'ssh-config': {
    summary: 'Let ssh, scp, rsync and editors reach vms as <vm>.vm',
    details: [
      'Prints the file that banger keeps for ssh clients, and the line that includes it. --install puts that line, marked, ' +
        'at the top of ~/.ssh/config; --uninstall removes it to the byte.',
    ],
    flags: {
      install: { type: 'switch', summary: 'Add the line; safe to repeat' },
      uninstall: { type: 'switch', summary: 'Remove it' },
    },
    examples: [
      { does: 'Once', line: 'banger ssh-config --install' },
      { does: 'See what it would add', line: 'banger ssh-config' },
    ],
    alsoTried: ['vm ssh-config', 'config ssh'],
  },
  version: {
    summary: 'Show the version',
    examples: [{ does: 'For a bug report', line: 'banger version' }],
  },
  help: {
    summary: 'Show the help of banger, of a group or of a command',
    arguments: [{ name: 'words', summary: 'A group, a command', optional: true, many: true }],
    examples: [{ does: 'All about running', line: 'banger help vm run' }],
  },
} as const satisfies Record<string, CommandSpec>;

/** The first words of two-word commands, in the order in which help shows them. */
export const GROUPS = {
  vm: 'Machines',
  image: 'Root filesystems that vms start from',
  kernel: 'Kernels that vms boot',
  hypervisor: 'Programs that run vms',
  daemon: 'The program that does the work',
  config: 'Your settings',
  system: 'This host',
} as const;

export type CommandName = keyof typeof COMMANDS;

type ValueOf<Type extends FlagType> = Type extends 'switch' ? boolean : Type extends 'text' ? string : number;
type FlagsOf<Flags> = {
  -readonly [Name in keyof Flags]: Flags[Name] extends { type: infer Type extends FlagType; many: true }
    ? Flags[Name] extends { values: readonly (infer Value)[] }
      ? Value[]
      : ValueOf<Type>[]
    : Flags[Name] extends { type: 'switch' }
      ? boolean
      : Flags[Name] extends { values: readonly (infer Value)[] }
        ? Value | undefined
        : Flags[Name] extends { type: infer Type extends FlagType }
          ? ValueOf<Type> | undefined
          : never;
};
type ArgumentsOf<Arguments> = Arguments extends readonly (infer Each extends ArgumentSpec)[]
  ? { [One in Each as One['name']]: One extends { many: true } ? string[] : ArgumentValue<One> }
  : Record<never, never>;

type ArgumentValue<One> = One extends { values: readonly (infer Value)[]; hiddenValues: readonly (infer Hidden)[] }
  ? Value | Hidden
  : string;

/** What a command gets: its arguments and flags as the table says, parsed. */
export type Input<Name extends CommandName> = {
  arguments: ArgumentsOf<(typeof COMMANDS)[Name] extends { arguments: infer Arguments } ? Arguments : []>;
  flags: FlagsOf<typeof COMMON_FLAGS> &
    ((typeof COMMANDS)[Name] extends { flags: infer Flags } ? FlagsOf<Flags> : Record<never, never>);
  /** What came after `--`; null when there was no `--` */
  command: string[] | null;
};

export function specOf(name: CommandName): CommandSpec {
  return COMMANDS[name];
}
