#!/usr/bin/env bash
# checked.sh DIR: a small kernel of Debian's newest 7.x source that looks at itself: whether locks
# are taken in an order and a context that can't hang (PROVE_LOCKING), whether anybody sleeps who
# must not (DEBUG_ATOMIC_SLEEP), whether memory is used that is not theirs (KASAN) or is lost
# (DEBUG_KMEMLEAK).
#
#   DIR/checked/vmlinuz, modules/, version   the kernel
#   DIR/checked.tree                         what it and modules for it are built in
#
# Ten minutes of a processor, and 3 GB in DIR. Needs what kbuild.sh needs.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dir=$(mkdir -p "${1:?usage: checked.sh DIR}" && cd "$1" && pwd)
source "$here/apt.sh"
source "$here/tree.sh"
tree=$dir/checked.tree

main() {
  local source
  [[ ! -f $dir/checked/version ]] || return 0
  prepare_apt
  source=$(named '^linux-source-7\.[0-9]+$')
  [[ -n $source ]] || fail "no package linux-source-7.* in Debian: has it been renamed?"
  if [[ ! -f $tree/usr/src/$source/Makefile ]]; then
    unpack_tree bash bc bison findutils flex gcc-14 gzip kmod libc6-dev libelf-dev libssl-dev \
      tar xz-utils "$source"
    tar -xJf "$tree/usr/src/$source.tar.xz" -C "$tree/usr/src"
    ln -sf gcc-14 "$tree/usr/bin/gcc"
  fi
  build "/usr/src/$source"
}

build() {
  local source=$1 option version new=$dir/checked.new
  printf 'CONFIG_%s=y\n' "${wanted[@]}" > "$tree$source/arch/x86/configs/checked.config"
  printf "%s\n" CONFIG_NETCONSOLE=m CONFIG_SLUB_TINY=n >> "$tree$source/arch/x86/configs/checked.config"
  kernel_make() { quietly inside make -C "$source" "-j$(nproc)" "$@"; }
  kernel_make tinyconfig checked.config
  for option in "${wanted[@]}"; do
    grep -q "^CONFIG_$option=y" "$tree$source/.config" || fail "the kernel has no $option"
  done
  kernel_make bzImage modules
  version=$(cat "$tree$source/include/config/kernel.release")
  rm -rf "$new" && mkdir -p "$new/modules/$version"
  cp "$tree$source/arch/x86/boot/bzImage" "$new/vmlinuz"
  find "$tree$source" -name 'netconsole.ko' -exec cp {} "$new/modules/$version/" \;
  ln -sfn "${source##*/}" "$tree/usr/src/linux-headers-$version"
  echo "$version" > "$new/version"
  rm -rf "$dir/checked" && mv "$new" "$dir/checked"
  echo "kernel checked: $version"
}

# What a machine here needs, and then what looks.
wanted=(
  64BIT SMP PREEMPT PRINTK PRINTK_TIME TTY SERIAL_8250 SERIAL_8250_CONSOLE PCI ACPI BLK_DEV_INITRD
  BINFMT_ELF BINFMT_SCRIPT DEVTMPFS PROC_FS SYSCTL SYSFS SHMEM TMPFS FUTEX EPOLL MULTIUSER
  POSIX_TIMERS HIGH_RES_TIMERS MODULES MODULE_UNLOAD MAGIC_SYSRQ BUG KALLSYMS UNWINDER_ORC VMAP_STACK
  NET INET IPV6 UNIX NETDEVICES ETHERNET NET_CORE VIRTIO_MENU VIRTIO_PCI VIRTIO_NET VMXNET3
  NET_VENDOR_INTEL E1000 BONDING BRIDGE VLAN_8021Q SOFTLOCKUP_DETECTOR
  DEBUG_KERNEL PROVE_LOCKING DEBUG_ATOMIC_SLEEP DEBUG_PREEMPT KASAN KASAN_GENERIC KASAN_VMALLOC
  SLUB SLUB_DEBUG STACKTRACE DEBUG_FS DEBUG_KMEMLEAK
)

main
