#!/usr/bin/python3
"""Uses the fake camera that only one program can have (device.mjs), as a child of the server.

    device.py SOCKET VIDEO RATE URL
    device.py SOCKET VIDEO -

While somebody has the camera, it says "Device or resource busy" and ends. Its frames come from
a file, over and over. In the first form the file is H.264, published at the URL by ffmpeg, which
keeps the connection: the camera is closed when the last process that has it is gone, however it
ended. In the second it is FLV and goes to standard output, the first picture START seconds
after the camera was opened; when that was is told to the camera, in Unix milliseconds, so that what
the camera took is known exactly, however busy the machine is.
"""

import os
import socket
import sys
import time

START = 0.25
"""Seconds from open to first picture: USB cameras take 0.2 to 0.5 s."""

path, video, *rest = sys.argv[1:]

camera = socket.socket(socket.AF_UNIX)
camera.connect(path)
opened = time.monotonic()
if camera.makefile().readline().strip() != "free":
    print("/dev/fake: Device or resource busy", file=sys.stderr)
    sys.exit(1)


def publish(rate, url):
    """The file through ffmpeg, which takes this process's place."""
    os.set_inheritable(camera.fileno(), True)
    os.execvp(
        "ffmpeg",
        ["ffmpeg", "-hide_banner", "-v", "error", "-re", "-stream_loop", "-1", "-f", "h264", "-framerate", rate]
        + ["-i", video, "-c", "copy", "-f", "rtsp", "-rtsp_transport", "tcp", url],
    )


def tags(data):
    """The tags of an FLV file: time in ms, whether it is a picture, bytes with the size after them (FLV 10.1, annex E.4)."""
    at = 13
    while at + 15 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        end = at + 11 + size + 4
        ms = int.from_bytes(data[at + 4 : at + 7], "big") | data[at + 7] << 24
        yield ms, data[at] == 9 and data[at + 12] == 1, data[at:end]
        at = end


def write():
    """The file to standard output, at its own pace, with times that go on where it begins anew."""
    with open(video, "rb") as file:
        data = file.read()
    out = sys.stdout.buffer
    out.write(data[:13])
    begin, told = opened + START, False
    while True:
        for ms, is_picture, tag in tags(data):
            time.sleep(max(0, begin + ms / 1000 - time.monotonic()))
            now = int((begin - opened - START) * 1000) + ms
            if is_picture and not told:
                camera.sendall(f"{time.time() * 1000:.3f}\n".encode())
                told = True
            out.write(tag[:4] + (now & 0xFFFFFF).to_bytes(3, "big") + bytes([now >> 24 & 0xFF]) + tag[8:])
            out.flush()
        # One frame's distance after the last picture.
        begin += (ms + 100) / 1000


write() if rest == ["-"] else publish(*rest)
