# shellcheck shell=bash disable=SC2154
# The images with an AWS SDK other than Python's: in each a probe that takes a KMS
# key and a bucket, calls STS, KMS and S3, and prints one line of JSON. What can be
# static is alone in its image; the others bring just the libraries they load.

# sdk_context NAME: a fresh build folder; sets the caller's `image` and `context`.
sdk_context() {
  image=testbed/aws-sdk-$1:$aws_sdk_tag
  context=$cache/work/aws-sdk-$1
  rm -rf "$context"
  mkdir -p "$context"
  cp "$testbed/aws-sdk-$1/Dockerfile" "$context/"
}

make_aws_sdk_go() { # name: go or go-v1
  local image context
  sdk_context "$1"
  go_build "$testbed/aws-sdk-$1" "work/aws-sdk-$1/probe"
  docker build -q -t "$image" "$context"
}

check_cargo() {
  have cargo || fail "Rust is missing (at least $rust_oldest)" "install it from https://rustup.rs, then run: testbed up"
}

make_aws_sdk_rust() {
  local image context host
  sdk_context rust
  host=$(rustc -vV | sed -n 's/^host: //p')
  # A target and flags of its own: what the caller has set is for other programs.
  (cd "$testbed/aws-sdk-rust" && RUSTFLAGS='-C target-feature=+crt-static' CARGO_TARGET_DIR=$context/target \
    nice -n 5 cargo build --quiet --release --locked --target "$host")
  mv "$context/target/$host/release/aws-sdk-rust-probe" "$context/probe"
  # Some 700 MB, which the engine would take for the image's files as well.
  rm -rf "$context/target"
  docker build -q -t "$image" "$context"
}

make_aws_sdk_cli() {
  local image context
  sdk_context cli
  venv aws-cli "$testbed/aws-sdk-cli/requirements.txt"
  cp "$testbed/aws-sdk-cli/probe.sh" "$context/"
  mv "$cache/work/python-tree/opt/aws-cli" "$context/"
  # The texts of `aws help`. What describes AWS's services must stay, also of those not used: it fails without.
  rm -rf "$context"/aws-cli/lib/python3*/site-packages/awscli/examples
  docker build -q --build-arg BASE="$python_base_image" -t "$image" "$context"
}

# What node and java are taken from. Not an image itself.
make_sdk_tree() { # packages
  debian_tree "$cache/work/sdk-tree" "$python_suite" "$1"
}

# copy_with_libraries FOLDER FILE...: out of that tree, with all that they load.
copy_with_libraries() {
  local tree=$cache/work/sdk-tree to=$1 name file
  shift
  mkdir -p "$to"/usr/{bin,lib,lib64} "$to/etc" "$to/tmp"
  chmod 1777 "$to/tmp"
  for name in bin lib lib64; do ln -s "usr/$name" "$to/$name"; done
  for file in "$@" $(chroot "$tree" ldd "$@" | awk '$2 == "=>" && $3 ~ /^\// {print $3} $1 ~ /^\/lib/ {print $1}' | sort -u); do
    mkdir -p "$to$(dirname "$file")"
    cp -L "$tree$file" "$to$file"
  done
}

make_aws_sdk_js() {
  local image context
  sdk_context js
  cp "$testbed"/aws-sdk-js/{package.json,package-lock.json,.npmrc,probe.js} "$context/"
  (cd "$context" && nice -n 5 npm ci --ignore-scripts --no-audit --no-fund)
  # Other forms of the same code: for bundlers and for TypeScript.
  find "$context/node_modules" -type d \( -name dist-es -o -name dist-types \) -prune -exec rm -rf {} +
  copy_with_libraries "$context/fs" /usr/bin/node
  # Debian keeps parts of Node.js itself beside the program, which loads them at its start.
  mkdir -p "$context/fs/usr/share"
  cp -a "$cache/work/sdk-tree/usr/share/nodejs" "$context/fs/usr/share/"
  docker build -q -t "$image" "$context"
}

