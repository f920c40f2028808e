# shellcheck shell=bash disable=SC2154
# The verbs up, env, status and clean: what is to be there, in which order it is
# made, and how a session gets to know of it.

make_kubectl_link() { ln -sfn ../out/kube "$cache/tools/kubectl"; }

# Official node images carry the kubectl of their own version.
copy_kubectl() { # node image
  local container
  container=$(docker create "$1")
  docker cp "$container:/usr/bin/kubectl" "$cache/tools/kubectl"
  docker rm -v "$container" >/dev/null
}

# build_images SCOPE: demo or all.
build_images() {
  local go_version
  check_can_build
  need debootstrap debootstrap
  need tar tar
  go_version=$(go version)
  build_node
  step kubectl "" "tools/kubectl" -- make_kubectl_link
  step python/tree "about 1 min" work/python-tree/usr/bin/python3 "$python_suite" "$(declare -f debian_tree)" \
    -- make_python_tree python3,python3-pip,ca-certificates,busybox-static
  step python/base "about 15 s" "work/python-base/bin/busybox image:$python_base_image" "$(stamp python-tree)" "$(declare -f strip_tree)" \
    -- make_python_base
  step aws-sdk/tree "about 1 min" work/sdk-tree/usr/bin/node "$python_suite" "$(declare -f debian_tree)" \
    -- make_sdk_tree "$java_package,nodejs,ca-certificates"
  build_localstack
  step vault/program "about 4 min cold" out/vault "$vault_version" "$go_version" "$testbed/vault/storage.go" -- build_vault "${vault_modules[@]}"
  step vault/image "about 10 s" "image:$built_vault_image" "$(stamp vault-program)" "$(stamp python-base)" "$testbed/vault" -- make_vault_image
  [[ $1 == all ]] || return 0
  step aws-sdk-python "about 20 s" "image:$built_aws_sdk_python_image" "$(stamp python-tree)" "$(stamp python-base)" "$testbed/aws-sdk-python" "$(declare -f venv)" \
    -- make_aws_sdk_python
  build_sdks
}

pull_image() { # image
  docker pull "$1"
  printf '%s\n' "$1" >>"$cache/pulled"
}

# pull_images SCOPE: demo or all.
pull_images() {
  local image images=("$pulled_node_image" "$pulled_localstack_image" "$pulled_vault_image")
  [[ $1 == demo ]] || images+=("$pulled_python_image" "$pulled_nodejs_image" "$pulled_java_image" "$pulled_maven_image")
  for image in "${images[@]}"; do
    # One that is there already is neither pulled nor removed by `clean`.
    if docker image inspect "$image" >/dev/null 2>&1; then continue; fi
    step "pull/${image%%:*}" "$image" "image:$image" -- pull_image "$image"
  done
  step kubectl "" tools/kubectl "$pulled_node_image" -- copy_kubectl "$pulled_node_image"
  [[ $1 == demo ]] || pull_sdks
}

# testbed_up SCOPE: demo or all.
testbed_up() {
  local began=$SECONDS mode
  [[ $(uname -s) == Linux ]] || fail "the testbed is for Linux" "use your own kind, helm and images here"
  open_cache
  lock_cache
  start_docker
  mode=$(image_mode)
  check_go
  step kind "about 30 s cold" tools/kind "$(go version)" -- go_tool "sigs.k8s.io/kind@$kind_version"
  step helm "about 1 min cold" tools/helm "$(go version)" \
    -- go_tool "helm.sh/helm/v3/cmd/helm@$helm_version" "-X helm.sh/helm/v3/internal/version.version=$helm_version"
  "${mode}_images" "$1"
  [[ $1 == demo ]] || step eks-webhook "about 1 min cold" out/eks-webhook "$eks_webhook_version" "$(go version)" -- build_eks_webhook
  say "ready for $1 in $((SECONDS - began)) s (images: $mode); now: eval \"\$($testbed/testbed env)\""
}

# image_names: NAME=IMAGE lines, for the way the images come on this machine.
image_names() {
  local from=pulled node localstack vault sdk variable
  [[ $1 == pull ]] || from=built
  node=${from}_node_image localstack=${from}_localstack_image vault=${from}_vault_image
  printf '%s\n' "TESTBED_NODE_IMAGE=${!node}" "TESTBED_LOCALSTACK_IMAGE=${!localstack}" \
    "TESTBED_VAULT_IMAGE=${!vault}"
  for sdk in "${aws_sdks[@]}"; do
    variable=${sdk^^}
    printf '%s\n' "TESTBED_AWS_SDK_${variable//-/_}_IMAGE=testbed/aws-sdk-$sdk:$aws_sdk_tag"
  done
}

testbed_env() {
  local line path=$cache/tools
  [[ -e $cache/mode && -x $cache/tools/kubectl ]] || fail "the testbed is not ready" "run: $testbed/testbed up"
  if capabilities_incomplete; then path=$testbed/shim:$path; fi
  # shellcheck disable=SC2016  # the reader's shell fills in its own PATH
  printf 'export PATH=%q:"$PATH"\n' "$path"
  while read -r line; do
    printf 'export %s=%q\n' "${line%%=*}" "${line#*=}"
  done < <(image_names "$(<"$cache/mode")"; echo "TESTBED_VAULT_CHART=$testbed/vault-chart"
    echo "TESTBED_EKS_WEBHOOK=$cache/out/eks-webhook")
}

testbed_status() {
  local line tool mode missing=0
  report() { # what, state, detail
    printf '%-30s %-8s %s\n' "$@"
    [[ $2 == there || $2 == off ]] || missing=1
  }
  mode=$(cat "$cache/mode" 2>/dev/null || echo "")
  report cache "$([[ -d $cache ]] && echo there || echo missing)" "$cache"
  if docker_answers; then
    report docker there "$(if own_dockerd >/dev/null; then echo "started by testbed, process $(own_dockerd)"; else echo "not started by testbed"; fi)"
  else
    report docker missing "no engine answers"
  fi
  report images "$([[ -n $mode ]] && echo there || echo unknown)" "${mode:-decided by the first up}"
  for tool in kind kubectl helm; do
    report "$tool" "$([[ -x $cache/tools/$tool ]] && echo there || echo missing)" "$cache/tools/$tool"
  done
  report eks-webhook "$([[ -x $cache/out/eks-webhook ]] && echo there || echo missing)" "$cache/out/eks-webhook"
  if [[ -n $mode ]]; then
    while read -r line; do
      report "${line%%=*}" "$(docker image inspect "${line#*=}" >/dev/null 2>&1 && echo there || echo missing)" "${line#*=}"
    done < <(image_names "$mode")
  fi
  report "docker shim" "$(capabilities_incomplete && echo there || echo off)" "needed where the machine lacks a capability"
  return "$missing"
}

testbed_clean() {
  local images=()
  [[ -e $cache/.testbed-cache ]] || { say "no cache at $cache: nothing to clean"; return; }
  lock_cache
  if docker_answers; then
    mapfile -t images < <({ docker image ls --filter reference='testbed/*' --format '{{.Repository}}:{{.Tag}}'
      cat "$cache/pulled" 2>/dev/null || true; } | sort -u)
    if ((${#images[@]})); then docker image rm "${images[@]}" >/dev/null || say "some images are in use and stay"; fi
  else
    say "no Docker engine answers: its images stay"
  fi
  testbed_down
  rm -rf --one-file-system "${cache:?}"
  say "removed $cache"
}
