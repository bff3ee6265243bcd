#!/usr/bin/env bash
# fetch.sh DIR [KERNEL…]: Debian's stock kernels, unpacked and not installed, a static busybox, and
# what a machine needs beside them to be a Debian.
#
#   DIR/6.1/vmlinuz, modules/, version   the newest 6.1 of bookworm
#   DIR/6.12/…                           the newest 6.12 of trixie
#   DIR/7/…                              the newest 7.x of trixie-backports
#   DIR/7-older/…                        the newest there with a 7.x before that
#   DIR/6.1-amd64/…                      the 6.1 for all hardware
#   DIR/KERNEL/…                         of those named, any of them with -amd64 or -rt (PREEMPT_RT)
#   DIR/busybox
#   DIR/debian/                          systemd, kmod and nft of bookworm, unpacked
#
# Needs apt, dpkg-deb and the network, no root. No kernel found is a failure.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dir=$(mkdir -p "${1:?usage: fetch.sh DIR [KERNEL…]}" && cd "$1" && pwd)
source "$here/apt.sh"
wanted=(busybox debian 6.1 6.12 7 7-older 6.1-amd64 "${@:2}")

main() {
  local missing=() name
  for name in "${wanted[@]}"; do
    [[ -f $dir/$name || -f $dir/$name/version || -d $dir/$name/usr ]] || missing+=("$name")
  done
  [[ ${#missing[@]} == 0 ]] && return
  prepare_apt
  for name in "${missing[@]}"; do
    case $name in
    busybox | debian) "fetch_$name" ;;
    *) fetch_kernel "$name" ;;
    esac
  done
}

fetch_busybox() {
  unpack busybox-static
  install -m 755 "$(find "$dir/unpacked/busybox-static" -path "*/bin/busybox" -type f)" "$dir/busybox"
}

# Since 7.2 the kernel and its modules are packages of their own.
fetch_kernel() {
  local name=$1 version modules binary new=$dir/$1.new
  version=$(newest "$name")
  modules=linux-image-$version
  binary=$modules
  if [[ $name == 7* ]]; then
    modules=linux-modules-$version
    binary=$(named "^linux-binary(-unsigned)?-${version//+/\\+}\$")
    unpack "${binary:?no package linux-binary-$version in Debian: has it been renamed?}"
  fi
  unpack "$modules"
  rm -rf "$new" "${dir:?}/$name" && mkdir "$new"
  mv "$(find "$dir/unpacked/$binary" -name 'vmlinuz*' -type f)" "$new/vmlinuz"
  mv "$(find "$dir/unpacked/$modules" -path "*/modules/$version" -type d)" "$new/modules"
  echo "$version" > "$new/version"
  mv "$new" "$dir/$name"
  rm -rf "$dir/unpacked" "$dir"/*.deb
  echo "kernel $name: $version"
}

# newest KERNEL: the version of its newest package, as the package's name has it.
newest() {
  local flavour=cloud-amd64 series prefix=linux-image- versions
  case $1 in # the kernel for clouds is small, and has virtio_net and netconsole
  *-amd64) flavour=amd64 ;;
  *-rt) flavour=rt-amd64 ;;
  esac
  series=${1%-amd64}
  series=${series%-rt}
  [[ $series != 7* ]] || prefix=linux-modules-
  versions=$(apt apt-cache search --names-only "^$prefix${series%-older}\..*[0-9]-$flavour\$" |
    cut -d' ' -f1 | sort -V)
  if [[ $series == *-older ]]; then
    versions=$(grep -v "^$(tail -1 <<< "$versions" | grep -o '^[a-z-]*[0-9]*\.[0-9]*\.')" <<< "$versions")
  fi
  [[ -n $versions ]] || fail "Debian has no package $prefix$series.*-$flavour: has it been renamed?"
  versions=$(tail -1 <<< "$versions")
  echo "${versions#"$prefix"}"
}

# With all that they depend on, as a machine that has nothing would get them; without what nobody
# reads there.
fetch_debian() {
  local archives=$dir/apt/cache/archives package
  quietly apt apt-get -o Dir::State::status=/dev/null -o APT::Install-Recommends=false \
    -o APT::Default-Release=bookworm --yes --download-only install systemd kmod nftables
  rm -rf "$dir/debian.new"
  for package in "$archives"/*.deb; do dpkg-deb -x "$package" "$dir/debian.new"; done
  rm -rf "$dir"/debian.new/usr/share/{bash-completion,doc,i18n,locale,man,zsh} "$archives"/*.deb
  rm -rf "$dir"/debian.new/usr/lib/x86_64-linux-gnu/gconv
  mv "$dir/debian.new" "$dir/debian"
}

main
