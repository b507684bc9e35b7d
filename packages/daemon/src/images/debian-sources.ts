/**
 * Where the host gets its own Debian packages, as apt sees it: an image is made from the same mirrors and release, so
 * that banger names none and whatever the owner set up is followed.
 */
import { takeCredentials } from './apt-credentials.ts';

/** One line an index; origin, suite, address and component, as `apt-get indextargets --format` fills them in */
export const INDEX_FORMAT = '$(ORIGIN)|$(RELEASE)|$(REPO_URI)|$(COMPONENT)';

export type DebianIndex = { suite: string; uri: string; component: string };

/** Only Debian's own archives: the owner's other ones have no business in an image. */
export function parseIndexes(text: string): DebianIndex[] {
  const indexes: DebianIndex[] = [];
  for (const line of text.split('\n')) {
    const [origin, suite, uri, component] = line.trim().split('|');
    if (origin === 'Debian' && suite && uri && component && /^(?:https?|mirror\+file):/.test(uri)) {
      indexes.push({ suite, uri, component });
    }
  }
  return indexes;
}

/**
 * The lines of a sources.list, and those of an auth.conf with the passwords that some addresses had. `mirrorOf` gives the
 * first mirror of a local list, which the image does not have.
 */
export function toSourceLines(
  indexes: DebianIndex[],
  mirrorOf: (listPath: string) => string | null,
): { lines: string[]; authLines: string[] } {
  const components = new Map<string, Set<string>>();
  const authLines = new Set<string>();
  for (const { suite, uri, component } of indexes) {
    const listPath = /^mirror\+file:(\/.*?)\/?$/.exec(uri)?.[1]?.replace(/^\/\//, '');
    const found = listPath === undefined ? uri : mirrorOf(listPath);
    if (found === null) continue;
    const { address, authLine } = takeCredentials(found);
    if (authLine !== null) authLines.add(authLine);
    const archive = `${address.replace(/\/+$/, '')} ${suite}`;
    components.set(archive, (components.get(archive) ?? new Set()).add(component));
  }
  return {
    lines: [...components].map(([archive, names]) => `deb ${archive} ${[...names].join(' ')}`),
    authLines: [...authLines],
  };
}

/** The release itself: the suite that the others (-updates, -security) are named after. */
export function chooseSuite(indexes: DebianIndex[]): string | null {
  const suites = [...new Set(indexes.map(({ suite }) => suite))];
  return suites.find((suite) => !/[-/]/.test(suite)) ?? null;
}
