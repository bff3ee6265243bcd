#!/usr/bin/env bash
# fetch.sh DIR: Debian's stock kernels, unpacked and not installed, a static busybox, and what a
# machine needs beside them to be a Debian.
#
#   DIR/6.1/vmlinuz, modules/, version   the newest 6.1 of bookworm
#   DIR/6.12/…                           the newest 6.12 of trixie
#   DIR/7/…                              the newest 7.x of trixie-backports
#   DIR/6.1-wifi/…                       the 6.1 for all hardware, with a radio that is none
#   DIR/busybox
#   DIR/debian/                          systemd, kmod and nft of bookworm, unpacked
#
# Needs apt, dpkg-deb and the network, no root. No kernel found is a failure.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dir=$(mkdir -p "${1:?usage: fetch.sh DIR}" && cd "$1" && pwd)
source "$here/apt.sh"
flavour=cloud-amd64 # small, with virtio_net and netconsole

main() {
  if [[ -x $dir/busybox && -f $dir/6.1/version && -f $dir/6.12/version && -f $dir/7/version &&
    -f $dir/6.1-wifi/version && -d $dir/debian ]]; then
    return
  fi
  prepare_apt
  [[ -x $dir/busybox ]] || fetch_busybox
  [[ -f $dir/6.1/version ]] || fetch_kernel 6.1 linux-image- '6\.1\.'
  [[ -f $dir/6.12/version ]] || fetch_kernel 6.12 linux-image- '6\.12\.'
  [[ -f $dir/7/version ]] || fetch_kernel 7 linux-modules- '7\.'
  [[ -f $dir/6.1-wifi/version ]] || fetch_wifi
  [[ -d $dir/debian ]] || fetch_debian
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
  echo "$version" > "$dir/$name.new/version"
  rm -rf "${dir:?}/$name"
  mv "$dir/$name.new" "$dir/$name"
  rm -rf "$dir/unpacked" "$dir"/*.deb
  echo "kernel $name: $version"
}

# Of the large kernel for all hardware no more than a machine here takes.
fetch_wifi() {
  local newest new=$dir/6.1-wifi.new
  newest=$(named '^linux-image-6\.1\.[0-9]+-[0-9]+-amd64$')
  [[ -n $newest ]] || fail "no package linux-image-6.1.*-amd64 in Debian: has it been renamed?"
  (cd "$dir" && quietly apt apt-get download "$newest")
  rm -rf "$new" && mkdir "$new"
  dpkg-deb --fsys-tarfile "$dir/$newest"_*.deb | tar -x -C "$new" --wildcards './boot/vmlinuz-*' \
    '*/fs/configfs/*' '*/drivers/virtio/*' '*/net/virtio_net.ko' '*failover.ko' '*/netconsole.ko' \
    '*/mac80211_hwsim.ko' '*/kernel/net/mac80211/*' '*/kernel/net/wireless/*' '*/rfkill.ko' \
    '*/libarc4.ko' '*/e1000/*'
  mv "$new"/boot/vmlinuz-* "$new/vmlinuz"
  mv "$new/lib/modules" "$new/modules"
  ls "$new/modules" > "$new/version"
  rm -r "$dir/$newest"_*.deb "$new"/{boot,lib} "$dir/6.1-wifi" 2> /dev/null || true
  mv "$new" "$dir/6.1-wifi"
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
