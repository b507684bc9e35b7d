/** Completion for bash, as a script that it sources. */
import { type CommandCompletion, type Completions, kindWord } from './completions.ts';

export function renderBash({ beginnings, commands, commonFlags }: Completions): string {
  const words = (list: readonly { word: string }[]) => list.map(({ word }) => word).join(' ');
  return `# Completion of banger for bash: source <(banger completion bash)
_banger() {
  # Bash takes names of images apart at their colons: they are put together, and what is offered is cut again.
  local -a typed=()
  local piece cut=
  for ((piece = 0; piece <= COMP_CWORD; piece++)); do
    if ((piece)) && [[ \${COMP_WORDS[piece]} == :* || \${COMP_WORDS[piece-1]} == *: ]]; then
      typed[-1]+=\${COMP_WORDS[piece]} cut=:
    else
      typed+=("\${COMP_WORDS[piece]}") cut=
    fi
  done
  local -a COMP_WORDS=("\${typed[@]}")
  local COMP_CWORD=$((\${#typed[@]} - 1))
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  local command= at=1 position=0 flags= values= arguments= kind= words index word
  COMPREPLY=()
  while true; do
    case $command in
${beginnings.map(({ name, words: after }) => `      '${name}') words='${words(after)}' ;;`).join('\n')}
      *) break ;;
    esac
    while ((at < COMP_CWORD)) && [[ \${COMP_WORDS[at]} == -* ]]; do ((at++)); done
    if ((COMP_CWORD == at)); then
      [[ $current == -* ]] && words='${commonFlags.map(({ name }) => name).join(' ')}'
      COMPREPLY=($(compgen -W "$words" -- "$current"))
      return
    fi
    command+="\${command:+ }\${COMP_WORDS[at++]}"
  done
  case $command in
${commands.map(renderCommand).join('\n')}
  esac
  for ((index = at; index < COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    if [[ $word == -- ]]; then
      COMPREPLY=($(compgen -f -- "$current"))
      return
    elif [[ $values == *" $word="* ]]; then
      ((index++))
    elif [[ $word != -* ]]; then
      ((position++))
    fi
  done
  if [[ $values == *" $previous="* ]]; then
    kind=\${values#*" $previous="} kind=\${kind%% *}
  elif [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$current"))
    return
  else
    set -- $arguments
    [[ \${!#} == many ]] && ((position >= $# - 1)) && position=$(($# - 2))
    ((position < $#)) && kind=\${@:position+1:1}
  fi
  case $kind in
    vms | images | kernels) COMPREPLY=($(compgen -W "$("\${COMP_WORDS[0]}" completion "$kind" 2>/dev/null)" -- "$current")) ;;
    *,*) COMPREPLY=($(compgen -W "\${kind//,/ }" -- "$current")) ;;
    files) COMPREPLY=($(compgen -f -- "$current")) ;;
  esac
  [[ -z $cut ]] || COMPREPLY=("\${COMPREPLY[@]#"\${current%"\${current##*:}"}"}")
}
complete -o filenames -F _banger banger
`;
}

function renderCommand({ name, flags, arguments: takes, many }: CommandCompletion): string {
  const values = flags.flatMap(({ name: flag, short, value }) =>
    value === null ? [] : [flag, short].filter((each) => each !== null).map((each) => `${each}=${kindWord(value)}`),
  );
  const parts = [
    `flags='${flags.map((flag) => flag.name).join(' ')}'`,
    `values=' ${values.join(' ')} '`,
    `arguments='${[...takes.map(kindWord), ...(many ? ['many'] : [])].join(' ')}'`,
  ];
  return `    '${name}') ${parts.join(' ')} ;;`;
}
