#!/bin/sh
# Formatting, lints, documentation, layers, texts: what `just check` runs.
set -eu
cd "$(dirname "$0")/.."
cargo fmt --all --check
python3 tools/check_layers.py
tools/check_text.sh
cargo clippy --workspace --all-targets --release --locked -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --release --locked --document-private-items --quiet
echo "check: all clean"
