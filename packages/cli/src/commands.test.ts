import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { VERSION } from '@banger/contract/version.ts';
import { COMMANDS, COMMON_FLAGS, type CommandName, type CommandSpec, type FlagSpec, specOf } from './commands.ts';
import { helpFor } from './help.ts';
import { loadCommand } from './load-command.ts';
import { parseArguments } from './parse-arguments.ts';

const NAMES = Object.keys(COMMANDS) as CommandName[];

for (const name of NAMES) {
  test(`banger ${name}: it loads, and its help and examples are true`, async () => {
    assert.equal(typeof (await loadCommand(name)), 'function');
    const help = helpFor(name.split(' '));
    for (const flag of Object.keys(specOf(name).flags ?? {})) assert.ok(help.includes(`--${flag}`), flag);
    for (const line of help.split('\n')) assert.ok(line.length <= 100, line);
    for (const { line } of specOf(name).examples) {
      const words = line
        .replace(/^[^|]* \| (?=banger )/, '')
        .replace(/ [|<>] .*| \|\| .*/, '')
        .split(' ')
        .slice(1);
      const parsed = parseArguments(words);
      assert.ok(parsed.is === 'help' ? name === 'help' : parsed.name === name, line);
    }
  });
}

test('no command has two flags with one letter, or a flag that all have', () => {
  for (const name of NAMES) {
    const flags = Object.entries({ ...specOf(name).flags });
    for (const [flag] of flags) assert.ok(!Object.hasOwn(COMMON_FLAGS, flag), `${name} --${flag}`);
    const letters = [...flags, ...Object.entries<FlagSpec>(COMMON_FLAGS)].flatMap(([, { short }]) => short ?? []);
    assert.equal(new Set(letters).size, letters.length, name);
  }
});

test('words that people try lead to one command only, and are none', () => {
  const tried = Object.values<CommandSpec>(COMMANDS).flatMap(({ alsoTried }) => alsoTried ?? []);
  assert.equal(new Set(tried).size, tried.length);
  for (const words of tried) assert.ok(!Object.hasOwn(COMMANDS, words), words);
});

test('the version is that of the package', () => {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  assert.equal(VERSION, version);
});
