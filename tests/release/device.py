#!/usr/bin/python3
"""A fake camera that only one program can have, as a child of the server.

    device.py LOCKFILE VIDEO URL

While somebody has it, it says "Device or resource busy" and ends. Its frames
come from an H.264 file, over and over, and are published at the URL by ffmpeg. After its end the device stays busy for
0 to 300 ms, as real ones do: a holder outlives the program for so long. Times of
opening, refusals and closing are appended to LOCKFILE.log, in Unix seconds.
"""

import fcntl
import os
import random
import select
import sys
import time

lock_path, video, url = sys.argv[1:4]


def note(what: str) -> None:
    with open(lock_path + ".log", "a", encoding="ascii") as log:
        log.write(f"{time.time():.6f} {what} {os.getpid()}\n")


lock = os.open(lock_path, os.O_RDWR | os.O_CREAT)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    note("busy")
    print("/dev/fake: Device or resource busy", file=sys.stderr)
    sys.exit(1)
note("open")

alive, holder_end = os.pipe()
if os.fork() == 0:
    # The holder: in a session of its own, so that a killed group leaves it alone.
    os.setsid()
    os.close(holder_end)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    select.select([alive], [], [])
    time.sleep(random.uniform(0, float(os.environ.get("CLOSE_DELAY", "0.3"))))
    note("close")
    os._exit(0)
os.close(alive)
os.set_inheritable(holder_end, False)
os.close(lock)

os.execvp(
    "ffmpeg",
    ["ffmpeg", "-hide_banner", "-v", "error", "-re", "-stream_loop", "-1", "-f", "h264", "-framerate", "10"]
    + ["-i", video, "-c", "copy", "-f", "rtsp", "-rtsp_transport", "tcp", url],
)
