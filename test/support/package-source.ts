/** Where this host gets its Debian packages: a server that a machine with a network reaches too. */
import { execFileSync } from 'node:child_process';

export function findPackageSource(): { uri: URL; release: string } {
  const targets = execFileSync('apt-get', ['indextargets', '--format', '$(REPO_URI) $(RELEASE)'], { encoding: 'utf8' });
  const target = targets.split('\n').find((line) => line.startsWith('http://'));
  if (target === undefined) throw new Error('apt has no source that is reached by http');
  const [uri = '', release = ''] = target.split(' ');
  return { uri: new URL(uri), release };
}
