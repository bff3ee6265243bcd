# Debian's packages, fetched and unpacked without root and beside this machine's own apt; to be
# sourced with $dir set. apt's lists live in $dir/apt, and the mirror is the one that this machine
# uses already.

prepare_apt() {
  local mirror suite
  mirror=$(apt-get indextargets --format '$(ORIGIN)/$(LABEL) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "Debian/Debian" { print $2; exit }')
  [[ -n $mirror ]] || fail "apt knows no Debian mirror; run 'apt-get update' first"
  mkdir -p "$dir"/apt/{lists,cache/archives}/partial
  for suite in bookworm trixie trixie-backports; do
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
  done > "$dir/apt/sources.list"
  quietly apt apt-get update
}

# apt COMMAND ARGUMENT…, with the configuration above.
apt() {
  "$1" -o Dir::Etc::sourcelist="$dir/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::Lists="$dir/apt/lists" -o Dir::Cache="$dir/apt/cache" \
    -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3 "${@:2}"
}

# The newest package whose name matches.
named() {
  apt apt-cache search --names-only "$1" | cut -d' ' -f1 | sort -V | tail -1
}

unpack() {
  (cd "$dir" && quietly apt apt-get download "$1")
  mkdir -p "$dir/unpacked"
  dpkg-deb -x "$dir/$1"_*.deb "$dir/unpacked/$1"
}

# Says what a command said only if it failed.
quietly() {
  local said
  said=$("$@" 2>&1) || fail "$* failed: $said"
}

fail() {
  echo "${0##*/}: $1" >&2
  exit 1
}
