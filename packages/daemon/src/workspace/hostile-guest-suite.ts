/** A guest that sends what a test says, and a repository of the owner's that was brought into it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex, type Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { deflateSync } from 'node:zlib';
import { encodeChunks, encodeFrame, FRAME } from '@banger/contract/guest/frames.ts';
import type { ExecStart } from '@banger/contract/guest/messages.ts';
import { parseVmName, type VmId } from '@banger/contract/names.ts';
import type { Guest } from '../guest/guest.ts';
import { Task } from '../platform/task.ts';
import type { WorkspaceRecord } from '../store/records/workspaces.ts';
import { createVmFolders } from '../store/vm-folders.ts';
import { createWorkspaces } from './workspace.ts';
import { WORKSPACE_LIMITS, type WorkspaceLimits } from './workspace-parts.ts';

export const ENV = { PATH: process.env.PATH ?? '', HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1' };
export const WHO = ['-c', 'user.name=x', '-c', 'user.email=x@x'];
export const BRANCH = 'branch';

type Options = {
  limits?: WorkspaceLimits;
  hasGit?: boolean;
  largeBytes?: number;
  hostile?: { cpuSeconds?: number; memoryBytes?: number };
};

export async function setUp(
  t: TestContext,
  { limits = WORKSPACE_LIMITS, hasGit = true, largeBytes = 0, hostile = {} }: Options = {},
) {
  const folder = mkdtempSync(join(tmpdir(), 'banger-hostile-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const repo = join(folder, 'repo');
  mkdirSync(repo);
  const git = (...args: string[]) => runGit(repo, args);
  git('init', '-q', '-b', 'main');
  writeFileSync(join(repo, 'file'), 'one\n');
  writeFileSync(join(repo, '.gitmodules'), '');
  symlinkSync('/etc/hostname', join(repo, 'mine'));
  if (largeBytes > 0) writeFileSync(join(repo, 'large'), Buffer.alloc(largeBytes));
  git('add', '-A');
  git(...WHO, 'commit', '-q', '-m', 'first');

  const records: WorkspaceRecord[] = [];
  let answer: () => Iterable<Buffer> = () => [];
  const received: Buffer[] = [];
  /** How often it was told that all of what goes in is there */
  const told = { ends: 0 };
  const guest = {
    exec: async (_task: Task, start: ExecStart) => play(start, hasGit, () => answer(), told),
    writeTar: async (_task: Task, _folder: string, tar: Readable) => {
      for await (const bytes of tar) received.push(bytes as Buffer);
      told.ends++;
    },
  } as unknown as Guest;
  const workspaces = createWorkspaces({
    records: { list: () => records, put: async (record) => void records.splice(0, 1, record) },
    folders: createVmFolders({ dataFolder: join(folder, 'data'), runtimeFolder: join(folder, 'run') }),
    vms: {
      find: () => ({ id: '0123456789ab' as VmId, name: parseVmName('web') }),
      guest: async () => guest,
      imageConfig: () => null,
    },
    ownerEnv: ENV,
    scratchFolder: join(folder, 'scratch'),
    log: { info: () => {}, warn: () => {} },
    now: () => new Date(0),
    limits,
    hostile,
  });
  await imported();

  /** What the guest has: a clone, in which anything can be made */
  const evil = join(folder, 'evil');
  runGit(folder, ['clone', '-q', repo, evil]);
  const inGuest = (...args: string[]) => runGit(evil, args);
  const base = inGuest('rev-parse', 'HEAD');
  const importedTree = inGuest('rev-parse', 'HEAD^{tree}');
  return {
    folder,
    repo,
    workspaces,
    received,
    told,
    imported,
    evil,
    inGuest,
    base,
    importedTree,
    offer,
    offerCommit,
    commit,
    offerBytes,
    exported,
    diffed,
    object,
    tree,
  };

  async function imported(): Promise<unknown> {
    const request = { repo, includeUntracked: false, skipSubmodules: false, history: 'shallow', force: true } as const;
    return workspaces.importInto(Task.background(), 'web', request);
  }

  function offerBytes(bytes: () => Iterable<Buffer>): void {
    answer = bytes;
  }

  /** The guest commits this tree and sends what a good guest would send. */
  function offer(treeId: string): void {
    offerCommit(commit(treeId, base, 'evil'), treeId);
  }

  function commit(treeId: string, parent: string, message: string): string {
    return inGuest(...WHO, 'commit-tree', treeId, '-p', parent, '-m', message);
  }

  function offerCommit(id: string, treeId: string): void {
    const input = `${id}\n${treeId}\n^${base}\n`;
    const { stdout } = spawnSync('git', ['pack-objects', '--revs', '--stdout', '-q'], { cwd: evil, env: ENV, input });
    answer = () => [Buffer.from(`banger-workspace ${id} ${id} ${treeId} 0\n`), stdout];
  }

  function object(type: string, content: string | Buffer): string {
    const args = ['hash-object', '-t', type, '-w', '--literally', '--stdin'];
    return execFileSync('git', args, { cwd: evil, env: ENV, input: content }).toString().trim();
  }

  /** A tree object of exactly these entries, which git itself would not make */
  function tree(...entries: [mode: string, name: string, id: string][]): string {
    const parts = entries.map(([mode, name, id]) => [
      Buffer.from(`${mode} ${name}\0`, 'latin1'),
      Buffer.from(id, 'hex'),
    ]);
    return object('tree', Buffer.concat(parts.flat()));
  }

  async function exported(): Promise<unknown> {
    return workspaces.exportBranch(Task.background(), 'web', { branch: BRANCH, force: false });
  }

  async function diffed(isPatch: boolean): Promise<string> {
    const stream = await workspaces.diff(Task.background(), 'web', { at: undefined, repo: undefined, isPatch });
    return Buffer.concat(await Array.fromAsync(stream)).toString();
  }
}

