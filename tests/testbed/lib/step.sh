# shellcheck shell=bash
# Steps: run when an input changed or the product is gone, else not at all; with
# a line at the start and the end, a heartbeat between, and the log on failure.
# Also the lock that keeps two runs out of each other's way.
# shellcheck disable=SC2154  # cache comes from the entry script

step_group=
step_heart=

open_cache() {
  mkdir -p "$cache"/{out,work,logs,stamps,tools,pids}
  # `clean` removes only a folder that says it is one of ours.
  touch "$cache/.testbed-cache"
}

lock_cache() {
  exec 9>"$cache/.lock"
  flock --nonblock 9 && return
  say "another testbed is at work, waiting for it"
  flock 9
}

# digest INPUT...: strings as they are, files and folders by content and mode.
digest() {
  local input
  for input in "$@"; do
    if [[ -d $input ]]; then
      (cd "$input" && find . -type f -printf '%p %m\n' -o -type l -printf '%p %l\n' | sort &&
        find . -type f -print0 | sort -z | xargs -0r sha256sum)
    elif [[ -f $input ]]; then
      sha256sum <"$input"
    else
      printf '%s\n' "$input"
    fi
  done | sha256sum
}

# identity PRODUCT...: what there is now under these names. A path is a file or
# folder in the cache, image:NAME an image of the Docker engine.
identity() {
  local product now
  for product in "$@"; do
    case $product in
      image:*) now=$(docker image inspect -f '{{.Id}}' "${product#image:}" 2>/dev/null) || return 1 ;;
      *) now=$(stat -L -c '%s %Y' "$cache/$product" 2>/dev/null) || return 1 ;;
    esac
    printf '%s %s\n' "$product" "$now"
  done
}

# stamp NAME: a step's record, to hand on as an input of the steps after it.
stamp() { cat "$cache/stamps/$1"; }

# step NAME HINT PRODUCTS INPUT... -- FUNCTION ARGUMENT...
# PRODUCTS is one string, separated by spaces. The text of FUNCTION is an input.
step() {
  local name=$1 hint=$2 products=$3 inputs=() sum record log rc=0 began=$SECONDS doing=building
  shift 3
  while [[ $1 != -- ]]; do
    inputs+=("$1")
    shift
  done
  shift
  record=$cache/stamps/${name//\//-}
  log=$cache/logs/${name//\//-}.log
  sum=$(digest "${inputs[@]}" "$products" "$(declare -f "$1")" "${@:2}")
  # shellcheck disable=SC2086  # split on purpose
  if [[ -e $record && $(<"$record") == "$sum"$'\n'"$(identity $products)" ]]; then
    return
  fi
  rm -f "$record"
  [[ $name != pull/* ]] || doing=pulling
  say "$name: $doing${hint:+, $hint}"
  # A group of its own, so that an interrupt can end all of it. Not in a
  # condition: there the shell would ignore errexit inside the function.
  set -m
  (set -euo pipefail; trap - INT TERM; "$@") >"$log" 2>&1 </dev/null &
  step_group=$!
  set +m
  (
    while sleep 15 && kill -0 $$; do say "$name: still $doing, $((SECONDS - began)) s"; done
  ) 9>&- &
  step_heart=$!
  wait "$step_group" || rc=$?
  step_group=
  kill "$step_heart"
  wait "$step_heart" 2>/dev/null || true
  step_heart=
  hide_hosts <"$log" >"$log.new" && mv "$log.new" "$log"
  if ((rc)); then
    tail -n 15 "$log" | sed 's/^/    /' >&2
    fail "$name failed after $((SECONDS - began)) s" "the whole log: $log"
  fi
  # shellcheck disable=SC2086
  { printf '%s\n' "$sum"; identity $products; } >"$record"
  say "$name: done in $((SECONDS - began)) s"
}

end_step() {
  [[ -z $step_heart ]] || kill "$step_heart" 2>/dev/null || true
  [[ -z $step_group ]] || kill -TERM -- "-$step_group" 2>/dev/null || true
  say "interrupted; the next \`testbed up\` goes on from here"
  exit 130
}
trap end_step INT TERM
