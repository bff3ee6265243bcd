#!/usr/bin/env bash
# dkms.sh DIR DEB MODULE: what becomes of a package for DKMS on a machine with the kernels that
# fetch.sh has put into DIR: it is installed, replaced by a newer version, and removed, by dpkg and
# dkms as Debian has them. Then the module is built as for a kernel without thunks. Says:
#
#   installed|upgraded KERNEL VERSION SIGNER FILE   as modinfo and modules.dep have it
#   left FILE                                       whatever outlives the removal
#   plain OBJECT                                    the logic that a kernel without thunks gets
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dir=$(cd "${1:?usage: dkms.sh DIR DEB MODULE}" && pwd)
deb=$(realpath "${2:?usage: dkms.sh DIR DEB MODULE}")
module=${3:?usage: dkms.sh DIR DEB MODULE}
source "$here/apt.sh"
source "$here/tree.sh"
kernels=(6.1 6.12 7)

main() {
  prepare_tree
  empty_machine
  cp "$deb" "$tree/build/package.deb"
  machine dpkg --force-depends -i /build/package.deb
  tell installed
  plain
  newer
  machine dpkg --force-depends -i /build/newer.deb
  tell upgraded
  machine dpkg --purge "$(dpkg-deb -f "$deb" Package)"
  look | sed 's/^/left /'
}

# One on which nothing was ever installed but kernels, each with a module of its own.
empty_machine() {
  local kernel version
  rm -rf "${tree:?}"/{usr/src,var/lib/dkms}/"$module"* "$tree"/lib/modules/*/updates "$tree/build"
  mkdir -p "$tree"/build "$tree"/var/lib/dpkg/{info,updates}
  : > "$tree/var/lib/dpkg/status"
  for kernel in "${kernels[@]}"; do
    version=$(cat "$dir/$kernel/version")
    mkdir -p "$tree/lib/modules/$version/kernel"
    find "$dir/$kernel/modules" -name 'netconsole.ko*' \
      -exec cp {} "$tree/lib/modules/$version/kernel/" \;
    : > "$tree/lib/modules/$version/modules.dep"
  done
}

machine() {
  quietly inside env PATH=/usr/sbin:/usr/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"
}

# What belongs to the module; dkms keeps its key and empty folders.
look() {
  (cd "$tree" && find usr var lib/modules -path "*$module*" | sort)
}

tell() {
  local kernel version file
  for kernel in "${kernels[@]}"; do
    version=$(cat "$dir/$kernel/version")
    file=$(grep -o "^updates/.*/$module\.ko[^:]*" "$tree/lib/modules/$version/modules.dep") ||
      fail "modprobe does not find $module for $version"
    info() { inside /usr/sbin/modinfo -F "$1" "/lib/modules/$version/$file"; }
    echo "$1 $kernel $(info version) $(info signer | tr -d ' ') $file"
  done
}

# The same package as a later version.
newer() {
  local new=$dir/newer version
  version=$(dpkg-deb -f "$deb" Version)
  rm -rf "$new" && dpkg-deb -R "$deb" "$new"
  mv "$new/usr/src/$module-$version" "$new/usr/src/$module-$version.1"
  sed -i "s/${version//./\\.}/$version.1/g" "$new"/DEBIAN/{control,postinst,prerm} \
    "$new/usr/src/$module-$version.1"/{dkms.conf,module.c}
  quietly dpkg-deb --root-owner-group -b "$new" "$tree/build/newer.deb"
  rm -rf "$new"
}

plain() {
  local kernel=${kernels[2]} source=$tree/build/plain
  cp -r "$tree"/usr/src/"$module"-* "$source"
  machine make -C "/usr/src/linux-headers-$(cat "$dir/$kernel/version")" M=/build/plain \
    CONFIG_MITIGATION_RETHUNK= CONFIG_RETHUNK= modules
  echo "plain $(grep -o 'logic[a-z-]*\.bin' "$source/.bn_logic.o.cmd" | head -n 1)"
}

main
