/** From where a project's releases are to where one file of them is. Decides only. */
import { BangerError } from '@banger/contract/errors.ts';
import { faultOfReleases } from '@banger/contract/releases-address.ts';

/** Of one file at the address, or the address of that file itself. Throws HYPERVISOR_FETCH_FAILED. */
export function parseReleases(address: string | null, path: string): URL {
  if (address === null) {
    throw new BangerError('HYPERVISOR_FETCH_FAILED', {
      message: 'Nothing says where the releases are.',
      hint: 'Name the address of the project\'s releases: --from https://…, or "releases" below [hypervisor] in the config. A file or folder of yours will do too.',
    });
  }
  const wrong = faultOfReleases(address);
  if (wrong !== null) {
    throw new BangerError('HYPERVISOR_FETCH_FAILED', {
      message: `The address of the releases cannot be used: ${wrong}.`,
      hint: 'A file or folder of yours is named by its path.',
    });
  }
  const url = new URL(address);
  if (!url.pathname.endsWith('.tgz')) url.pathname = `${url.pathname.replace(/\/+$/, '')}/${path}`;
  return url;
}
