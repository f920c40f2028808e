# shellcheck shell=bash disable=SC2154
# What this machine must have: packages, rights, and where its own Debian
# packages come from.

have() { command -v "$1" >/dev/null 2>&1; }

is_root() { ((EUID == 0)); }

# need PROGRAM PACKAGE: installs PACKAGE with apt when PROGRAM is missing.
need() {
  have "$1" && return
  have apt-get || fail "$1 is missing" "install it (Debian's package: $2), then run \`testbed up\` again"
  local as_root=()
  if ! is_root; then
    have sudo || fail "$1 is missing, and installing $2 needs root" "as root: apt-get install $2"
    as_root=(sudo)
  fi
  say "$1 is missing: installing Debian's package $2"
  local log=$cache/logs/apt-$2.log
  if ! { "${as_root[@]}" apt-get update -qq && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq --no-install-recommends "$2"; } >"$log" 2>&1 </dev/null; then
    hide_hosts <"$log" | tail -n 5 >&2
    fail "could not install $2" "the log: $log"
  fi
}

# The mirror that this machine's own apt uses; no host is written down here.
debian_mirror() {
  local found=${TESTBED_DEBIAN_MIRROR:-}
  if [[ -z $found ]] && grep -q '^ID=debian' /etc/os-release; then
    found=$(cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null |
      awk '/^URIs:/ {print $2; exit}
           /^deb / {for (i = 2; i <= NF; i++) if ($i ~ /:\/\//) {print $i; exit}}')
  fi
  [[ -n $found ]] || fail "cannot tell where to get Debian packages from" \
    "set TESTBED_DEBIAN_MIRROR to a Debian mirror's address"
  printf '%s\n' "$found"
}

# debian_tree FOLDER SUITE PACKAGES: a fresh minimal Debian.
debian_tree() {
  local mirror
  mirror=$(debian_mirror)
  rm -rf --one-file-system "$1"
  debootstrap --variant=minbase --include="$3" "$2" "$1" "$mirror"
}

# strip_tree FOLDER: no documentation, no lists, and no trace of this machine.
strip_tree() {
  rm -rf "$1"/{var/lib/apt/lists,var/cache/apt,var/log,tmp,usr/share/doc,usr/share/man,usr/share/locale,usr/share/info,usr/share/lintian}/* \
    "$1"/var/cache/debconf/*-old "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/debootstrap \
    "$1"/etc/machine-id "$1"/etc/hostname "$1"/root/.cache
  : >"$1/etc/resolv.conf"
}

check_can_build() {
  is_root || fail "building images takes root (debootstrap and chroot)" "run: sudo -E $testbed/testbed up"
  if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
    fail "the node image built here knows only version 1 of control groups, and this machine has version 2" \
      "where a registry answers, run: TESTBED_IMAGES=pull testbed up"
  fi
}
