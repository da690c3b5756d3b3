#!/usr/bin/python3
"""Records one STUN binding request on the wire: record.py INTERFACE SOURCE_PORT. Prints it as hex."""

import socket
import struct
import sys
import time

interface, port = sys.argv[1], int(sys.argv[2])
wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))  # all: one's own too
wire.bind((interface, 0))
wire.settimeout(15)
end = time.monotonic() + 15
while time.monotonic() < end:
    packet, (_, protocol, *_) = wire.recvfrom(2048)
    if protocol != 0x0800:
        continue
    head = (packet[0] & 15) * 4
    if packet[9] != 17 or struct.unpack("!H", packet[head:head + 2])[0] != port:
        continue
    length = struct.unpack("!H", packet[head + 4:head + 6])[0]
    payload = packet[head + 8:head + length]
    if payload[:2] == b"\0\1" and payload[4:8] == b"\x21\x12\xa4\x42":
        print(payload.hex())
        sys.exit(0)
sys.exit("no check was seen")
