/** Tab, in the shells that are here: each gets a line as the user has typed it, and answers with what it would offer. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { CHECKOUT } from '../support/banger-home.ts';
import { createFakeHome } from '../support/fake-home.ts';

type Home = Awaited<ReturnType<typeof createFakeHome>>;
type Offer = (home: Home, line: string) => string[];

const BIN = join(CHECKOUT, 'bin');

function runShell(home: Home, argv: [string, ...string[]], input = ''): string[] {
  const env = { ...home.env, PATH: `${BIN}:${home.env.PATH}`, TERM: 'dumb' };
  const { stdout, stderr, status } = spawnSync(argv[0], argv.slice(1), {
    env,
    input,
    encoding: 'utf8',
    cwd: home.folder,
  });
  assert.equal(stderr, '', `${argv[0]} exited with ${status}`);
  return stdout.split('\n').filter(Boolean).sort();
}

const inBash: Offer = (home, line) => {
  const script = `source <(banger completion bash); COMP_WORDS=(${line.replace(/ $/, " ''")}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
    _banger; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return runShell(home, ['bash', '--norc', '-c', script]);
};

const inFish: Offer = (home, line) =>
  runShell(home, ['fish', '--no-config', '-c', `banger completion fish | source; complete -C '${line}'`]).map(
    (offered) => offered.split('\t')[0] as string,
  );

// A shell in a terminal of its own, whose compadd prints what it is given.
const inZsh: Offer = (home, line) => {
  const inner = [
    'PS1= PROMPT= RPROMPT=; setopt no_beep; autoload -U compinit; compinit -D -u; zstyle ":completion:*" list-prompt ""',
    'source <(banger completion zsh)',
    'compadd() { local -a hits; builtin compadd -O hits "$@"; print -rl -- "OFFER:"$^hits; builtin compadd "$@" }',
    "tab() { zle complete-word; print DONE; exit }; zle -N tab; bindkey '^I' tab; print READY",
  ].join('\n');
  const script = `zmodload zsh/zpty
    zpty shell zsh -f -i
    zpty -w shell 'source ${join(home.folder, 'inner.zsh')}'
    zpty -r -m shell seen '*READY*'
    zpty -w -n shell '${line}'$'\\t'
    zpty -r -m shell seen '*DONE*'
    print -r -- $seen`;
  spawnSync('tee', [join(home.folder, 'inner.zsh')], { input: inner });
  const offers = runShell(home, ['zsh', '-f', '-c', script]).flatMap((text) => [...text.matchAll(/OFFER:(\S+)/g)]);
  // zsh adds one once for each way to list it.
  return [...new Set(offers.map((match) => match[1] as string))].sort();
};

const SHELLS: Record<string, Offer> = { bash: inBash, zsh: inZsh, fish: inFish };

for (const [shell, offer] of Object.entries(SHELLS)) {
  test(`${shell} completes commands, flags and names of vms`, async (t) => {
    const home = await createFakeHome(t);
    assert.deepEqual(offer(home, 'banger vm sho'), ['show']);
    const first = offer(home, 'banger ');
    assert.ok(first.includes('doctor') && first.includes('vm'));
    assert.deepEqual(offer(home, 'banger vm work'), ['workspace']);
    assert.deepEqual(offer(home, 'banger vm workspace '), ['diff', 'export', 'import']);
    assert.deepEqual(offer(home, 'banger vm stop '), []);
    assert.equal((await home.run(['daemon', 'status'])).code, 69, 'Tab starts no daemon');

    await home.json(['vm', 'create', '--name', 'web']);
    await home.json(['vm', 'create', '--name', 'worker']);
    assert.deepEqual(offer(home, 'banger vm stop w'), ['web', 'worker']);
    assert.deepEqual(offer(home, 'banger vm workspace diff wo'), ['worker']);
    assert.deepEqual(offer(home, 'banger vm workspace import web --include'), ['--include-untracked']);
    assert.deepEqual(offer(home, 'banger vm stop --timeout 30 web wo'), ['worker']);
    assert.deepEqual(offer(home, 'banger vm run --memo'), ['--memory']);
    assert.deepEqual(offer(home, 'banger vm run --image deb'), ['debian']);
    assert.deepEqual(offer(home, 'banger completion f'), ['fish']);
    assert.deepEqual(offer(home, 'banger completion '), ['bash', 'fish', 'zsh']);
    assert.deepEqual(offer(home, 'banger vm start web --wait s'), ['system']);
    assert.deepEqual(offer(home, 'banger --qu'), ['--quiet']);
    assert.deepEqual(offer(home, 'banger -q --json vm sho'), ['show']);
    assert.deepEqual(offer(home, 'banger -q vm stop wo'), ['worker']);
    assert.deepEqual(offer(home, 'banger vm --json sho'), ['show']);
  });
}
