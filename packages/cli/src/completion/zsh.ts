/** Completion for zsh, as a function that it autoloads or a script that it sources. */
import { type CommandCompletion, type Completions, kindWord, type Word } from './completions.ts';

export function renderZsh({ beginnings, commands, commonFlags }: Completions): string {
  return `#compdef banger
# Completion of banger for zsh: source <(banger completion zsh), or a file "_banger" in a folder of $fpath
_banger() {
  local command= kind= many= index
  local -i at=2 position=1
  local -a entries flags arguments
  local -A values
  while true; do
    case $command in
${beginnings.map(({ name, words }) => `      '${name}') entries=(${describe(words)}) ;;`).join('\n')}
      *) break ;;
    esac
    while (( at < CURRENT )) && [[ $words[at] == -* ]]; do (( at++ )); done
    if (( CURRENT == at )); then
      flags=(${describe(commonFlags.map(({ name, summary }) => ({ word: name, summary })))})
      if [[ $words[at] == -* ]]; then _describe flag flags; else _describe command entries; fi
      return
    fi
    command+="\${command:+ }$words[at]"
    (( at++ ))
  done
  case $command in
${commands.map(renderCommand).join('\n')}
  esac
  for (( index = at; index < CURRENT; index++ )); do
    if [[ $words[index] == -- ]]; then
      _files
      return
    elif (( $+values[$words[index]] )); then
      (( index++ ))
    elif [[ $words[index] != -* ]]; then
      (( position++ ))
    fi
  done
  if (( $+values[$words[CURRENT-1]] )); then
    kind=$values[$words[CURRENT-1]]
  elif [[ $words[CURRENT] == -* ]]; then
    _describe flag flags
    return
  else
    [[ -n $many ]] && (( position > $#arguments )) && position=$#arguments
    kind=$arguments[position]
  fi
  case $kind in
    vms|images|kernels)
      entries=(\${(f)"$($words[1] completion $kind 2>/dev/null)"})
      compadd -a entries
      ;;
    *,*) compadd \${(s:,:)kind} ;;
    files) _files ;;
  esac
}
if [[ $funcstack[1] == _banger ]]; then _banger "$@"; else compdef _banger banger; fi
`;
}

function renderCommand({ name, flags, arguments: takes, many }: CommandCompletion): string {
  const values = flags.flatMap(({ name: flag, short, value }) =>
    value === null ? [] : [flag, short].filter((each) => each !== null).map((each) => `${each} ${kindWord(value)}`),
  );
  const parts = [
    `flags=(${describe(flags.map((flag) => ({ word: flag.name, summary: flag.summary })))})`,
    `values=(${values.join(' ')})`,
    `arguments=(${takes.map(kindWord).join(' ')})`,
    ...(many ? ['many=1'] : []),
  ];
  return `    '${name}') ${parts.join(' ')} ;;`;
}

function describe(words: readonly Word[]): string {
  return words.map(({ word, summary }) => `'${word}:${summary.replaceAll("'", "'\\''")}'`).join(' ');
}
