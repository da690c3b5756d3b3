#!/bin/sh
# Runs every fuzz target (or one) for so many seconds: tools/fuzz.sh 60 [target]
# Needs a nightly toolchain and cargo-fuzz.
set -eu
cd "$(dirname "$0")/.."
seconds="${1:-60}"
targets="${2:-$(sed -n 's/^name = "\(.*\)"$/\1/p' fuzz/Cargo.toml | grep -v '^rs2rtc-fuzz$')}"
for target in $targets; do
    echo "== $target for $seconds s"
    mkdir -p "fuzz/corpus-run/$target"
    cargo +nightly fuzz run "$target" "fuzz/corpus-run/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 2>&1 | tail -n 12
done
