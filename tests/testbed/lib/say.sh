# shellcheck shell=bash
# Talk goes to stderr, always: stdout belongs to `env` and `status`.

say() { printf '%s\n' "testbed: $*" >&2; }

# fail WHAT NEXT: what went wrong, and the one thing to do about it.
fail() {
  say "error: $1"
  [[ -z ${2:-} ]] || say "       $2"
  exit 1
}

# Logs are shown and kept without the hosts this machine downloads from.
hide_hosts() { sed -E 's#(https?|ftp)://[^/" ]+#\1://(mirror)#g; s#lookup [^ ]+ on [^ ]+#lookup (mirror)#g'; }
