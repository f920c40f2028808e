# shellcheck shell=bash disable=SC2154
# The images with Python in them: one Debian tree with pip makes the virtual
# environments; the images share a base layer made of that tree without pip.
# The Vault image takes its shell and its certificates from the same base.

make_python_tree() { # packages
  local tree=$cache/work/python-tree
  debian_tree "$tree" "$python_suite" "$1"
  # pip runs inside the tree, but with this machine's network and trust.
  cp --remove-destination /etc/resolv.conf "$tree/etc/resolv.conf"
  cp /etc/ssl/certs/ca-certificates.crt "$tree/var/tmp/build-ca.crt"
}

make_python_base() {
  local tree=$cache/work/python-base
  rm -rf --one-file-system "$tree"
  cp -a "$cache/work/python-tree" "$tree"
  env DEBIAN_FRONTEND=noninteractive chroot "$tree" apt-get -y -qq purge --auto-remove python3-pip
  rm -rf "$tree/var/tmp/build-ca.crt" "${tree:?}/opt"/*
  strip_tree "$tree"
  tar -C "$tree" -c . | docker import - "$python_base_image"
}

# venv NAME REQUIREMENTS [PIP FLAG...]: leaves the environment /opt/NAME in the tree.
venv() {
  local name=$1 requirements=$2 tree=$cache/work/python-tree
  shift 2
  rm -rf "$tree/opt/$name"
  cp "$requirements" "$tree/var/tmp/requirements.txt"
  chroot "$tree" /usr/bin/python3 -m venv --without-pip "/opt/$name"
  # A clean environment: the caller's own pip settings must not shape the image.
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LANG=C.UTF-8 \
    ${PIP_INDEX_URL:+PIP_INDEX_URL="$PIP_INDEX_URL"} ${https_proxy:+https_proxy="$https_proxy"} ${no_proxy:+no_proxy="$no_proxy"} \
    chroot "$tree" python3 -m pip --python "/opt/$name/bin/python" install \
    --cert /var/tmp/build-ca.crt --no-cache-dir --disable-pip-version-check --quiet "$@" -r /var/tmp/requirements.txt
}

make_aws_sdk_python() {
  local context=$cache/work/aws-sdk-python
  venv aws-sdk "$testbed/aws-sdk-python/requirements.txt"
  rm -rf "$context"
  mkdir -p "$context"
  cp "$testbed/aws-sdk-python/Dockerfile" "$testbed/aws-sdk-python/probe.py" "$context/"
  mv "$cache/work/python-tree/opt/aws-sdk" "$context/"
  docker build -q --build-arg BASE="$python_base_image" -t "$built_aws_sdk_python_image" "$context"
}

make_vault_image() {
  local context=$cache/work/vault-image base=$cache/work/python-base
  rm -rf "$context"
  mkdir -p "$context"
  cp "$testbed"/vault/{Dockerfile,docker-entrypoint.sh,passwd,group} "$context/"
  chmod 755 "$context/docker-entrypoint.sh"
  cp "$base/bin/busybox" "$base/etc/ssl/certs/ca-certificates.crt" "$context/"
  ln "$cache/out/vault" "$context/vault"
  docker build -q -t "$built_vault_image" "$context"
}
