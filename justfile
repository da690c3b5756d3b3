# What CI runs is what you run: `just check` and `just test`.

default: check test

# Formatting, lints, documentation, layers. Seconds when nothing changed.
check:
    tools/check.sh

# Everything, with what it needs installed (the product's own profile, so that dependencies are compiled once).
test:
    tools/test.sh

# Rust tests only.
test-rust *args:
    cargo nextest run --workspace --release --locked {{args}}

# Types, lints, words and pure modules of the pages; says so where there is no Node.
ui-check:
    command -v node >/dev/null || { echo "pages: not checked, there is no node"; exit 0; }; node --test tools/ui/types.test.mjs tools/ui/lint.test.mjs tools/ui/texts.test.mjs tools/ui/words.test.mjs tools/ui/lib.test.mjs

# The pages in real browsers, all files or some: `just ui-e2e tools/ui/grid.test.mjs`.
ui-e2e *files="tools/ui/*.test.mjs":
    cargo build --release --locked --workspace
    node --test --test-reporter=spec --test-force-exit --test-concurrency=2 {{files}}

# Third-party code of the pages, built anew from its packages.
ui-vendor:
    node tools/ui/vendor.mjs

# Every recorded answer of go2rtc against the binary, as a table.
contract:
    cargo nextest run --release --locked -p rs2rtc-server --test contract --no-capture

# Licences, bans and sources of the dependency tree; run when it changes.
deny:
    cargo deny --offline check licenses bans sources

# Every fuzz target (or one) for SECONDS.
fuzz seconds="60" target="":
    tools/fuzz.sh {{seconds}} {{target}}

# Days of bad networks in virtual time: dead sessions and wrong parks per hour.
soak:
    cargo test -p rs2rtc-webrtc --release --locked --test soak -- --ignored --nocapture --test-threads=1

# How fast cameras are let go, with real browsers: a few runs of every row (needs root).
release-short:
    cargo build --release --locked --workspace
    node tests/release/run.mjs

# The same with 200 and 20 runs; goes on where it was stopped. `--report` prints the table.
release-long *args:
    cargo build --release --locked --workspace
    node tests/release/run.mjs --long {{args}}

# A thousand viewers come and go; five minutes of a network that loses 30 % in bursts; floods.
release-stress:
    cargo build --release --locked --workspace
    node tests/release/cycles.mjs
    node tests/release/relay.mjs --seconds 300
    node tests/release/floods.mjs --seconds 10

# FFmpeg decodes SECONDS of every output over HTTP and WebSocket: 0 errors, times that grow, a line for each.
decode seconds="60":
    MEDIA_SECONDS={{seconds}} cargo nextest run --release --locked --workspace --no-capture -E 'test(decode::)'

# Start-up, join and delay figures against a running demo in a real browser.
bench-start runs="20":
    cargo build --release --locked
    node tools/ui/bench-start.mjs {{runs}}

# How long still pictures of running cameras take.
bench-pictures runs="30":
    cargo build --release --locked
    node tools/bench-pictures.mjs {{runs}}

# MSE: first picture, delay, and what a hundred viewers cost.
bench-mse runs="20":
    cargo build --release --locked
    node tools/ui/bench-mse.mjs {{runs}}

# HLS in a foreign player: first picture, and how far behind live.
bench-hls runs="20":
    cargo build --release --locked
    node tools/ui/bench-hls.mjs {{runs}}

# What is promised of the pages in milliseconds: first paint, back out of the cache, busy pages, a server that dies, overload. Some 8 minutes.
bench-pages runs="20":
    cargo build --release --locked
    node tools/ui/bench-pages.mjs {{runs}}

# What is promised of outputs over HTTP and WebSocket: first pictures, delays, what viewers cost. Some 12 minutes.
bench-outputs runs="20":
    cargo build --release --locked
    node tools/bench-pictures.mjs {{runs}}
    node tools/ui/bench-mse.mjs {{runs}}
    node tools/ui/bench-hls.mjs {{runs}}

# The binary for packages.
dist:
    cargo build --profile dist --locked
