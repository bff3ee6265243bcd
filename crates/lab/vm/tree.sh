# Compilers, make, dkms and the headers of the kernels that fetch.sh has put into $dir, unpacked
# into $tree and not installed; to be sourced after apt.sh, with $dir set.
#
# Needs apt, dpkg-deb and the network the first time, and root or a kernel that lets a user be
# root in a namespace of its own: the tree's programs run with the tree's C library.
tree=$dir/tree
kernels=(6.1 6.12 7)
with_headers=("${kernels[@]}" 6.1-wifi)

prepare_tree() {
  local kernel versions=()
  for kernel in "${with_headers[@]}"; do
    versions+=("$(cat "$dir/$kernel/version")")
  done
  [[ -f $tree/complete && $(cat "$tree/complete") == "dkms ${versions[*]}" ]] || unpack_tree "${versions[@]}"
}

# All that the packages below need, as if nothing were installed.
unpack_tree() {
  local package versions=("$@")
  prepare_apt
  rm -rf "$tree" "$dir"/apt/cache/archives/*.deb
  mkdir -p "$tree"/usr/{bin,sbin,lib,lib64} "$tree"/{dev,proc,tmp,build}
  for package in bin sbin lib lib64; do ln -s "usr/$package" "$tree/$package"; done
  : > "$dir/apt/nothing-installed"
  quietly apt apt-get install -y --download-only --no-install-recommends \
    -o Dir::State::status="$dir/apt/nothing-installed" -o APT::Default-Release=trixie \
    bash bc coreutils dash diffutils dkms findutils gawk gcc-12 gcc-14 grep libc-bin \
    make mawk openssl perl-base sed \
    "${versions[@]/#/linux-headers-}"
  for package in "$dir"/apt/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$tree" -f -
  done
  ln -sf mawk "$tree/usr/bin/awk"
  rm -f "$dir"/apt/cache/archives/*.deb
  echo "dkms ${versions[*]}" > "$tree/complete"
}

# A command inside the tree; compilers and make want /dev/null, objtool its limits from /proc.
inside() {
  local unshare=(unshare --mount)
  [[ $(id -u) == 0 ]] || unshare+=(--map-root-user)
  "${unshare[@]}" bash -c '
    mount --rbind /dev "$1/dev" && mount --rbind /proc "$1/proc" && exec chroot "$@"
  ' inside "$tree" "$@"
}
