/** Completion for fish, as a script that it sources. */
import type { CommandCompletion, Completions, FlagCompletion, Kind } from './completions.ts';

export function renderFish({ beginnings, commands, commonFlags }: Completions): string {
  return `# Completion of banger for fish: banger completion fish | source
function __banger_words
    set -l words (commandline -opc)
    set -e words[1]
    string match -v -r -- '^-(?!-$)' $words
end
# The words so far begin with these, and there is no "--" yet.
function __banger_after
    set -l words (__banger_words)
    contains -- -- $words; and return 1
    test (count $words) -ge (count $argv); and test "$words[1..$(count $argv)]" = "$argv"
end
function __banger_exactly
    set -l words (__banger_words)
    test "$words" = "$argv"
end
complete -c banger -f
complete -c banger -n 'contains -- -- (__banger_words)' -F
${[
  ...beginnings.flatMap(({ name, words }) =>
    words.map(
      ({ word, summary }) => `complete -c banger -n '__banger_exactly ${name}' -a ${word} -d ${quote(summary)}`,
    ),
  ),
  ...commonFlags.map((flag) => `complete -c banger -n '__banger_exactly' ${renderFlag(flag)}`),
  ...commands.flatMap(renderCommand),
].join('\n')}
`;
}

function renderCommand({ name, flags, arguments: takes }: CommandCompletion): string[] {
  const start = `complete -c banger -n '__banger_after ${name}'`;
  const kinds = [...new Set(takes)].map((kind) => offer(kind)).filter((option) => option !== '');
  return [...kinds.map((option) => `${start} ${option}`), ...flags.map((flag) => `${start} ${renderFlag(flag)}`)];
}

function renderFlag({ name, short, summary, value }: FlagCompletion): string {
  const words = [`-l ${name.slice(2)}`, ...(short === null ? [] : [`-s ${short.slice(1)}`]), `-d ${quote(summary)}`];
  return [...words, ...(value === null ? [] : [value === 'files' ? '-r -F' : `-x ${offer(value)}`.trim()])].join(' ');
}

function offer(kind: Kind): string {
  if (kind === 'files') return '-F';
  if (typeof kind !== 'string') return `-a '${kind.join(' ')}'`;
  return kind === 'nothing' ? '' : `-a '(banger completion ${kind} 2>/dev/null)'`;
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
