#!/bin/sh
# Runs every fuzz target (or one) for so many seconds: tools/fuzz.sh 60 [target]
# The product's own toolchain builds them, with the address sanitizer and the coverage
# that libFuzzer goes by: neither a nightly one nor cargo-fuzz is needed. What was found
# is in fuzz/artifacts; `target/fuzz/HOST/release/TARGET FILE` runs it once more.
set -eu
cd "$(dirname "$0")/.."
seconds="${1:-60}"
targets="${2:-$(sed -n 's/^name = "\(.*\)"$/\1/p' fuzz/Cargo.toml | grep -v '^rs2rtc-fuzz$')}"
host="$(rustc -vV | sed -n 's/^host: //p')"
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
# A sanitizer is unstable in every toolchain.
RUSTC_BOOTSTRAP=1 RUSTFLAGS="$coverage --cfg fuzzing -Zsanitizer=address -Ccodegen-units=1" \
    cargo build --release --locked --bins --manifest-path fuzz/Cargo.toml --target "$host" --target-dir target/fuzz
found=""
for target in $targets; do
    echo "== $target for $seconds s"
    mkdir -p "fuzz/corpus-run/$target" fuzz/artifacts
    log="target/fuzz/$target.log"
    "target/fuzz/$host/release/$target" "fuzz/corpus-run/$target" "fuzz/corpus/$target" \
        -artifact_prefix="fuzz/artifacts/$target-" -max_total_time="$seconds" -rss_limit_mb=2048 -malloc_limit_mb=512 \
        -timeout=10 -print_final_stats=1 >"$log" 2>&1 || found="$found $target"
    tail -n 12 "$log"
done
[ -z "$found" ] || { echo "found something:$found" >&2; exit 1; }
