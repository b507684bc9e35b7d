/**
 * skopeo, which speaks with registries: as whom, through which proxy and past which certificates is told by the files and
 * the variables that it reads by itself. No secret is among its arguments.
 *
 * It sits behind no walls: it needs the network, the owner's credentials, and the owner's own helpers for them.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { canonicalRef, familiarRef, type ImageRef } from '@banger/contract/image-ref.ts';
import type { RegistryAccess } from '@banger/contract/registry-access.ts';
import { requireTool, TOOL_FOLDERS } from '../../platform/find-tool.ts';
import { ProcessFailure, runProcess } from '../../platform/run-process.ts';
import type { Task } from '../../platform/task.ts';
import { ENDED_WITH_US } from '../../platform/user-namespace.ts';
import { MAX_DOCUMENT_BYTES } from '../oci/documents.ts';
import { explainFailure, readWaiting } from './skopeo-words.ts';

/** It waits no longer than this between two tries, however long it was told to */
const LONGEST_WAIT_MS = 60_000;
/** A manifest is small: what takes longer is stuck, unless it waits for its turn */
const INSPECT_LIMIT = '5m';
/** More than a layer takes besides what its manifest says */
const SLACK_BYTES = 2 ** 20;

export type SkopeoParts = {
  home: string;
  proxies: Readonly<Record<string, string>>;
  /** Registries that may be asked without HTTPS, or with a certificate that nobody vouches for */
  readInsecure: () => Promise<readonly string[]>;
  nowMs: () => number;
};

export type Asking = {
  ref: ImageRef;
  access: RegistryAccess;
  /** What it keeps for itself goes there */
  scratch: string;
};

type Copying = { blobs: string; largestBytes: number; onWait: () => void };

export function createSkopeo({ home, proxies, readInsecure, nowMs }: SkopeoParts) {
  return { inspect, copy };

  /** The manifest as it is there. */
  async function inspect(task: Task, asking: Asking): Promise<Buffer> {
    const stdout = new PassThrough();
    const [bytes] = await Promise.all([
      buffer(stdout).catch(() => Buffer.alloc(0)), // what failed is told by the other
      run(
        task,
        asking,
        ['--command-timeout', INSPECT_LIMIT, 'inspect', '--raw', ...(await tls(asking, '--tls-verify'))],
        [],
        {
          stdout,
        },
      ),
    ]);
    return bytes;
  }

  /** Into the folder `layout` of `scratch`, a layout whose blobs lie apart. Each of its files is made under another name, and moved when it is whole. */
  async function copy(task: Task, asking: Asking, { blobs, largestBytes, onWait }: Copying): Promise<void> {
    const words = [
      ...trust(),
      ...['copy', '--quiet', '--dest-oci-accept-uncompressed-layers', '--dest-shared-blob-dir', blobs],
      ...(await tls(asking, '--src-tls-verify')),
    ];
    await run(task, asking, words, ['oci:layout'], { largestBytes: largestBytes + SLACK_BYTES, onWait });
  }

  async function tls({ ref }: Asking, flag: string): Promise<string[]> {
    return (await readInsecure()).includes(ref.registry) ? [`${flag}=false`] : [];
  }

  /** A host that has no policy on signatures wants none. */
  function trust(): string[] {
    const policies = [join(home, '.config/containers/policy.json'), '/etc/containers/policy.json'];
    return policies.some((path) => existsSync(path)) ? [] : ['--insecure-policy'];
  }

  type Running = { stdout?: PassThrough; largestBytes?: number; onWait?: () => void };

  async function run(
    task: Task,
    { ref, access, scratch }: Asking,
    words: string[],
    destination: string[],
    { stdout, largestBytes = SLACK_BYTES, onWait = () => {} }: Running,
  ): Promise<void> {
    const name = familiarRef(ref);
    const { registry } = ref;
    const impatient = new AbortController();
    let retryAfterMs: number | null = null;
    // Its notes are wanted for one thing: by themselves nobody hears that the registry makes it wait, or for how long.
    const onStderrLine = (line: string) => {
      const waiting = readWaiting(line, nowMs());
      if (waiting?.is === 'told') retryAfterMs = waiting.retryAfterMs;
      if (waiting?.is !== 'waits') return;
      if ((retryAfterMs ?? 0) > LONGEST_WAIT_MS) return impatient.abort();
      onWait();
      task.note(`${registry} asks for fewer requests: trying again in ${Math.ceil(waiting.ms / 1000)} s.`);
    };
    // Its files may be no larger than the largest that it was told of: a registry can send without an end.
    const argv = [
      ...ENDED_WITH_US,
      ...[requireTool('prlimit'), `--fsize=${largestBytes}`, '--core=0', '--', requireTool('skopeo'), '--debug'],
      ...[...words, `docker://${canonicalRef(ref.digest ? { ...ref, tag: null } : ref)}`, ...destination],
    ];
    const env = environment(access, scratch);
    try {
      await runProcess(task.withSignal(impatient.signal), argv, {
        ...{ env, onStderrLine, cwd: scratch },
        ...(stdout && { stdout, maxStdoutBytes: MAX_DOCUMENT_BYTES }),
      });
    } catch (fault) {
      task.check();
      if (impatient.signal.aborted) throw explainFailure('toomanyrequests', { name, registry, retryAfterMs }, fault);
      if (!(fault instanceof ProcessFailure)) throw fault;
      throw explainFailure(fault.overLimit ?? fault.stderr, { name, registry, retryAfterMs }, fault);
    }
  }

  /** The caller's words on where credentials and certificates are, and what the daemon knows of this host. */
  function environment(access: RegistryAccess, scratch: string): Record<string, string> {
    const folders = (access.PATH ?? '').split(':').filter((folder) => folder.startsWith('/'));
    return {
      ...proxies,
      ...access,
      HOME: home,
      PATH: [...folders, ...TOOL_FOLDERS].join(':'),
      TMPDIR: scratch,
      // Where it remembers which registry has which blob: else in the user's data, or in /var/lib for root, which the second
      // one keeps it from. Both have no flag.
      XDG_DATA_HOME: scratch,
      _CONTAINERS_ROOTLESS_UID: '1',
    };
  }
}
