/** Writes docs/errors.md from the table of errors; with --check, fails when the file says something else. */
import { readFileSync, writeFileSync } from 'node:fs';
import { ERRORS } from '@banger/contract/errors.ts';

const PATH = 'docs/errors.md';

const rows = Object.entries(ERRORS).map(
  ([code, { status, exit, meaning }]) => `| \`${code}\` | ${meaning} | ${status} | ${exit} |`,
);
const text = `<!-- Made from packages/contract/src/errors.ts by scripts/make-error-docs.ts; do not edit. -->
# Errors

Every failure has a stable code, a message that says what happened, mostly a hint that says what to do, an HTTP status
(owner API) and an exit code (command line). With \`--json\` the whole error is printed as JSON.

A command that runs inside a vm (\`vm run -- …\`, \`vm exec -- …\`) passes its own exit code through, and 128 plus the
signal's number when a signal ended it. banger's own exit codes are those of \`sysexits.h\` (64 to 78), 126 and 127 as a
shell uses them, and 130 for what was cancelled. When in doubt whose code it was: banger's failures always print a line
that begins with \`banger:\` on standard error.

| code | meaning | HTTP | exit |
|---|---|---|---|
${rows.join('\n')}
`;

if (!process.argv.includes('--check')) writeFileSync(PATH, text);
else if (readFileSync(PATH, 'utf8') !== text) {
  console.error(`${PATH} is out of date: run "node scripts/make-error-docs.ts"`);
  process.exit(1);
}
