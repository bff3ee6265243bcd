# What CI needs beyond Rust and a C compiler; each is left alone where it is there already.

# For the machines in which real kernels die. The lists are needed in any case: they say from
# where to fetch the kernels. Where qemu-utils from backports is installed, apt replaces it with
# the release's own.
install_qemu() {
  as_root apt-get update -q
  if command -v qemu-system-x86_64 && command -v xz; then return; fi
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends qemu-system-x86 xz-utils
}

# Rust's libraries and a C compiler for machines of 32 bits.
install_narrow_targets() {
  rustup target add i686-unknown-linux-gnu powerpc-unknown-linux-gnu
  if command -v i686-linux-gnu-gcc && command -v powerpc-linux-gnu-gcc; then return; fi
  as_root apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends gcc-i686-linux-gnu libc6-dev-i386-cross \
    gcc-powerpc-linux-gnu libc6-dev-powerpc-cross
}

# The patient is one static file in those machines.
install_static_target() {
  rustup target add x86_64-unknown-linux-musl
}

# The one compiler that makes the module's objects to the byte, with the source of its core.
install_object_compiler() {
  rustup toolchain install 1.95.0 --profile minimal --component rust-src
}

install_cargo_fuzz() {
  if cargo fuzz --version > /dev/null 2>&1; then return; fi
  cargo install cargo-fuzz --locked
}

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}
