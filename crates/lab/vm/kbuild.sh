#!/usr/bin/env bash
# kbuild.sh DIR SOURCE MODULE: builds a kernel module for each kernel that fetch.sh has put into
# DIR, with Debian's own headers and compilers, as DKMS does on a machine of that kernel, and for the
# one of checked.sh.
#
#   DIR/<kernel>/MODULE.ko   the module, built from the folder SOURCE
#   DIR/<kernel>/MODULE.log  what the build said
#
# Needs apt, dpkg-deb and the network the first time, and root or a kernel that lets a user be
# root in a namespace of its own: the tree's programs run with the tree's C library.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dir=$(cd "${1:?usage: kbuild.sh DIR SOURCE MODULE}" && pwd)
source_dir=$(cd "${2:?usage: kbuild.sh DIR SOURCE MODULE}" && pwd)
module=${3:?usage: kbuild.sh DIR SOURCE MODULE}
source "$here/apt.sh"
source "$here/tree.sh"

main() {
  local version
  # One after the other.
  exec 9> "$dir/kbuild.lock"
  flock 9
  prepare_tree
  for version in "$dir"/[67]*/version; do
    build "$(basename "${version%/version}")" "$(cat "$version")"
  done
  [[ ! -f $dir/checked/version ]] ||
    tree=$dir/checked.tree build checked "$(cat "$dir/checked/version")"
}

# What was built of the same source for the same kernel is as good.
build() {
  local kernel=$1 version=$2 home=$dir/$1 log=$dir/$1/$module.log of
  of="$version $(cd "$source_dir" && find . -type f -exec sha256sum {} + | sort | sha256sum)"
  [[ ! -f $home/$module.of || $(cat "$home/$module.of") != "$of" ]] || return 0
  mkdir -p "$tree/build"
  rm -rf "${tree:?}/build/$kernel" && cp -r "$source_dir" "$tree/build/$kernel"
  inside make -C "/usr/src/linux-headers-$version" "M=/build/$kernel" modules > "$log" 2>&1 ||
    fail "$module does not build for $version: $(tail -5 "$log")"
  cp "$tree/build/$kernel/$module.ko" "$home/$module.ko"
  echo "$of" > "$home/$module.of"
}

main