/** The agent's part: the daemon's scripts are known by how they begin. */
function play(
  { argv, stdin }: ExecStart,
  hasGit: boolean,
  answer: () => Iterable<Buffer>,
  told: { ends: number },
): Duplex {
  const isProbe = argv[2]?.includes('no-git');
  const isSnapshot = argv[4] === 'diff' || argv[4] === 'export' || argv[4] === 'check';
  const isOwner = argv[0] === 'stat';
  const stdout = isOwner
    ? [Buffer.from('0\n')]
    : isProbe
      ? [Buffer.from(`${hasGit ? 'git' : 'no-git'}\nnew\n0\n./root/repo\n`)]
      : isSnapshot
        ? answer()
        : [];
  const frames = (function* () {
    for (const bytes of stdout) yield* encodeChunks(FRAME.STDOUT, bytes);
    yield encodeFrame(FRAME.EXIT, '{"code":0}');
  })();
  let mayAnswer = !stdin;
  const stream = new Duplex({
    write(chunk: Buffer, _encoding, done) {
      if (chunk[0] === FRAME.STDIN_END || chunk.subarray(-5).equals(encodeFrame(FRAME.STDIN_END))) {
        mayAnswer = true;
        told.ends++;
        stream.push(frames.next().value ?? null);
      }
      done();
    },
    read() {
      if (mayAnswer) setImmediate(() => stream.destroyed || stream.push(frames.next().value ?? null));
    },
  });
  return stream;
}

export function runGit(cwd: string, args: string[]): string {
  return execFileSync('git', args, { cwd, env: ENV, stdio: ['ignore', 'pipe', 'pipe'] })
    .toString()
    .trim();
}

type Packed = { type: 'commit' | 'tree' | 'blob'; content: Buffer } | { base: string; delta: Buffer };

/** A pack of just these, written by hand: git itself would not make one that claims so much. */
export function packOf(objects: readonly Packed[]): Buffer {
  const head = Buffer.from('PACK\0\0\0\x02\0\0\0\0', 'latin1');
  head.writeUInt32BE(objects.length, 8);
  const parts = objects.flatMap((each) => {
    const body = 'delta' in each ? each.delta : each.content;
    const type = 'delta' in each ? 7 : { commit: 1, tree: 2, blob: 3 }[each.type];
    const base = 'delta' in each ? [Buffer.from(each.base, 'hex')] : [];
    return [packedSize(type, body.length), ...base, deflateSync(body)];
  });
  const pack = Buffer.concat([head, ...parts]);
  return Buffer.concat([pack, createHash('sha1').update(pack).digest()]);
}

function packedSize(type: number, sizeBytes: number): Buffer {
  const rest = sizeBytes >> 4;
  const first = (type << 4) | (sizeBytes & 15);
  return rest === 0 ? Buffer.from([first]) : Buffer.concat([Buffer.from([first | 0x80]), varint(rest)]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) | 0x80);
  }
}

/** A delta that repeats the first 64 KiB of its base: one byte for each time. */
export function repeating(baseBytes: number, times: number): Buffer {
  return Buffer.concat([varint(baseBytes), varint(times * 65_536), Buffer.alloc(times, 0x80)]);
}

export function idOf(type: string, content: Buffer): string {
  return createHash('sha1').update(`${type} ${content.length}\0`).update(content).digest('hex');
}

/** Every file of the repository, .git included */
export function fingerprint(folder: string): string {
  const hash = createHash('sha256');
  for (const name of (readdirSync(folder, { recursive: true }) as string[]).sort()) {
    const path = join(folder, name);
    const found = statSync(path, { throwIfNoEntry: false });
    hash.update(`${name} ${found?.mtimeMs} `);
    if (found?.isFile()) hash.update(readFileSync(path));
  }
  return hash.digest('hex');
}
