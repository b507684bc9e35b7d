/**
 * Paths as `node:path/posix` has them, for texts that stand for any bytes (byte-text.ts): the packaged command's runtime puts
 * other characters in the place of those.
 */
export function resolve(from: string, path = ''): string {
  const whole = normalize(path.startsWith('/') ? path : `${from}/${path}`);
  return whole.length > 1 && whole.endsWith('/') ? whole.slice(0, -1) : whole;
}

export function normalize(path: string): string {
  if (path === '') return '.';
  const root = path.startsWith('/') ? '/' : '';
  const kept: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') kept.push(part);
    else if (kept.length > 0 && kept.at(-1) !== '..') kept.pop();
    else if (root === '') kept.push(part);
  }
  const plain = `${root}${kept.join('/')}`;
  const end = path.endsWith('/') && kept.length > 0 ? '/' : '';
  if (plain === '') return path.endsWith('/') ? './' : '.';
  return `${plain}${end}`;
}

export function dirname(path: string): string {
  const plain = path.replace(/\/+$/, '');
  if (plain === '') return path === '' ? '.' : '/';
  const at = plain.lastIndexOf('/');
  if (at === -1) return '.';
  return plain.slice(0, at).replace(/\/+$/, '') || '/';
}

export function basename(path: string): string {
  const plain = path.replace(/\/+$/, '');
  return plain.slice(plain.lastIndexOf('/') + 1);
}
