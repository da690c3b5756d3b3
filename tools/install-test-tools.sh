#!/bin/sh
# Installs what the tests need and is not there: Debian or Ubuntu packages,
# cargo-nextest, the node modules of the browser tests, Home Assistant's client and
# a WebRTC library.
set -eu
cd "$(dirname "$0")/.."

packages="ffmpeg chromium iproute2 python3 python3-gi python3-venv nodejs gstreamer1.0-tools gstreamer1.0-plugins-base
gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-rtsp gir1.2-gst-rtsp-server-1.0
fonts-wqy-microhei nginx-light caddy"
# Debian has it, Ubuntu does not; its tests are left out there (the same rule: isDebian in tools/ui/browser.mjs).
grep -q '^ID=debian' /etc/os-release 2>/dev/null && packages="$packages firefox-esr"
missing=""
for package in $packages; do
    case "$package" in
        nodejs) command -v node >/dev/null 2>&1 && continue ;;
        python3) command -v python3 >/dev/null 2>&1 && continue ;;
        python3-venv) python3 -c 'import ensurepip, venv' >/dev/null 2>&1 && continue ;;
    esac
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    sudo=""
    [ "$(id -u)" -eq 0 ] || sudo="sudo"
    echo "installing:$missing"
    $sudo apt-get update -qq
    # The proxies among them are run by the tests only, not as services.
    # shellcheck disable=SC2086
    $sudo env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
command -v npm >/dev/null 2>&1 || { echo "npm is missing: install it beside node" >&2; exit 1; }
command -v cargo-nextest >/dev/null 2>&1 || cargo install --locked --quiet cargo-nextest
if [ ! -d tools/ui/node_modules ] || [ tools/ui/package-lock.json -nt tools/ui/node_modules ]; then
    (cd tools/ui && npm ci --no-audit --no-fund --silent && touch node_modules)
fi
# It needs Python 3.12.
python="target/test-python/bin/python"
if ! "$python" -c 'import aiortc, go2rtc_client' >/dev/null 2>&1; then
    for base in python3 python3.14 python3.13 python3.12 "$HOME"/.pyenv/versions/3.1[2-9]*/bin/python3; do
        "$base" -c 'import sys, venv; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1 && break
        base=""
    done
    if [ -n "$base" ]; then
        mkdir -p target
        "$base" -m venv --clear target/test-python
        "$python" -m pip install --quiet --disable-pip-version-check 'go2rtc-client==0.4.0' 'aiortc==1.16.0'
    else
        echo "no Python 3.12: the tests with Home Assistant's client and aiortc are left out" >&2
    fi
fi
