#!/bin/sh
# Asks who it is, takes one text through KMS and S3, and prints one line of JSON.
# Its arguments: a KMS key (an alias will do) and a bucket, which it creates.
set -u
if [ $# != 2 ]; then
  echo "usage: probe.sh KEY BUCKET" >&2
  exit 2
fi
folder=$(mktemp -d)
# Where the line goes, also from inside a command whose own output goes elsewhere.
exec 3>&1

# The command line tool says "An error occurred (CODE) when calling ...: MESSAGE".
failed() {
  said=$(tr -d '"\134' <"$folder/said" | tr '\n' ' ')
  code=$(printf '%s' "$said" | sed -n 's/.*An error occurred (\([^)]*\)).*/\1/p')
  printf '{"error": "%s", "message": "%s"}\n' "${code:-Failure}" "$said" >&3
  exit
}
run() { "$@" 2>"$folder/said" || failed; }

printf hello >"$folder/hello"
run aws sts get-caller-identity --query Arn --output text >"$folder/arn"
run aws kms encrypt --key-id "$1" --plaintext "fileb://$folder/hello" --query CiphertextBlob --output text >"$folder/base64"
base64 -d <"$folder/base64" >"$folder/blob"
run aws kms decrypt --ciphertext-blob "fileb://$folder/blob" --query Plaintext --output text >"$folder/plaintext"
run aws s3 mb "s3://$2" >/dev/null
run aws s3 cp --quiet "$folder/hello" "s3://$2/hello"
run aws s3 cp --quiet "s3://$2/hello" "$folder/got"
run aws s3api list-objects-v2 --bucket "$2" --query 'Contents[].Key' --output text >"$folder/listed"
printf '{"arn": "%s", "plaintext": "%s", "s3": "%s", "listed": "%s"}\n' \
  "$(cat "$folder/arn")" "$(base64 -d <"$folder/plaintext")" "$(cat "$folder/got")" "$(cat "$folder/listed")"