make_aws_sdk_java() {
  local image context tree=$cache/work/sdk-tree jvm
  sdk_context java
  cp -r "$testbed"/aws-sdk-java/{pom.xml,src} "$context/"
  (cd "$context" && nice -n 5 mvn -B -q compile dependency:copy-dependencies -DincludeScope=runtime)
  mv "$context"/target/{classes,dependency} "$context/"
  mapfile -t jvm < <(cd "$tree" && find usr/lib/jvm/java-* -name '*.so' -printf '/%p\n' -o -path '*/bin/java' -printf '/%p\n')
  copy_with_libraries "$context/fs" "${jvm[@]}"
  # All of it, not only its programs; its settings are links into /etc.
  cp -a "$tree"/usr/lib/jvm/java-* "$context/fs/usr/lib/jvm/"
  cp -a "$tree"/etc/java-* "$context/fs/etc/"
  mkdir -p "$context/fs/etc/ssl/certs"
  cp -a "$tree/etc/ssl/certs/java" "$context/fs/etc/ssl/certs/"
  ln -s "$(printf '%s\n' "${jvm[@]}" | grep '/bin/java$')" "$context/fs/usr/bin/java"
  docker build -q -t "$image" "$context"
}

# The SDKs whose images are made the same way, whether images come pulled or built.
static_sdks() {
  local go_version
  check_cargo
  go_version=$(go version)
  step aws-sdk-go "about 1 min cold" "image:testbed/aws-sdk-go:$aws_sdk_tag" "$testbed/aws-sdk-go" "$go_version" -- make_aws_sdk_go go
  step aws-sdk-go-v1 "about 15 s cold" "image:testbed/aws-sdk-go-v1:$aws_sdk_tag" "$testbed/aws-sdk-go-v1" "$go_version" -- make_aws_sdk_go go-v1
  step aws-sdk-rust "about 3 min" "image:testbed/aws-sdk-rust:$aws_sdk_tag" "$testbed/aws-sdk-rust" "$(cargo --version)" -- make_aws_sdk_rust
}

build_sdks() {
  static_sdks
  step aws-sdk-cli "about 30 s" "image:testbed/aws-sdk-cli:$aws_sdk_tag" "$(stamp python-tree)" "$(stamp python-base)" "$testbed/aws-sdk-cli" \
    "$(declare -f venv)" -- make_aws_sdk_cli
  step aws-sdk-js "about 15 s" "image:testbed/aws-sdk-js:$aws_sdk_tag" "$(stamp aws-sdk-tree)" "$testbed/aws-sdk-js" \
    "$(declare -f copy_with_libraries)" -- make_aws_sdk_js
  step aws-sdk-java "about 30 s" "image:testbed/aws-sdk-java:$aws_sdk_tag" "$(stamp aws-sdk-tree)" "$testbed/aws-sdk-java" \
    "$(declare -f copy_with_libraries)" -- make_aws_sdk_java
}

make_sdk_on_pulled() { # name, build arguments
  local image=testbed/aws-sdk-$1:$aws_sdk_tag folder=$testbed/aws-sdk-$1 argument arguments=()
  shift
  for argument in "$@"; do arguments+=(--build-arg "$argument"); done
  docker build "${arguments[@]}" -t "$image" -f "$folder/Dockerfile.pull" "$folder"
}

pull_sdks() {
  local python nodejs java maven
  python=$(identity "image:$pulled_python_image")
  nodejs=$(identity "image:$pulled_nodejs_image")
  java=$(identity "image:$pulled_java_image")
  maven=$(identity "image:$pulled_maven_image")
  static_sdks
  step aws-sdk-python "about 20 s" "image:testbed/aws-sdk-python:$aws_sdk_tag" "$python" "$testbed/aws-sdk-python" \
    -- make_sdk_on_pulled python "BASE=$pulled_python_image"
  step aws-sdk-cli "about 20 s" "image:testbed/aws-sdk-cli:$aws_sdk_tag" "$python" "$testbed/aws-sdk-cli" \
    -- make_sdk_on_pulled cli "BASE=$pulled_python_image"
  step aws-sdk-js "about 20 s" "image:testbed/aws-sdk-js:$aws_sdk_tag" "$nodejs" "$testbed/aws-sdk-js" \
    -- make_sdk_on_pulled js "BASE=$pulled_nodejs_image"
  step aws-sdk-java "about 30 s" "image:testbed/aws-sdk-java:$aws_sdk_tag" "$java" "$maven" "$testbed/aws-sdk-java" \
    -- make_sdk_on_pulled java "BASE=$pulled_java_image" "MAVEN=$pulled_maven_image"
}
