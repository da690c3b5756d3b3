#!/usr/bin/python3
"""Uses the fake camera that only one program can have (device.mjs), as a child of the server.

    device.py SOCKET VIDEO RATE URL

While somebody has the camera, it says "Device or resource busy" and ends. Its frames come from
an H.264 file, over and over, and are published at the URL by ffmpeg, which keeps the
connection: the camera is closed when the last process that has it is gone, however it ended.
"""

import os
import socket
import sys

path, video, rate, url = sys.argv[1:5]

camera = socket.socket(socket.AF_UNIX)
camera.connect(path)
if camera.makefile().readline().strip() != "free":
    print("/dev/fake: Device or resource busy", file=sys.stderr)
    sys.exit(1)
os.set_inheritable(camera.fileno(), True)

os.execvp(
    "ffmpeg",
    ["ffmpeg", "-hide_banner", "-v", "error", "-re", "-stream_loop", "-1", "-f", "h264", "-framerate", rate]
    + ["-i", video, "-c", "copy", "-f", "rtsp", "-rtsp_transport", "tcp", url],
)
