# Trees of Debian's packages, unpacked and not installed, in which modules and kernels are built;
# to be sourced after apt.sh, with $dir set. The usual one is $tree: compilers, make, dkms and the
# headers of the kernels that fetch.sh has put into $dir.
#
# Needs apt, dpkg-deb and the network the first time, and root or a kernel that lets a user be
# root in a namespace of its own: the tree's programs run with the tree's C library.
tree=$dir/tree

prepare_tree() {
  local versions
  mapfile -t versions < <(cd "$dir" && cat [67]*/version)
  [[ -f $tree/complete && $(cat "$tree/complete") == "dkms ${versions[*]}" ]] && return
  unpack_tree bash bc dkms findutils gcc-12 gcc-14 openssl "${versions[@]/#/linux-headers-}"
  echo "dkms ${versions[*]}" > "$tree/complete"
}

# unpack_tree PACKAGE…: $tree, of these and all that they need, as if nothing were installed.
unpack_tree() {
  local package archives=$dir/apt/cache/archives
  prepare_apt
  rm -rf "$tree" "$archives"/*.deb
  mkdir -p "$tree"/usr/{bin,sbin,lib,lib64} "$tree"/{dev,proc,tmp,build}
  for package in bin sbin lib lib64; do ln -s "usr/$package" "$tree/$package"; done
  : > "$dir/apt/nothing-installed"
  quietly apt apt-get install -y --download-only --no-install-recommends \
    -o Dir::State::status="$dir/apt/nothing-installed" -o APT::Default-Release=trixie \
    coreutils dash diffutils gawk grep libc-bin make mawk perl-base sed "$@"
  for package in "$archives"/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$tree" -f -
  done
  ln -sf mawk "$tree/usr/bin/awk"
  rm -f "$archives"/*.deb
}

# A command inside the tree; compilers and make want /dev/null, objtool its limits from /proc.
inside() {
  local unshare=(unshare --mount)
  [[ $(id -u) == 0 ]] || unshare+=(--map-root-user)
  "${unshare[@]}" bash -c '
    mount --rbind /dev "$1/dev" && mount --rbind /proc "$1/proc" && exec chroot "$@"
  ' inside "$tree" "$@"
}
