#!/usr/bin/env python3
"""Checks who imports whom, from `cargo metadata` (the table in ARCHITECTURE.md).

A member of the workspace may depend only on the members and on the kinds of
outside crates listed for it. Development dependencies are not restricted,
except that nothing outside tests may use testkit.
"""

import json
import subprocess
import sys

# Crates that do IO, run tasks or read clocks: never in a pure layer.
IMPURE = {
    "tokio", "tokio-util", "tokio-rustls", "axum", "hyper", "hyper-util", "tower-http",
    "socket2", "quinn-udp", "rustix", "libc", "mio", "getrandom", "futures-util", "reqwest",
}
MEMBERS = {
    # name: (members it may import, outside crates it must not import)
    "base": (set(), IMPURE | {"tracing"}),
    "media": ({"base"}, IMPURE | {"tracing"}),
    "rtsp": ({"base", "media"}, IMPURE),
    "webrtc": ({"base", "media"}, IMPURE),
    "protocols": ({"base", "media"}, IMPURE),
    "transcode": ({"base", "media"}, IMPURE),
    "streams": ({"base", "media"}, IMPURE - {"tokio", "tokio-util"} | {"serde", "serde_json", "str0m"}),
    "endpoints": (
        {"base", "media", "rtsp", "webrtc", "protocols", "transcode", "streams"},
        {"axum", "clap", "serde-saphyr"},
    ),
    "server": (
        {"base", "media", "webrtc", "streams", "endpoints"},
        {"str0m", "openh264", "quinn-udp", "socket2"},
    ),
    "testkit": ({"base", "media", "rtsp", "webrtc", "protocols", "transcode"}, {"axum"}),
}
PREFIX = "rs2rtc-"


def main() -> int:
    metadata = json.loads(
        subprocess.run(
            ["cargo", "metadata", "--format-version=1", "--no-deps", "--locked"],
            check=True, capture_output=True, text=True,
        ).stdout
    )
    faults = []
    for package in metadata["packages"]:
        name = package["name"].removeprefix(PREFIX)
        if name not in MEMBERS:
            faults.append(f"{package['name']}: not in the layer table")
            continue
        members, banned = MEMBERS[name]
        for dependency in package["dependencies"]:
            if dependency["kind"] == "dev":
                continue
            other = dependency["name"]
            if other.startswith(PREFIX):
                if other.removeprefix(PREFIX) not in members:
                    faults.append(f"{name} must not import {other}")
            elif other in banned:
                faults.append(f"{name} must not import {other}")
    for fault in faults:
        print(f"layers: {fault}", file=sys.stderr)
    if not faults:
        print(f"layers: {len(metadata['packages'])} members keep the table")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
