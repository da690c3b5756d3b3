#!/bin/sh
# Installs what the tests need and is not there: Debian or Ubuntu packages,
# cargo-nextest, and the node modules of the browser tests.
set -eu
cd "$(dirname "$0")/.."

packages="ffmpeg chromium iproute2 python3 python3-gi nodejs gstreamer1.0-tools gstreamer1.0-plugins-base
gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-rtsp gir1.2-gst-rtsp-server-1.0"
missing=""
for package in $packages; do
    case "$package" in
        nodejs) command -v node >/dev/null 2>&1 && continue ;;
        python3) command -v python3 >/dev/null 2>&1 && continue ;;
    esac
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    sudo=""
    [ "$(id -u)" -eq 0 ] || sudo="sudo"
    echo "installing:$missing"
    $sudo apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
command -v npm >/dev/null 2>&1 || { echo "npm is missing: install it beside node" >&2; exit 1; }
command -v cargo-nextest >/dev/null 2>&1 || cargo install --locked --quiet cargo-nextest
if [ ! -d tools/ui/node_modules ] || [ tools/ui/package-lock.json -nt tools/ui/node_modules ]; then
    (cd tools/ui && npm ci --no-audit --no-fund --silent && touch node_modules)
fi
