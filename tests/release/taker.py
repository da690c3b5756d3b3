#!/usr/bin/python3
"""An RTSP server that takes what is published to it: taker.py PORT.

Says `ready` when it listens and `media` when the first packet is there. Told to quit (SIGINT) it ends its side of the connection.
"""

import contextlib
import re
import signal
import socket
import sys

PART = 65536

connections = []


def quit_it(*_):
    for connection in connections:
        connection.shutdown(socket.SHUT_WR)


def answer(request):
    """What it says to a request: yes."""
    number = re.search(r"^cseq: *(\d+)", request, re.I | re.M).group(1)
    transport = re.search(r"^transport: *(\S+)", request, re.I | re.M)
    more = f"Transport: {transport.group(1)}\r\n" if transport else ""
    return f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\nSession: 1;timeout=60\r\nPublic: ANNOUNCE, SETUP, RECORD, TEARDOWN\r\n{more}\r\n".encode()


def take(connection):
    data, seen = b"", False
    while part := connection.recv(PART):
        data += part
        while data:
            if data[0] == 0x24:
                end = 4 + int.from_bytes(data[2:4], "big") if len(data) >= 4 else PART + 4
                if len(data) < end:
                    break
                if not seen:
                    print("media", flush=True)
                seen = True
            else:
                head = data.find(b"\r\n\r\n") + 4
                if head < 4:
                    break
                request = data[:head].decode()
                length = re.search(r"^content-length: *(\d+)", request, re.I | re.M)
                end = head + int(length.group(1) if length else 0)
                if len(data) < end:
                    break
                connection.sendall(answer(request))
            data = data[end:]


signal.signal(signal.SIGINT, quit_it)
with socket.create_server(("", int(sys.argv[1]))) as server:
    print("ready", flush=True)
    while True:
        connection, _ = server.accept()
        connections[:] = [connection]
        with connection, contextlib.suppress(ConnectionError):
            take(connection)
