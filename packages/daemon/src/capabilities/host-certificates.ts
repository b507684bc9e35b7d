/** The CA certificates that the host's administrator added to those of its distribution. */
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { toBangerError } from '@banger/contract/errors.ts';
import { readRegularFile } from '../platform/regular-file.ts';
import type { Task } from '../platform/task.ts';

const FOLDER = 'usr/local/share/ca-certificates';
const MAX_CERTIFICATES = 200;
const MAX_CERTIFICATE_BYTES = 64 * 1024;

/** `name` is that of its file in the guest */
export type HostCertificate = { name: string; content: Buffer };

/** The files that the host's update-ca-certificates takes; one that is no certificate is left out with a note. */
export async function readHostCertificates(task: Task, hostRoot: string): Promise<HostCertificate[]> {
  const folder = join(hostRoot, FOLDER);
  const names = (await readdir(folder, { recursive: true }).catch(() => [])).filter((name) => name.endsWith('.crt'));
  if (names.length === 0) task.note(`The host has no certificate of its own in ${folder}.`);
  if (names.length > MAX_CERTIFICATES) {
    task.note(`Of the ${names.length} certificates in ${folder} the vm gets the first ${MAX_CERTIFICATES}.`);
  }
  const certificates: HostCertificate[] = [];
  for (const [index, name] of names.sort().slice(0, MAX_CERTIFICATES).entries()) {
    const content = await readCertificate(task, join(folder, name));
    if (content) certificates.push({ name: nameInGuest(index, name), content });
  }
  return certificates;
}

async function readCertificate(task: Task, path: string): Promise<Buffer | null> {
  try {
    const content = await readRegularFile(path, MAX_CERTIFICATE_BYTES, (why) => new Error(`${why}.`));
    const text = content.toString('latin1');
    // Some administrators keep a certificate and its private key in one file.
    if (text.includes('PRIVATE KEY-----')) throw new Error(`${path} holds a private key.`);
    if (!text.includes('-----BEGIN CERTIFICATE-----')) throw new Error(`${path} is no certificate in PEM.`);
    return content;
  } catch (fault) {
    task.note(`A certificate is left out: ${messageOf(fault)}`);
    return null;
  }
}

function messageOf(fault: unknown): string {
  const { code, message } = toBangerError(fault);
  return code === 'INTERNAL' && fault instanceof Error ? fault.message : message;
}

/** The prefix tells it from the image's own; the number keeps names apart that differ only in characters we replace. */
function nameInGuest(index: number, name: string): string {
  return `banger-host-${index}-${name.replaceAll(/[^A-Za-z0-9._-]/g, '_').slice(-100)}`;
}

/** "none" for none */
export function digestOf(certificates: readonly HostCertificate[]): string {
  if (certificates.length === 0) return 'none';
  const hash = createHash('sha256');
  for (const { name, content } of certificates) hash.update(`${name} ${content.length}\n`).update(content);
  return hash.digest('hex');
}
