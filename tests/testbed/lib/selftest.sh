# shellcheck shell=bash disable=SC2154
# The selftest: what a real cluster must do, this one must do too. Every check is
# one line, ok or FAIL; all are made, and one that fails makes the whole fail.

selftest_cluster=testbed-selftest
checks_failed=0

# check WHAT EXPECTED COMMAND...: the command's output must contain EXPECTED.
check() {
  local what=$1 expected=$2 output rc=0 began=$SECONDS
  shift 2
  output=$("$@" 2>&1) || rc=$?
  if ((rc == 0)) && [[ $output == *"$expected"* ]]; then
    say "ok    $what ($((SECONDS - began)) s)"
    return
  fi
  ((++checks_failed))
  say "FAIL  $what: exit code $rc, expected \"$expected\""
  tail -n 12 <<<"$output" | sed 's/^/        /' >&2
}

# poll SECONDS COMMAND...: until it succeeds, but no longer.
poll() {
  local end=$((SECONDS + $1)) output
  shift
  until output=$("$@" 2>&1); do
    ((SECONDS < end)) || { printf '%s\n' "$output"; return 1; }
    sleep 0.3
  done
  printf '%s\n' "$output"
}

# The official LocalStack image wants root and its own file system; ours does not.
manifest() { # name: with the images of this machine filled in
  local relax=
  [[ $(<"$cache/mode") == build ]] || relax='/# strict$/d;'
  sed "$relax s#@AWS_SDK_PYTHON_IMAGE@#$TESTBED_AWS_SDK_PYTHON_IMAGE#; s#@LOCALSTACK_IMAGE@#$TESTBED_LOCALSTACK_IMAGE#" "$testbed/selftest/$1.yaml"
}
apply() { manifest "$1" | kubectl apply -f -; }

make_probe() {
  mkdir -p "$cache/work/probe"
  go_build "$testbed/selftest/probe" work/probe/probe
  printf 'FROM scratch\nCOPY probe /probe\nENTRYPOINT ["/probe"]\n' >"$cache/work/probe/Dockerfile"
  docker build -q -t testbed/probe:selftest "$cache/work/probe"
}

probe_in() { # what to exec in, arguments of the probe
  kubectl exec "$1" -- /probe "${@:2}"
}

