#!/bin/sh
# Formatting, lints, documentation, layers, texts: what `just check` runs.
set -eu
cd "$(dirname "$0")/.."
cargo fmt --all --check
python3 tools/check_layers.py
tools/check_text.sh
# Only where the tests of the pages are installed; in CI they are.
if [ -x tools/ui/node_modules/.bin/biome ]; then tools/ui/node_modules/.bin/biome ci --error-on-warnings --reporter=summary; fi
cargo clippy --workspace --all-targets --release --locked -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --release --locked --document-private-items --quiet
echo "check: all clean"
