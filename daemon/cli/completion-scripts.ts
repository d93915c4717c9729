interface Word {
  readonly name: string
  readonly description: string
}

interface Flag {
  /** `--follow` */
  readonly flag: string
  /** `-f` */
  readonly short: string | undefined
  readonly description: string
}

/** One place of the command line, and what may stand there. */
export interface Place {
  /** The words before it, `jobs cancel`; empty at the beginning. */
  readonly path: string
  readonly commands: readonly Word[]
  readonly options: readonly Flag[]
  /** A path may stand there, too. */
  readonly paths: 'directories' | 'files' | undefined
}

// Each script walks the words before the cursor as far as they name commands, then offers what its place has.

export function bashScript(places: readonly Place[]): string {
  const known = places.filter((place) => place.path !== '').map((place) => `"${place.path}"`)
  const cases = places.map((place) => {
    const shorts = place.options.flatMap(({ short }) => short ?? [])
    const flags = place.options.map((option) => option.flag)
    const words = [...place.commands.map((word) => word.name), ...flags, ...shorts]
    const paths = place.paths === undefined ? '' : ` paths=${place.paths === 'files' ? '-f' : '-d'}`
    return `    "${place.path}") words="${words.join(' ')}"${paths} ;;`
  })
  return `# bash completion for scrum4me-daemon
# Load it with: eval "$(scrum4me-daemon completion bash)"
_scrum4me_daemon() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" path="" next words paths="" i
  if [[ $prev == --home ]]; then
    COMPREPLY=($(compgen -d -- "$cur"))
    return
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    next="\${path:+$path }\${COMP_WORDS[i]}"
    case "$next" in
      ${known.join('|')}) path="$next" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [[ -n $paths && $cur != -* ]]; then
    COMPREPLY+=($(compgen $paths -- "$cur"))
  fi
}
complete -F _scrum4me_daemon scrum4me-daemon
`
}

export function zshScript(places: readonly Place[]): string {
  const known = places.filter((place) => place.path !== '').map((place) => `"${place.path}"`)
  const entry = (name: string, description: string) =>
    `'${`${name.replaceAll(':', '\\:')}:${description}`.replaceAll("'", `'\\''`)}'`
  const cases = places.map((place) => {
    const words = place.commands.map((word) => entry(word.name, word.description))
    const flags = place.options.flatMap(({ flag, short, description }) =>
      [flag, short ?? []].flat().map((name) => entry(name, description)),
    )
    const paths = place.paths === undefined ? '' : ` paths_='_files${place.paths === 'files' ? '' : ' -/'}'`
    return `    "${place.path}") words_=(${[...words, ...flags].join(' ')})${paths} ;;`
  })
  return `#compdef scrum4me-daemon
# zsh completion for scrum4me-daemon
# Load it with: source <(scrum4me-daemon completion zsh)
_scrum4me_daemon() {
  local path_="" paths_="" next_ i
  local -a words_
  if [[ $words[CURRENT-1] == --home ]]; then
    _files -/
    return
  fi
  for ((i = 2; i < CURRENT; i++)); do
    next_="\${path_:+$path_ }\${words[i]}"
    case "$next_" in
      ${known.join('|')}) path_="$next_" ;;
    esac
  done
  case "$path_" in
${cases.join('\n')}
  esac
  _describe 'scrum4me-daemon' words_
  if [[ -n $paths_ ]]; then \${=paths_}; fi
}
if (( $+functions[compdef] )); then compdef _scrum4me_daemon scrum4me-daemon; fi
`
}

export function fishScript(places: readonly Place[]): string {
  const quote = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const lines = places.flatMap((place) => {
    const at = `-n ${quote(`__scrum4me_daemon_at ${quote(place.path)}`)}`
    const words = place.commands.map(
      (word) => `complete -c scrum4me-daemon -f ${at} -a ${quote(word.name)} -d ${quote(word.description)}`,
    )
    const flags = place.options.map((option) => {
      const takes = option.flag === '--home' ? ' -r -a "(__fish_complete_directories)"' : ''
      const short = option.short === undefined ? '' : ` -s ${option.short.slice(1)}`
      return `complete -c scrum4me-daemon -f ${at} -l ${option.flag.slice(2)}${short} -d ${quote(option.description)}${takes}`
    })
    const paths = {
      directories: [`complete -c scrum4me-daemon -f ${at} -a "(__fish_complete_directories)"`],
      files: [`complete -c scrum4me-daemon -F ${at}`],
    }
    return [...words, ...flags, ...(place.paths === undefined ? [] : paths[place.paths])]
  })
  const known = places.filter((place) => place.path !== '').map((place) => quote(place.path))
  return `# fish completion for scrum4me-daemon
# Load it with: scrum4me-daemon completion fish | source
function __scrum4me_daemon_at
    set -l path ''
    for word in (commandline -opc)[2..-1]
        set -l next (string trim -- "$path $word")
        if contains -- "$next" ${known.join(' ')}
            set path $next
        end
    end
    test "$path" = "$argv[1]"
end
${lines.join('\n')}
`
}
