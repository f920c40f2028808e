# shellcheck shell=bash disable=SC2154
# LocalStack's image: its Python packages, and what it would download from
# elsewhere when a service is first used: Java with DynamoDB Local and JSONata,
# Node.js with Kinesis.

# The modules of Java that DynamoDB Local and JSONata use. All of Java has four times the size.
java_modules=java.base,java.desktop,java.instrument,java.logging,java.management,java.naming,java.net.http,java.scripting,java.security.jgss,java.sql,java.xml,jdk.crypto.ec,jdk.unsupported,jdk.zipfs

# make_localstack_java: leaves work/localstack-java/lib, as LocalStack's folder of packages has it.
make_localstack_java() {
  local context=$cache/work/localstack-java dynamodb jsonata jar jars
  rm -rf "$context"
  cp -r "$testbed/localstack/java" "$context"
  dynamodb=$context/lib/dynamodb-local/2 jsonata=$context/lib/jsonata/0.9.7
  mkdir -p "$dynamodb" "$jsonata" "$context/lib/java"
  # The folder is named after the version that LocalStack would download. Any from 17 on works.
  nice -n 5 jlink --add-modules "$java_modules" --compress 2 --strip-java-debug-attributes --no-header-files --no-man-pages \
    --output "$context/lib/java/21"
  javac --release 17 -d "$context/agent" "$context/Agent.java"
  (cd "$context" && nice -n 5 mvn -B -q dependency:copy-dependencies -DincludeScope=runtime)
  # Programs for other systems.
  rm -f "$context"/target/dependency/{*.dll,*.dylib,*-i386-*}
  mv "$context"/target/dependency/jsonata-*.jar "$jsonata/"
  cp "$context"/target/dependency/jackson-{core,annotations,databind}-*.jar "$jsonata/"
  mv "$context/target/dependency" "$dynamodb/DynamoDBLocal_lib"
  # A jar that names the others, as in Amazon's archive, and the agent that LocalStack asks for.
  jars=
  for jar in "$dynamodb"/DynamoDBLocal_lib/*.jar; do jars+=" DynamoDBLocal_lib/${jar##*/}"; done
  make_manifest "$context/server.mf" "Main-Class: software.amazon.dynamodb.services.local.main.ServerRunner" "Class-Path:$jars"
  make_manifest "$context/agent.mf" "Premain-Class: Agent"
  jar --create --no-compress --file "$dynamodb/DynamoDBLocal.jar" --manifest "$context/server.mf"
  jar --create --no-compress --file "$dynamodb/ddb-local-loader-0.1.jar" --manifest "$context/agent.mf" -C "$context/agent" .
}

# make_manifest FILE LINE...: of a jar, in lines of less than 72 bytes.
make_manifest() {
  local to=$1 line
  shift
  for line in "$@"; do printf '%s\n' "$line" | fold -b -w 70 | sed '2,$s/^/ /'; done >"$to"
}

# make_localstack_node: Kinesis, and Node.js with the libraries that the base lacks; leaves work/localstack-node/{node,lib}.
make_localstack_node() {
  local context=$cache/work/localstack-node package
  rm -rf "$context"
  package=$context/lib/kinesis-local/$kinesis_local_version
  mkdir -p "$package"
  cp "$testbed"/localstack/node/{package.json,package-lock.json,.npmrc} "$package/"
  (cd "$package" && nice -n 5 npm ci --ignore-scripts --no-audit --no-fund)
  rm "$package"/node_modules/kinesis-local/main.js.map
  copy_with_libraries "$context/node" /usr/bin/node
  # Debian keeps parts of Node.js itself beside the program, which loads them at its start.
  mkdir -p "$context/node/usr/share"
  cp -a "$cache/work/sdk-tree/usr/share/nodejs" "$context/node/usr/share/"
  # What the image's base has already, of the same Debian.
  (cd "$context/node" && find . ! -type d) | while read -r file; do
    if [[ -e $cache/work/python-base/$file ]]; then rm "$context/node/$file"; fi
  done
}

make_localstack() {
  local context=$cache/work/localstack models name
  venv localstack "$testbed/localstack/requirements.txt" --no-compile
  # Most of its size is service descriptions for services that LocalStack does not have.
  for models in "$cache"/work/python-tree/opt/localstack/lib/python3*/site-packages/botocore/data/*/; do
    name=$(basename "$models")
    grep -qxF "$name" "$testbed/localstack/services-kept" || rm -rf "$models"
  done
  rm -rf "$context"
  mkdir -p "$context/lib"
  cp "$testbed/localstack/Dockerfile" "$context/"
  mv "$cache/work/python-tree/opt/localstack" "$context/"
  cp -al "$cache"/work/localstack-{java,node}/lib/. "$context/lib/"
  cp -al "$cache/work/localstack-node/node" "$context/"
  docker build -q --build-arg BASE="$python_base_image" -t "$built_localstack_image" "$context"
}

build_localstack() {
  need npm npm
  need mvn maven
  need javac default-jdk-headless
  step localstack/java "about 30 s" work/localstack-java/lib/dynamodb-local/2/DynamoDBLocal.jar "$testbed/localstack/java" \
    "$(java -version 2>&1)" "$java_modules" "$(declare -f make_manifest)" -- make_localstack_java
  step localstack/node "about 5 s" work/localstack-node/node/usr/bin/node "$testbed/localstack/node" "$kinesis_local_version" \
    "$(stamp aws-sdk-tree)" "$(stamp python-base)" "$(declare -f copy_with_libraries)" -- make_localstack_node
  step localstack "about 1 min" "image:$built_localstack_image" "$(stamp python-tree)" "$(stamp python-base)" \
    "$(stamp localstack-java)" "$(stamp localstack-node)" "$testbed/localstack" "$(declare -f venv)" -- make_localstack
}
