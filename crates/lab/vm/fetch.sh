#!/usr/bin/env bash
# fetch.sh DIR: Debian's stock kernels, unpacked and not installed, a static busybox, and what a
# machine needs beside them to be a Debian.
#
#   DIR/6.1/vmlinuz, DIR/6.1/modules/   the newest 6.1 of bookworm
#   DIR/7/vmlinuz,   DIR/7/modules/     the newest 7.x of trixie-backports
#   DIR/busybox
#   DIR/debian/                         systemd, kmod and nft of bookworm, unpacked
#
# Needs apt, dpkg-deb and the network, no root. apt's own state is left alone: the lists live in
# DIR, and the mirror is the one that this machine uses already. No kernel found is a failure.
set -euo pipefail

dir=$(mkdir -p "${1:?usage: fetch.sh DIR}" && cd "$1" && pwd)
flavour=cloud-amd64 # small, with virtio_net and netconsole

main() {
  if [[ -x $dir/busybox && -d $dir/6.1 && -d $dir/7 && -d $dir/debian ]]; then return; fi
  prepare_apt
  [[ -x $dir/busybox ]] || fetch_busybox
  [[ -d $dir/6.1 ]] || fetch_kernel 6.1 linux-image- '6\.1\.'
  [[ -d $dir/7 ]] || fetch_kernel 7 linux-modules- '7\.'
  [[ -d $dir/debian ]] || fetch_debian
}

prepare_apt() {
  local mirror suite
  mirror=$(apt-get indextargets --format '$(ORIGIN)/$(LABEL) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "Debian/Debian" { print $2; exit }')
  [[ -n $mirror ]] || fail "apt knows no Debian mirror; run 'apt-get update' first"
  mkdir -p "$dir"/apt/{lists,cache/archives}/partial
  for suite in bookworm trixie-backports; do
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

fetch_busybox() {
  unpack busybox-static
  install -m 755 "$(find "$dir/unpacked/busybox-static" -path "*/bin/busybox" -type f)" "$dir/busybox"
}

# fetch_kernel NAME PREFIX VERSION: the newest VERSION; its packages are named PREFIX<version>.
fetch_kernel() {
  local name=$1 prefix=$2 newest version binary
  newest=$(named "^$prefix$3.*-$flavour\$")
  [[ -n $newest ]] || fail "no package $prefix$3*-$flavour in Debian: has it been renamed?"
  version=${newest#"$prefix"}
  unpack "$newest"
  if [[ $name == 7 ]]; then # since 7.2 the kernel and its modules are packages of their own
    binary=$(named "^linux-binary(-unsigned)?-${version//+/\\+}\$")
    [[ -n $binary ]] || fail "no package linux-binary-$version in Debian: has it been renamed?"
    unpack "$binary"
  else
    binary=$newest
  fi
  rm -rf "$dir/$name.new" && mkdir "$dir/$name.new"
  cp "$(find "$dir/unpacked/$binary" -name 'vmlinuz*' -type f)" "$dir/$name.new/vmlinuz"
  cp -r "$(find "$dir/unpacked/$newest" -path "*/modules/$version" -type d)" "$dir/$name.new/modules"
  mv "$dir/$name.new" "$dir/$name"
  rm -rf "$dir/unpacked" "$dir"/*.deb
  echo "kernel $name: $version"
}

# With all that they depend on, as a machine that has nothing would get them; without what nobody
# reads there.
fetch_debian() {
  local archives=$dir/apt/cache/archives package
  quietly apt apt-get -o Dir::State::status=/dev/null -o APT::Install-Recommends=false \
    --yes --download-only install systemd kmod nftables
  rm -rf "$dir/debian.new"
  for package in "$archives"/*.deb; do dpkg-deb -x "$package" "$dir/debian.new"; done
  rm -rf "$dir"/debian.new/usr/share/{bash-completion,doc,i18n,locale,man,zsh} "$archives"/*.deb
  rm -rf "$dir"/debian.new/usr/lib/x86_64-linux-gnu/gconv
  mv "$dir/debian.new" "$dir/debian"
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
  echo "fetch.sh: $1" >&2
  exit 1
}

main
