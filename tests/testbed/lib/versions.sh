# shellcheck shell=bash disable=SC2034
# Every version and every image name, once. A change here is an input of the
# steps that use it, so the next `testbed up` makes exactly those again.

kubernetes_version=v1.34.4
localstack_version=4.14.0
# What LocalStack of this version asks for.
kinesis_local_version=0.5.2
vault_version=1.21.0
kind_version=v0.33.0
helm_version=v3.19.0
# Amazon's EKS Pod Identity webhook: what others are compared with.
eks_webhook_version=v0.6.17

# Vault's go.mod points at folders of its own repository for these modules. Their
# published versions that this Vault builds with, unpatched:
vault_modules=(
  github.com/hashicorp/vault/sdk@v0.20.0
  github.com/hashicorp/vault/api@v1.22.0
  github.com/hashicorp/vault/api/auth/approle@v0.11.0
  github.com/hashicorp/vault/api/auth/userpass@v0.10.0
  github.com/hashicorp/vault/api/auth/kubernetes@v0.10.0
)

# The oldest Go that all of it builds with, and the one to fetch for an older Go
# that knows how to fetch another.
go_oldest=1.25
go_fetched=go1.26.8
# The oldest Rust that the SDK for it builds with.
rust_oldest=1.91

# Debian's names: the node needs iptables and containerd of this age, LocalStack
# needs Python 3.13.
node_suite=bookworm
python_suite=trixie
java_package=openjdk-21-jre-headless

node_base_image=testbed/node-base:$node_suite
python_base_image=testbed/python-base:$python_suite
built_node_image=testbed/node:$kubernetes_version
built_localstack_image=testbed/localstack:$localstack_version
built_vault_image=testbed/vault:$vault_version

# The SDKs that have an image, testbed/aws-sdk-NAME:TAG. Their versions are in the
# lock files (and pom.xml and requirements.txt) of their folders.
aws_sdks=(python cli go go-v1 js java rust)
aws_sdk_tag=1
built_aws_sdk_python_image=testbed/aws-sdk-python:$aws_sdk_tag

# A tag of the same minor version that the kind project published.
pulled_node_image=${TESTBED_PULL_NODE_IMAGE:-kindest/node:v1.34.3}
pulled_localstack_image=localstack/localstack:$localstack_version
pulled_vault_image=hashicorp/vault:$vault_version
pulled_python_image=python:3.13-slim
pulled_nodejs_image=node:20-slim
pulled_java_image=eclipse-temurin:21-jre
# Its Java makes the probe.
pulled_maven_image=maven:3.9-eclipse-temurin-21
