#!/usr/bin/env bash
# kbuild.sh DIR SOURCE MODULE: builds a kernel module for each kernel that fetch.sh has put into
# DIR, with Debian's own headers and compilers, as DKMS does on a machine of that kernel.
#
#   DIR/<kernel>/MODULE.ko   the module, built from the folder SOURCE
#   DIR/<kernel>/build.log   what the build said
#   DIR/tree/                compilers, make and headers, unpacked
#
# Needs apt, dpkg-deb and the network the first time, and root or a kernel that lets a user be
# root in a namespace of its own: the tree's programs run with the tree's C library.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dir=$(cd "${1:?usage: kbuild.sh DIR SOURCE MODULE}" && pwd)
source_dir=$(cd "${2:?usage: kbuild.sh DIR SOURCE MODULE}" && pwd)
module=${3:?usage: kbuild.sh DIR SOURCE MODULE}
source "$here/apt.sh"
tree=$dir/tree
kernels=(6.1 6.12 7)

main() {
  local kernel
  versions=()
  for kernel in "${kernels[@]}"; do
    versions+=("$(cat "$dir/$kernel/version")")
  done
  [[ -f $tree/complete && $(cat "$tree/complete") == "${versions[*]}" ]] || unpack_tree
  for kernel in "${kernels[@]}"; do
    build "$kernel" "$(cat "$dir/$kernel/version")"
  done
}

# All that the packages below need, as if nothing were installed.
unpack_tree() {
  local package
  prepare_apt
  rm -rf "$tree" "$dir"/apt/cache/archives/*.deb
  mkdir -p "$tree"/usr/{bin,sbin,lib,lib64} "$tree"/{dev,proc,tmp,work}
  for package in bin sbin lib lib64; do ln -s "usr/$package" "$tree/$package"; done
  : > "$dir/apt/nothing-installed"
  quietly apt apt-get install -y --download-only --no-install-recommends \
    -o Dir::State::status="$dir/apt/nothing-installed" -o APT::Default-Release=trixie \
    bash bc coreutils dash diffutils findutils gawk gcc-12 gcc-14 grep make mawk perl-base sed \
    "${versions[@]/#/linux-headers-}"
  for package in "$dir"/apt/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$tree" -f -
  done
  ln -sf mawk "$tree/usr/bin/awk"
  rm -f "$dir"/apt/cache/archives/*.deb
  echo "${versions[*]}" > "$tree/complete"
}

build() {
  local kernel=$1 version=$2 log=$dir/$1/build.log
  rm -rf "${tree:?}/work/$kernel" && cp -r "$source_dir" "$tree/work/$kernel"
  inside make -C "/usr/src/linux-headers-$version" "M=/work/$kernel" modules > "$log" 2>&1 ||
    fail "$module does not build for $version: $(tail -5 "$log")"
  cp "$tree/work/$kernel/$module.ko" "$dir/$kernel/$module.ko"
}

# A command inside the tree; compilers and make want /dev/null, objtool its limits from /proc.
inside() {
  local unshare=(unshare --mount)
  [[ $(id -u) == 0 ]] || unshare+=(--map-root-user)
  "${unshare[@]}" bash -c '
    mount --rbind /dev "$1/dev" && mount --rbind /proc "$1/proc" && exec chroot "$@"
  ' inside "$tree" "$@"
}

main
