#!/bin/sh
# Runs every fuzz target for a short while: ./smoke.sh [seconds a target] [target…]
# Needs a C++ compiler and cargo-fuzz (`cargo install cargo-fuzz`). Takes nightly Rust where it is
# there; without a sanitizer stable does as well.
# Begins from seeds/<target>; what is found on the way is kept in corpus/<target>, a crash in
# artifacts/<target>.
set -eu
cd "$(dirname "$0")"
seconds=${1:-20}
[ $# -gt 0 ] && shift
toolchain=+nightly
rustc $toolchain --version >/dev/null 2>&1 || toolchain=+stable
if ! cargo $toolchain fuzz --version >/dev/null 2>&1; then
    echo "smoke.sh: cargo-fuzz is missing: cargo install cargo-fuzz" >&2
    exit 3
fi
[ $# -gt 0 ] || set -- $(cargo $toolchain fuzz list --fuzz-dir .)
for target in "$@"; do
    echo "== $target, $seconds s"
    mkdir -p "corpus/$target"
    # No sanitizer: there is no unsafe code in what is fuzzed, and without one it is ten times as
    # fast.
    cargo $toolchain fuzz run --fuzz-dir . --sanitizer none "$target" \
        "corpus/$target" "seeds/$target" -- \
        -max_total_time="$seconds" -timeout=5 -rss_limit_mb=2048 -print_final_stats=1
done
