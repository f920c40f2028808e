# shellcheck shell=bash disable=SC2154
# Everything that is built from Go modules: the Kubernetes programs, etcd,
# CoreDNS, Vault, kind, helm. All through the machine's own Go and its proxy.

check_go() {
  local version
  have go || fail "Go is missing (at least $go_oldest)" "install it from https://go.dev/dl/, then run: testbed up"
  version=$(GOTOOLCHAIN=local go env GOVERSION)
  version=${version#go}
  if [[ $(printf '%s\n' "$go_oldest" "$version" | sort -V | head -n 1) == "$go_oldest" ]]; then
    return
  fi
  [[ $(printf '%s\n' 1.21 "$version" | sort -V | head -n 1) == 1.21 ]] ||
    fail "Go $version is too old (at least $go_oldest is needed)" "install it from https://go.dev/dl/, then run: testbed up"
  say "Go $version is too old: letting it fetch $go_fetched"
  export GOTOOLCHAIN=$go_fetched+auto
}

# Builds take their time; leave the processors to whoever works in front.
go_nice() { CGO_ENABLED=0 GOFLAGS=-buildvcs=false nice -n 5 go "$@"; }

# go_build FOLDER PRODUCT [LINKER FLAGS]: the main package of a folder of ours.
go_build() {
  (cd "$1" && go_nice build -trimpath -ldflags "-s -w ${3:-}" -o "$cache/$2.new" .)
  mv "$cache/$2.new" "$cache/$2"
}

# go_tool PACKAGE@VERSION [LINKER FLAGS]: an unmodified program, into the tools folder.
go_tool() { GOBIN=$cache/tools go_nice install -trimpath -ldflags "-s -w ${2:-}" "$1"; }

# A Kubernetes program takes its version from the linker.
kubernetes_flags() {
  local package minor=${kubernetes_version#v1.}
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf -- '-X %s.gitVersion=%s -X %s.gitMajor=1 -X %s.gitMinor=%s -X %s.gitTreeState=clean ' \
      "$package" "$kubernetes_version" "$package" "$package" "${minor%%.*}" "$package"
  done
}

# `go install` refuses Vault because its go.mod replaces modules. Build it in its
# own folder with a copy of that file that names the published modules instead.
# Its tag `minimal` leaves out the plugins of clouds and databases, which are most of
# the time that it takes; it leaves out storage `file`, too, which is put back.
build_vault() {
  local folder modfile=$cache/work/vault/go.mod drop=() require=() module path version
  mkdir -p "$cache/work/vault"
  folder=$(cd / && go mod download -json "github.com/hashicorp/vault@v$vault_version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  cp "$folder/go.mod" "$folder/go.sum" "$cache/work/vault/"
  chmod u+w "$cache"/work/vault/go.*
  for module in "$@"; do
    path=${module%@*} version=${module#*@}
    drop+=("-dropreplace=$path")
    require+=("-require=$path@$version")
  done
  go mod edit "${drop[@]}" "${require[@]}" "$modfile"
  printf '{"Replace": {"%s": "%s"}}\n' "$folder/command/commands_min.go" "$testbed/vault/storage.go" >"$cache/work/vault/overlay.json"
  (cd "$folder" && go_nice build -tags minimal -overlay "$cache/work/vault/overlay.json" -modfile="$modfile" -mod=mod -trimpath -ldflags '-s -w' -o "$cache/out/vault.new" .)
  mv "$cache/out/vault.new" "$cache/out/vault"
}

# The module's folder and not `go install`, which asks for a list of versions that
# not every proxy has.
build_eks_webhook() {
  local folder
  folder=$(cd / && go mod download -json "github.com/aws/amazon-eks-pod-identity-webhook@$eks_webhook_version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  (cd "$folder" && go_nice build -mod=readonly -trimpath -ldflags '-s -w' -o "$cache/out/eks-webhook.new" .)
  mv "$cache/out/eks-webhook.new" "$cache/out/eks-webhook"
}
