/** Checked names. A branded string was checked once, where it entered; nobody checks it again. */
import { BangerError } from './errors.ts';

declare const brand: unique symbol;
export type Branded<Name extends string> = string & { readonly [brand]: Name };

/** Lower-case letters, digits and inner hyphens, at most 63: a DNS label, since `<name>.vm` is a host name. */
export type VmName = Branded<'VmName'>;
/** What the daemon gives each vm: 12 lower-case hex digits. Never reused. */
export type VmId = Branded<'VmId'>;
/** Names of images and kernels: letters, digits, and inner `.`, `_`, `-`. */
export type CatalogName = Branded<'CatalogName'>;

const VM_NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const VM_ID = /^[0-9a-f]{12}$/;
/** The domain of vms */
export const VM_LABEL = 'vm';
const VM_DOMAIN = `.${VM_LABEL}`;
const CATALOG_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,98}[a-zA-Z0-9])?$/;

export function parseVmName(text: string): VmName {
  if (isVmName(text)) return text;
  throw new BangerError('BAD_NAME', {
    message: `"${text.slice(0, 80)}" is not a name for a vm.`,
    hint: VM_ID.test(text)
      ? 'Twelve hex digits are what an id looks like; choose a name that is not one.'
      : 'Use 1 to 63 lower-case letters, digits and hyphens, with a letter or digit at both ends.',
  });
}

/** What a vm is called as a host, by ssh and in the addresses of commits. */
export function vmHost(name: string): string {
  return `${name}${VM_DOMAIN}`;
}

/** The vm of a host name; a name that is none stays as it is. */
export function vmOfHost(host: string): string {
  return host.endsWith(VM_DOMAIN) ? host.slice(0, -VM_DOMAIN.length) : host;
}

export function isVmName(text: string): text is VmName {
  return VM_NAME.test(text) && !VM_ID.test(text);
}

export function isVmId(text: string): text is VmId {
  return VM_ID.test(text);
}

export function isCatalogName(text: string): text is CatalogName {
  return CATALOG_NAME.test(text) && !text.includes('..');
}

export function parseCatalogName(text: string): CatalogName {
  if (isCatalogName(text)) return text;
  throw new BangerError('BAD_NAME', {
    message: `"${text.slice(0, 80)}" is not a name for an image or a kernel.`,
    hint: 'Use 1 to 100 letters, digits, dots, underscores and hyphens, with a letter or digit at both ends.',
  });
}
