# shellcheck shell=bash disable=SC2154
# The Docker engine: finding it, starting it where none answers, stopping only
# one that we started, and asking whether a registry can be reached.

docker_answers() { docker info >/dev/null 2>&1; }

start_docker() {
  need docker docker.io
  docker_answers && return
  if [[ -S /var/run/docker.sock ]] && ! is_root && docker info 2>&1 | grep -qi 'permission denied'; then
    fail "a Docker engine runs, but you may not use it" "run: sudo usermod -aG docker \$USER (then log in again)"
  fi
  is_root || fail "no Docker engine answers, and starting one takes root" "run: sudo dockerd (or start your Docker)"
  need dockerd docker.io
  docker_answers && return # its package may have started it
  local log=$cache/logs/dockerd.log pid tries
  say "no Docker engine answers: starting dockerd (log: $log)"
  # Not a child that holds our lock or dies with our terminal.
  setsid nohup dockerd --pidfile "$cache/pids/dockerd-own.pid" >"$log" 2>&1 </dev/null 9>&- &
  pid=$!
  disown
  for ((tries = 0; tries < 300; tries++)); do
    if docker_answers; then
      # setsid may have forked: trust the file that dockerd wrote.
      cp "$cache/pids/dockerd-own.pid" "$cache/pids/dockerd"
      say "dockerd answers"
      return
    fi
    [[ -d /proc/$pid || -e $cache/pids/dockerd-own.pid ]] || break
    sleep 0.1
  done
  hide_hosts <"$log" | tail -n 10 | sed 's/^/    /' >&2
  fail "dockerd did not come up within 30 s" "the whole log: $log"
}

# The process id of a dockerd that we started and that still runs.
own_dockerd() {
  local pid
  pid=$(cat "$cache/pids/dockerd" 2>/dev/null) || return 1
  [[ $(cat "/proc/$pid/comm" 2>/dev/null) == dockerd ]] || return 1
  printf '%s\n' "$pid"
}

testbed_down() {
  local pid tries
  if ! pid=$(own_dockerd); then
    say "no dockerd runs that testbed started: nothing to stop"
    return
  fi
  kill "$pid"
  for ((tries = 0; tries < 300; tries++)); do
    if [[ ! -d /proc/$pid ]]; then
      rm -f "$cache/pids/dockerd"
      say "dockerd stopped"
      return
    fi
    sleep 0.1
  done
  fail "dockerd (process $pid) did not stop within 30 s" "its log: $cache/logs/dockerd.log"
}

# Which way images come: found out once, then remembered in the cache.
image_mode() {
  case ${TESTBED_IMAGES:-auto} in
    pull | build) printf '%s\n' "$TESTBED_IMAGES" >"$cache/mode" ;;
    auto) [[ -e $cache/mode ]] || probe_registry >"$cache/mode" ;;
    *) fail "TESTBED_IMAGES is \"$TESTBED_IMAGES\"" "set it to auto, pull or build" ;;
  esac
  cat "$cache/mode"
}

probe_registry() {
  local was_there=
  docker image inspect hello-world:latest >/dev/null 2>&1 && was_there=1
  if timeout 8 docker pull -q hello-world:latest >/dev/null 2>&1 9>&-; then
    [[ -n $was_there ]] || docker image rm hello-world:latest >/dev/null 2>&1 || true
    say "a registry answers: pulling official images"
    echo pull
  else
    say "no registry answers: building the images here"
    echo build
  fi
}

# Does this machine lack a capability, so that `docker run --privileged` fails?
capabilities_incomplete() {
  local last bounding
  last=$(cat /proc/sys/kernel/cap_last_cap)
  bounding=$((16#$(awk '/^CapBnd/ {print $2}' /proc/self/status)))
  ((bounding != (1 << (last + 1)) - 1))
}
