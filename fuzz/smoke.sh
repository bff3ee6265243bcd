#!/bin/sh
# Runs every fuzz target for a short while: ./smoke.sh [seconds a target] [target…]
# Needs nightly Rust, a C++ compiler and cargo-fuzz (`cargo install cargo-fuzz`).
# Begins from seeds/<target>; what is found on the way is kept in corpus/<target>, a crash in
# artifacts/<target>.
set -eu
cd "$(dirname "$0")"
seconds=${1:-20}
[ $# -gt 0 ] && shift
if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
    echo "smoke.sh: cargo-fuzz is missing: cargo install cargo-fuzz" >&2
    exit 3
fi
[ $# -gt 0 ] || set -- $(cargo +nightly fuzz list --fuzz-dir .)
for target in "$@"; do
    echo "== $target, $seconds s"
    mkdir -p "corpus/$target"
    # No sanitizer: there is no unsafe code in what is fuzzed, and without one it is ten times as
    # fast.
    cargo +nightly fuzz run --fuzz-dir . --sanitizer none "$target" \
        "corpus/$target" "seeds/$target" -- \
        -max_total_time="$seconds" -timeout=5 -rss_limit_mb=2048 -print_final_stats=1
done
