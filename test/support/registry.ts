/** A real registry of Debian's on the loopback, with a certificate and a password of its own, and images made for it. */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { Digest } from '@banger/contract/digest.ts';

const USER = 'tester';
export const PASSWORD = 'correct-horse-9';
/** Of that user and password, as htpasswd -B writes it */
const PASSWORDS = 'tester:$2y$04$EMD6C9FoNzbElQJvCMywOO7Fwcnv.q0J2By/ItHwB2rfgd38i6JwK\n';

const OCI = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
};
const DOCKER = {
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
  layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
};

export type SampleImage = {
  /** Of which kind its manifest is; OCI's unless it says otherwise */
  kind?: 'docker';
  /** Tars, as they are sent */
  layers: { bytes: Buffer; type?: string }[];
  /** As docker writes it, or what a test says */
  config?: Record<string, unknown>;
  configType?: string;
};

export type TestRegistry = Awaited<ReturnType<typeof startRegistry>>;

/** Ends with the test. */
export async function startRegistry(t: Pick<TestContext, 'after'>) {
  const folder = mkdtempSync(join(tmpdir(), 'banger-registry-'));
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  makeCertificate(key, certificate);
  writeFileSync(join(folder, 'htpasswd'), PASSWORDS);
  const config = {
    version: 0.1,
    log: { level: 'info', accesslog: { disabled: false } },
    storage: {
      filesystem: { rootdirectory: join(folder, 'data') },
      maintenance: { uploadpurging: { enabled: false } },
    },
    http: { addr: '127.0.0.1:0', tls: { certificate, key } },
    auth: { htpasswd: { realm: 'test', path: join(folder, 'htpasswd') } },
  };
  writeFileSync(join(folder, 'config.yml'), JSON.stringify(config)); // which YAML takes too
  const server = spawn('docker-registry', ['serve', join(folder, 'config.yml')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, OTEL_TRACES_EXPORTER: 'none' },
  });
  t.after(async () => {
    const ended = once(server, 'exit');
    if (server.exitCode === null && server.kill()) await ended;
    rmSync(folder, { recursive: true });
  });
  let log = '';
  const { promise: listening, resolve, reject } = Promise.withResolvers<string>();
  const hear = (chunk: Buffer) => {
    log += chunk;
    const address = /listening on (127\.0\.0\.1:\d+)/.exec(log)?.[1];
    if (address !== undefined) resolve(address);
  };
  server.stdout.on('data', hear);
  server.stderr.on('data', hear);
  server.once('error', reject);
  server.once('exit', () => reject(new Error(`the registry ended: ${log}`)));
  const host = await listening;
  const authFile = join(folder, 'auth.json');
  writeFileSync(authFile, JSON.stringify(authOf(host, PASSWORD)));
  return { host, certificate, authFile, folder, put, putManifest, putImage, served, forget, blobPath };

  /** Gives its digest. */
  async function put(repository: string, bytes: Buffer): Promise<Digest> {
    const digest = digestOf(bytes);
    const { location } = await send('POST', `/v2/${repository}/blobs/uploads/`);
    const there = new URL(location as string, `https://${host}`);
    there.searchParams.set('digest', digest);
    await send('PUT', there.pathname + there.search, bytes, 'application/octet-stream');
    return digest;
  }

  async function putManifest(repository: string, tag: string, manifest: object): Promise<Digest> {
    const bytes = Buffer.from(JSON.stringify(manifest));
    await send('PUT', `/v2/${repository}/manifests/${tag}`, bytes, (manifest as { mediaType: string }).mediaType);
    return digestOf(bytes);
  }

  /** Gives the digest of its manifest. */
  async function putImage(
    repository: string,
    tag: string,
    { kind, layers, config, configType }: SampleImage,
  ): Promise<Digest> {
    const types = kind === 'docker' ? DOCKER : OCI;
    const described = [];
    for (const { bytes, type = types.layer } of layers) {
      described.push({ mediaType: type, digest: await put(repository, bytes), size: bytes.length });
    }
    const configBytes = Buffer.from(JSON.stringify(config ?? sampleConfig(layers.map(({ bytes }) => bytes))));
    const digest = await put(repository, configBytes);
    return putManifest(repository, tag, {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: { mediaType: configType ?? types.config, digest, size: configBytes.length },
      layers: described,
    });
  }

  /** How often a blob was sent. */
  function served(digest: Digest): number {
    return log
      .split('\n')
      .filter((line) => line.includes('"GET /v2/') && line.includes(`/blobs/${digest} `) && line.includes('" 200 '))
      .length;
  }

  function forget(): void {
    log = '';
  }

  /** Where it keeps the bytes of a blob */
  function blobPath(digest: Digest): string {
    const hex = digest.slice('sha256:'.length);
    return join(folder, 'data/docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
  }

  async function send(method: string, path: string, body: Buffer = Buffer.alloc(0), type?: string) {
    const asking = request(`https://${host}${path}`, {
      method,
      ca: readFileSync(certificate),
      auth: `${USER}:${PASSWORD}`,
      headers: { 'content-length': body.length, ...(type !== undefined && { 'content-type': type }) },
    });
    asking.end(body);
    const [answer] = await once(asking, 'response');
    const said = await text(answer);
    if (answer.statusCode >= 300) throw new Error(`${method} ${path}: ${answer.statusCode} ${said}`);
    return answer.headers as Record<string, string | undefined>;
  }
}

/** As "docker login" writes it */
export function authOf(host: string, password: string): object {
  return { auths: { [host]: { auth: Buffer.from(`${USER}:${password}`).toString('base64') } } };
}

export function gzipLayer(tar: Buffer): { bytes: Buffer } {
  return { bytes: gzipSync(tar) };
}

export function digestOf(bytes: Buffer): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
}

function sampleConfig(layers: Buffer[]) {
  return {
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['/bin/sh'] },
    rootfs: { type: 'layers', diff_ids: layers.map((bytes) => digestOf(gunzipSync(bytes))) },
  };
}

function makeCertificate(key: string, certificate: string): void {
  mkdirSync(join(certificate, '..'), { recursive: true });
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-subj', '/CN=test', '-days', '2', '-nodes'];
  const names = ['-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', ['req', '-x509', ...made, ...names, '-keyout', key, '-out', certificate], { stdio: 'pipe' });
}
