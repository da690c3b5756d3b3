#!/bin/sh
# The test command: installs what it needs, then checks and tests everything.
# The browser and network tests are part of it; they use loopback and network
# namespaces of their own only.
set -eu
cd "$(dirname "$0")/.."
tools/install-test-tools.sh
tools/check.sh
# Some of the pages' tests run the binary. Tests and programs in one go have the same dependencies.
cargo build --workspace --bins --tests --release --locked
# Two files at a time: they mostly wait. Its report ends with what failed. No test depends on how fast the machine is.
node --test --test-reporter=spec --test-force-exit --test-concurrency=2 tools/ui/*.test.mjs
cargo check --manifest-path fuzz/Cargo.toml --target-dir target --release --locked --quiet
echo "fuzz targets: checked"
cargo nextest run --workspace --release --locked
tail -n 2 target/tmp/contract.txt
# Real browsers in network namespaces: nothing is left of many viewers, a bad network
# ends no session, floods of forged packets disturb nobody, and cameras are let go in
# time (wide bounds, a few runs a row).
node tests/release/cycles.mjs --cycles 100 --chromium 5
node tests/release/relay.mjs --seconds 15
node tests/release/floods.mjs --seconds 2
node tests/release/run.mjs
