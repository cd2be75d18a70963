# Sourced by the findings: public packages for one run, in a temporary folder that goes with the script; nothing
# is installed on the machine and root is not needed. The folder is $dir; children started with `&` are ended too.
dir=$(mktemp -d)
trap 'for p in $(jobs -p); do kill "$p" 2>/dev/null || true; done; wait; rm -rf "$dir"' EXIT
cd "$dir"

fail() { echo "changed: $*" >&2; exit 1; }

# unpack RELEASE PACKAGE...: Debian packages under $dir, from the mirror that apt is set up with.
unpack() {
  local release=$1 mirror options; shift
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | sort -u | sed -n 1p)
  mkdir -p apt/lists/partial apt/archives/partial
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release main" >apt/sources.list
  options=(-qq -o "Dir::Etc::sourcelist=$dir/apt/sources.list" -o Dir::Etc::sourceparts=-
    -o "Dir::State::lists=$dir/apt/lists" -o "Dir::Cache=$dir/apt" -o Dir::State::status=/dev/null
    -o APT::Sandbox::User= -o Acquire::Languages=none)
  timeout 300 apt-get "${options[@]}" update
  timeout 300 apt-get "${options[@]}" download "$@"
  for package in ./*.deb; do dpkg -x "$package" .; done
}

# npm_packages NAME@VERSION...: npm packages in $dir/node_modules.
npm_packages() {
  timeout 300 npm install --loglevel=error --no-progress --no-audit --no-fund --ignore-scripts "$@" >/dev/null
}

# version EXPECTED COMMAND...: the program says that it is this version.
version() {
  local expected=$1; shift
  [[ $("$@" 2>&1) == *"$expected"* ]] || fail "$1 is not version $expected"
}

# compose_2_26_1: Docker Compose as `compose`; it needs no engine for what the findings ask of it.
compose_2_26_1() {
  unpack trixie docker-compose
  version 2.26.1 usr/libexec/docker/cli-plugins/docker-compose version
}
compose() { timeout 60 "$dir/usr/libexec/docker/cli-plugins/docker-compose" --project-name demo "$@"; }

# wait_for FILE: until it is there, ten seconds at most.
wait_for() {
  for _ in {1..100}; do [ -e "$1" ] && return; sleep 0.1; done
  fail "$1 did not come"
}
