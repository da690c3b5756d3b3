#!/bin/sh
# The test command: installs what it needs, then checks and tests everything.
# The browser and network tests are part of it; they use loopback and network
# namespaces of their own only.
set -eu
cd "$(dirname "$0")/.."
tools/install-test-tools.sh
tools/check.sh
node --test tools/ui/*.test.mjs
cargo check --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --release --locked --quiet
echo "fuzz targets: checked"
cargo nextest run --workspace --release --locked
# Not timed by a test: a real browser, a real network, wide bounds.
node tests/release/run.mjs