token_claims() {
  local payload
  payload=$(kubectl exec deploy/app -c app -- /probe cat /var/run/secrets/sts/token | cut -d. -f2 | tr '_-' '/+')
  while ((${#payload} % 4)); do payload+='='; done
  base64 -d <<<"$payload"
}

has_claims() {
  local claims claim
  claims=$(token_claims)
  for claim in '"aud":["sts.amazonaws.com"]' '"iss":"https://kubernetes.default.svc.cluster.local"' '"sub":"system:serviceaccount:default:app"'; do
    [[ $claims == *"$claim"* ]] || { echo "$claims"; return 1; }
  done
}

node_port_answers() {
  local address
  address=$(docker port "$selftest_cluster-control-plane" 30566/tcp)
  [[ $address == 127.0.0.1:* ]] || { echo "listens on $address"; return 1; }
  curl -sS --max-time 5 "http://$address/"
}

counter_says() { # number of starts, group of the file
  poll 60 kubectl wait --for condition=Ready pod/counter-0 --timeout 5s >/dev/null
  kubectl logs counter-0 | grep -x "$1 $2"
}

restart_counter() { # group of the file
  kubectl delete pod counter-0 --wait
  counter_says 2 "$1"
}

vault_in() { kubectl exec vault-0 -- env VAULT_TOKEN="$vault_token" vault "$@"; }

# shellcheck disable=SC2016  # the variables are for the shells inside
install_vault() {
  helm install vault "$testbed/vault-chart" --set server.image.repository="${TESTBED_VAULT_IMAGE%:*}" \
    --set server.image.tag="${TESTBED_VAULT_IMAGE##*:}" --set server.preStopSleepSeconds=0 --set injector.enabled=false
  poll 90 kubectl exec vault-0 -- sh -c 'vault status >/dev/null; [ "$?" = 2 ]'
}

unseal_vault() {
  poll 60 kubectl exec vault-0 -- vault operator unseal "$vault_key"
  kubectl wait --for condition=Ready pod/vault-0 --timeout 60s
}

# shellcheck disable=SC2016  # the variables are for the shells inside
restart_vault() {
  local before
  before=$(kubectl get pod vault-0 -o 'jsonpath={.metadata.uid}')
  kubectl delete pod vault-0 --wait
  poll 60 bash -c '[[ $(kubectl get pod vault-0 -o "jsonpath={.metadata.uid}") != "$1" ]]' - "$before"
  poll 60 kubectl exec vault-0 -- sh -c 'vault status >/dev/null; [ "$?" = 2 ]'
}

refuses_injector() {
  ! helm template vault "$testbed/vault-chart" --set injector.enabled=true
}

nothing_left() { # volumes before
  [[ -z $(docker ps -aq --filter "label=io.x-k8s.kind.cluster=$selftest_cluster") ]] || { echo "containers are left"; return 1; }
  [[ $(docker volume ls -q | wc -l) -le $1 ]] || { echo "volumes are left"; return 1; }
}

delete_selftest_cluster() {
  kind delete cluster --name "$selftest_cluster" --kubeconfig "$KUBECONFIG" >/dev/null 2>&1 || true
  rm -f "$KUBECONFIG"
}

testbed_selftest() {
  local began=$SECONDS volumes_before init vault_key='' vault_token='' group=4321
  open_cache
  # Needs all that `up` makes; says so itself when it is not there.
  eval "$(testbed_env)"
  docker_answers || fail "no Docker engine answers" "run: $testbed/testbed up"
  exec 8>"$cache/.selftest-lock"
  flock --nonblock 8 || fail "another selftest runs" "wait for it"
  export KUBECONFIG=$cache/selftest.kubeconfig
  delete_selftest_cluster
  lock_cache
  check_go
  step selftest/probe "" image:testbed/probe:selftest "$testbed/selftest/probe" "$(go version)" -- make_probe
  flock --unlock 9
  volumes_before=$(docker volume ls -q | wc -l)
  if [[ -z ${KEEP:-} ]]; then trap delete_selftest_cluster EXIT; fi
  trap 'exit 130' INT TERM

  check "a cluster comes up" "Ready after" kind create cluster --name "$selftest_cluster" --image "$TESTBED_NODE_IMAGE" \
    --config "$testbed/selftest/kind.yaml" --wait 120s
  ((checks_failed == 0)) || fail "no cluster, no further checks"
  check "images get loaded" "" kind load docker-image --name "$selftest_cluster" testbed/probe:selftest \
    "$TESTBED_AWS_SDK_PYTHON_IMAGE" "$TESTBED_LOCALSTACK_IMAGE" "$TESTBED_VAULT_IMAGE"
  check "CoreDNS runs" "successfully rolled out" kubectl -n kube-system rollout status deployment/coredns --timeout 60s
  check "the default ServiceAccount appears" "" poll 30 kubectl get serviceaccount default
  check "workloads are accepted" "" apply network
  apply volume >/dev/null
  apply localstack >/dev/null
  check "a Deployment with a native sidecar gets ready" "successfully rolled out" kubectl rollout status deployment/app --timeout 60s
  check "a Pod gets ready" "condition met" kubectl wait --for condition=Ready pod/client --timeout 60s
  check "a Service has a name" "10." probe_in client resolve app.default.svc.cluster.local
  check "a Pod reaches a Service" "hello from the app" probe_in client get http://app/
  check "a Pod reaches its own Service" "hello from the app" probe_in deploy/app get http://app/its-own-service
  check "a Pod reaches a Pod, and its sidecar" "hello from the sidecar" probe_in client get \
    "http://$(kubectl get pod -l app=app -o 'jsonpath={.items[0].status.podIP}'):8081/"
  check "a Pod resolves a container of kind's network" "" probe_in client resolve "$selftest_cluster-control-plane"
  check "logs are there" "its-own-service" kubectl logs deploy/app -c app
  check "a projected token has audience, issuer and subject" "" has_claims
  check "a NodePort answers on 127.0.0.1" "hello from the app" node_port_answers
  # The official node image makes folders open to all instead of giving them to fsGroup.
  [[ $(<"$cache/mode") == build ]] || group='[0-9]*'
  check "a claim binds, and a user that is not root writes as fsGroup" "1 " counter_says 1 "$group"
  check "the claim is bound" "Bound" kubectl get pvc data-counter-0
  check "the data survive the Pod" "2 " restart_counter "$group"
  check "LocalStack gets ready, not root, on a read-only root" "successfully rolled out" kubectl rollout status deployment/localstack --timeout 120s
  check "the SDK's Pod gets ready" "condition met" kubectl wait --for condition=Ready pod/sdk --timeout 60s
  check "LocalStack says that it is ready" '"completed": true' kubectl exec sdk -- python3 -c \
    'import urllib.request as u; print(u.urlopen("http://localstack:4566/_localstack/init/ready").read().decode())'
  check "STS and KMS answer the AWS SDK" "123456789012 plain" kubectl exec sdk -- python3 -c "$(<"$testbed/selftest/kms.py")"
  check "the Vault chart refuses what it does not know" "injector.enabled=true" refuses_injector
  check "Vault starts from the chart, sealed" "" install_vault
  init=$(kubectl exec vault-0 -- vault operator init -key-shares=1 -key-threshold=1 2>&1 || true)
  vault_key=$(awk '/^Unseal Key 1:/ {print $4}' <<<"$init")
  vault_token=$(awk '/^Initial Root Token:/ {print $4}' <<<"$init")
  check "Vault initialises" "Success" printf '%s\n' "$([[ -n $vault_key && -n $vault_token ]] && echo Success || echo "$init")"
  check "Vault unseals and gets ready" "condition met" unseal_vault
  check "Vault is $vault_version" "v$vault_version" vault_in version
  check "Vault keeps a secret" "Success" vault_in secrets enable -path=kv kv
  check "Vault takes a value" "Success" vault_in kv put kv/a value=kept
  check "Vault restarts sealed" "" restart_vault
  check "Vault unseals again" "condition met" unseal_vault
  check "Vault still has the value" "kept" vault_in kv get -field=value kv/a

  if [[ -n ${KEEP:-} ]]; then
    say "the cluster stays: KUBECONFIG=$KUBECONFIG"
  else
    check "the cluster goes" "Deleted" kind delete cluster --name "$selftest_cluster"
    check "nothing is left of it" "" nothing_left "$volumes_before"
  fi
  ((checks_failed == 0)) || fail "$checks_failed checks failed" "to look into it: KEEP=1 $testbed/testbed selftest"
  say "all checks passed in $((SECONDS - began)) s"
}
