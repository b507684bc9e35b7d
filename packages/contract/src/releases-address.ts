/** Where a project's releases are, as somebody wrote it. */

/** Null for an https address that may be one; else why not, without the address: it may hold a password. */
export function faultOfReleases(address: string): string | null {
  const url = URL.parse(address);
  if (url?.protocol !== 'https:') return 'it must begin with "https://"';
  if (url.username !== '' || url.password !== '') return 'it must be without a name and a password';
  return url.search === '' && url.hash === '' ? null : 'it must be without "?" and "#"';
}
