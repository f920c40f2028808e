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

# `go install` refuses Vault because its go.mod replaces modules. Build it in a copy
# of its folder whose go.mod names the published modules instead.
# Its tag `minimal` leaves out the plugins of clouds and databases, which are most of
# the time that it takes. It leaves out storage `file`, too: ../vault/storage.go puts it back.
build_vault() {
  local folder=$cache/work/vault source drop=() require=() module path version
  rm -rf "$folder"
  source=$(cd / && go mod download -json "github.com/hashicorp/vault@v$vault_version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  # What a module's folder holds cannot be written.
  cp -r "$source" "$folder"
  chmod -R u+w "$folder"
  cp "$testbed/vault/storage.go" "$folder/command/commands_min.go"
  for module in "$@"; do
    path=${module%@*} version=${module#*@}
    drop+=("-dropreplace=$path")
    require+=("-require=$path@$version")
  done
  (cd "$folder" && go mod edit "${drop[@]}" "${require[@]}" &&
    go_nice build -tags minimal -mod=mod -trimpath -ldflags '-s -w' -o "$cache/out/vault.new" .)
  mv "$cache/out/vault.new" "$cache/out/vault"
  rm -rf "$folder"
}

# The module's folder and not `go install`, which asks for a list of versions that
# not every proxy has.
build_eks_webhook() {
  local folder
  folder=$(cd / && go mod download -json "github.com/aws/amazon-eks-pod-identity-webhook@$eks_webhook_version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  (cd "$folder" && go_nice build -mod=readonly -trimpath -ldflags '-s -w' -o "$cache/out/eks-webhook.new" .)
  mv "$cache/out/eks-webhook.new" "$cache/out/eks-webhook"
}
