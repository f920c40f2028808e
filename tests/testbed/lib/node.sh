# shellcheck shell=bash disable=SC2154
# The node image for kind: a Debian with systemd and containerd, the Kubernetes
# programs, and a containerd store that already holds the control plane's images.

node_packages=systemd,systemd-sysv,iptables,conntrack,ethtool,iproute2,kmod,mount,socat,util-linux,procps,hostname,containerd,runc,containernetworking-plugins,ca-certificates
node_volumes=16

make_node_base() { # packages
  local tree=$cache/work/node-tree
  debian_tree "$tree" "$node_suite" "$1"
  strip_tree "$tree"
  rm -f "$tree/etc/resolv.conf"
  tar -C "$tree" -c . | docker import - "$node_base_image"
}

# kube-proxy calls iptables: give it the programs, and exactly the libraries they
# load, out of the node's file system.
copy_iptables() { # target folder
  local tree=$cache/work/node-tree to=$1 file name plugins
  plugins=$(cd "$tree" && echo usr/lib/*-linux-gnu/xtables)
  mkdir -p "$to/usr/sbin" "$to/usr/lib64" "$to/$plugins" "$to/run" "$to/tmp"
  for name in lib lib64 sbin; do ln -s "usr/$name" "$to/$name"; done
  cp "$tree/$plugins"/*.so "$to/$plugins/"
  cp "$tree/usr/sbin/xtables-nft-multi" "$to/usr/sbin/"
  for name in iptables ip6tables; do
    for file in "$name" "$name-save" "$name-restore"; do ln -s xtables-nft-multi "$to/usr/sbin/$file"; done
  done
  # shellcheck disable=SC2016  # the variable is for the shell inside
  for file in $(chroot "$tree" sh -c 'ldd /usr/sbin/xtables-nft-multi /$0/*.so' "$plugins" |
    grep -o '/lib[^ ]*\.so[^ :]*' | grep -v /xtables/ | sort -u); do
    mkdir -p "$to/usr$(dirname "$file")"
    cp -L "$tree$file" "$to/usr$file"
  done
}

# control_plane_image REFERENCE: one image that kubeadm expects, by its own name.
control_plane_image() {
  local name contexts=$cache/work/contexts program
  name=$(basename "${1%:*}")
  case $name in
    kube-*) name=kube ;; # one image under four names: containerd stores it once
  esac
  if [[ ! -e $contexts/$name ]]; then
    mkdir -p "$contexts/$name/fs/usr/local/bin"
    cp "$cache/out/$name" "$contexts/$name/fs/usr/local/bin/"
    if [[ $name == kube ]]; then
      copy_iptables "$contexts/kube/fs"
      for program in kube-apiserver kube-controller-manager kube-scheduler kube-proxy; do
        ln -s kube "$contexts/kube/fs/usr/local/bin/$program"
      done
      printf 'FROM scratch\nCOPY fs/ /\nENV PATH=/usr/local/bin:/usr/sbin\n' >"$contexts/kube/Dockerfile"
    else
      printf 'FROM scratch\nCOPY fs/ /\nENV PATH=/usr/local/bin\nENTRYPOINT ["/usr/local/bin/%s"]\n' "$name" >"$contexts/$name/Dockerfile"
    fi
  fi
  docker build -q -t "$1" "$contexts/$name"
}

# Let a containerd of the very version that will use them import the images, so
# that a new node has nothing left to unpack.
make_store() { # the images kubeadm expects
  local work=$cache/work reference
  rm -rf "$work/contexts" "$work/store" "$work/store.tar"
  for reference in "$@"; do control_plane_image "$reference"; done
  docker save -o "$work/images.tar" "$@"
  docker image rm "$@" >/dev/null
  mkdir "$work/store"
  # shellcheck disable=SC2016  # the variables are for the shell inside
  "$testbed/shim/docker" run --rm --privileged --network none \
    -v "$work/store:/var/lib/containerd" -v "$work/images.tar:/images.tar:ro" \
    "$node_base_image" bash -ec '
      containerd & daemon=$!
      for try in $(seq 100); do ctr version >/dev/null 2>&1 && break; sleep 0.1; done
      ctr --namespace k8s.io images import --snapshotter overlayfs /images.tar
      ctr --namespace k8s.io images ls
      kill $daemon; wait $daemon || true'
  # Not --sparse: the Docker engine cannot unpack such an archive.
  tar -C "$work/store" -cf "$work/store.tar" .
  rm -rf "$work/contexts" "$work/store" "$work/images.tar"
}

# Volumes that claims of the default class bind to. kind creates the objects, the
# node image holds the folders.
make_volumes() { # root of the node's files
  local folder number
  for ((number = 1; number <= node_volumes; number++)); do
    folder=/var/local-volumes/vol-$number
    mkdir -p "$1$folder"
    chmod 1777 "$1$folder"
    sed "s#@NAME@#vol-$number#; s#@FOLDER@#$folder#" "$testbed/node/volume.yaml"
  done >>"$1/kind/manifests/default-storage.yaml"
}

make_node() { # pause image
  local context=$cache/work/node
  rm -rf "$context"
  mkdir -p "$context"
  cp -a "$testbed/node/rootfs" "$testbed/node/Dockerfile" "$context/"
  mkdir -p "$context/rootfs/etc/kubernetes/manifests"
  sed -i "s#@PAUSE_IMAGE@#$1#" "$context/rootfs/etc/containerd/config.toml"
  make_volumes "$context/rootfs"
  chown -R 0:0 "$context/rootfs"
  echo "$kubernetes_version" >"$context/rootfs/kind/version"
  ln "$cache/out/kube" "$cache/work/store.tar" "$context/"
  docker build -q --build-arg BASE="$node_base_image" -t "$built_node_image" "$context"
}

build_node() {
  local program wanted=() programs=() go_version
  go_version=$(go version)
  step node/kube "about 5 min cold" out/kube "$testbed/node/gomods/kube" "$go_version" \
    -- go_build "$testbed/node/gomods/kube" out/kube "$(kubernetes_flags)"
  for program in etcd coredns pause; do
    step "node/$program" "about 1 min cold" "out/$program" "$testbed/node/gomods/$program" "$go_version" \
      -- go_build "$testbed/node/gomods/$program" "out/$program"
    programs+=("$(stamp "node-$program")")
  done
  step node/base "about 1 min" "work/node-tree/usr/bin/containerd image:$node_base_image" "$(declare -f debian_tree strip_tree)" "$node_suite" \
    -- make_node_base "$node_packages"
  mapfile -t wanted < <("$cache/out/kube" kubeadm config images list --kubernetes-version "$kubernetes_version")
  ((${#wanted[@]})) || fail "kubeadm names no images" "try: $cache/out/kube kubeadm config images list"
  step node/store "about 30 s" work/store.tar "$(stamp node-base)" "$(stamp node-kube)" "${programs[@]}" \
    "$(declare -f control_plane_image copy_iptables)" -- make_store "${wanted[@]}"
  step node/image "about 20 s" "image:$built_node_image" "$(stamp node-base)" "$(stamp node-kube)" "$(stamp node-store)" \
    "$testbed/node/rootfs" "$testbed/node/Dockerfile" "$testbed/node/volume.yaml" "$node_volumes" "$(declare -f make_volumes)" \
    -- make_node "$(printf '%s\n' "${wanted[@]}" | grep /pause:)"
}
