/**
 * `recover.ts` and `recover.ts --dry-run`: makes the state anew without a daemon, which may not come up on the one that
 * there is. It prints one line of JSON, a Recovery or `{"error":{…}}`.
 */
import { toBangerError } from '@banger/contract/errors.ts';
import { checkOwnFolder } from '@banger/contract/own-folder.ts';
import { OWNER } from './platform/own-files.ts';
import { readSettings } from './read-settings.ts';
import { recover } from './recover/recover.ts';

try {
  const dryRun = process.argv[2] === '--dry-run';
  const { paths } = readSettings(process.env);
  for (const folder of [paths.state, paths.data]) checkOwnFolder(folder, OWNER);
  say(await recover({ paths, dryRun, now: () => new Date() }));
} catch (thrown) {
  say({ error: toBangerError(thrown).toWire() });
}

function say(answer: object): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
