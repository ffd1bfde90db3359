# Completion of the command cairn for bash: commands, options and topics as `cairn` itself lists them, run ids from
# `cairn ls`, keys from `cairn show`. Source this file, or install it as cairn in bash-completion's directory of completions.

# Prints the words of the help of "$@" that begin a line of its options, without what follows them.
_cairn_options() {
  "$@" --help 2>/dev/null | sed -n 's/^  \(-[^ ]*\).*/\1/p' | tr , '\n'
}

# Succeeds if the option $1 of "${@:2}" takes a value.
_cairn_takes_value() {
  "${@:2}" --help 2>/dev/null | grep -qE -- "^  (-[^ ]*,)?$1 [^ ]"
}

# Prints the name of argument number $1 of "${@:2}", from its usage line; a last one with dots goes on for ever.
_cairn_argument() {
  "${@:2}" --help 2>/dev/null | sed -n 's/^Usage: cairn [^ ]* \[OPTIONS\]//p' | tr -d '[]' |
    awk -v n="$1" '{ if (n <= NF) print $n; else if ($NF ~ /\.\.\.$/) print $NF }'
}

# Prints the keys of run $2, as far as they need no quotes in the shell. $1: the command, $3: the store, if one is given.
_cairn_keys() {
  "$1" show "$2" ${3:+--store "$3"} 2>/dev/null | sed -nE 's|^  "([A-Za-z0-9_./:@%+,-]+)": .*|\1|p'
}

# Fills COMPREPLY for the last of "$@", the words of the command line.
_cairn_complete() {
  local -a words=("$@")
  local last=$(($# - 1))
  local command=$1 current=${words[last]} sub='' store='' option='' run='' arguments=0 i word
  local -a call=("$command")
  for ((i = 1; i < last; ++i)); do
    word=${words[i]}
    if [[ $word == -* ]]; then
      if _cairn_takes_value "$word" "${call[@]}" || [[ $word == --store || $word == --token-file || $word == --ca-file ]]; then
        if ((++i == last)); then
          option=$word
        elif [[ $word == --store ]]; then
          store=${words[i]}
        fi
      fi
    elif [[ -z $sub ]]; then
      sub=$word
      call+=("$sub")
    else
      ((++arguments))
      [[ $arguments -gt 1 ]] || run=$word
    fi
  done

  case $option in
    --token-file | --ca-file)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    --store)
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
      return
      ;;
    --order)
      mapfile -t COMPREPLY < <(compgen -W "newest oldest id" -- "$current")
      return
      ;;
    --status)
      if [[ $sub == finish ]]; then
        mapfile -t COMPREPLY < <(compgen -W "COMPLETED CANCELED FAILED SYSTEM_FAILURE EXPIRED TIMED_OUT" \
          -- "${current^^}")
        return
      fi
      mapfile -t COMPREPLY < <(compgen -W "PENDING_VERSION QUEUED DEQUEUED EXECUTING WAITING COMPLETED CANCELED FAILED
        CRASHED SYSTEM_FAILURE DELAYED EXPIRED TIMED_OUT" -- "${current^^}")
      return
      ;;
    -*) return ;;
  esac
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_cairn_options "${call[@]}") --store --json --token-file --ca-file" -- "$current" | sort -u)
    return
  fi
  if [[ -z $sub ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$("$command" --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z-]*\) .*/\1/p')" \
      -- "$current")
    return
  fi
  case $(_cairn_argument $((arguments + 1)) "${call[@]}") in
    RUN | RUN...)
      mapfile -t COMPREPLY < <(compgen -W "$("$command" ls --order id ${store:+--store "$store"} 2>/dev/null | awk 'NR > 1 { print $1 }')" \
        -- "$current")
      ;;
    KEY)
      mapfile -t COMPREPLY < <(compgen -W "$(_cairn_keys "$command" "$run" "$store")" -- "$current")
      ;;
    TOPIC)
      mapfile -t COMPREPLY < <(compgen -W "$("$command" help | sed -n '/^Topics:/,/^$/s/^  \([a-z-]*\) .*/\1/p')
        $("$command" --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z-]*\) .*/\1/p')" -- "$current")
      ;;
    FILE | TARGET)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      ;;
  esac
}

# Bash makes words of their own of each ':', which run ids may hold, and replaces what stands behind the last one.
_cairn() {
  COMPREPLY=()
  local -a words=("${COMP_WORDS[0]}")
  local i current
  for ((i = 1; i <= COMP_CWORD; ++i)); do
    if ((i > 1)) && [[ ${COMP_WORDS[i]} == :* || ${words[-1]} == *: ]]; then
      words[-1]+=${COMP_WORDS[i]}
    else
      words+=("${COMP_WORDS[i]}")
    fi
  done
  _cairn_complete "${words[@]}"
  current=${words[-1]}
  if [[ $current == *:* && $COMP_WORDBREAKS == *:* && ${#COMPREPLY[@]} -gt 0 ]]; then
    COMPREPLY=("${COMPREPLY[@]#"${current%"${current##*:}"}"}")
  fi
}

complete -F _cairn cairn
