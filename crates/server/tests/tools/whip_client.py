"""Publishes H.264 and Opus by WHIP (RFC 9725) with aiortc until it is told to end.

usage: whip_client.py URL

It prints `connected` once media can flow. A line on its input has it send DELETE to its
session; it prints the status and ends.
"""

import asyncio
import fractions
import sys
from urllib.parse import urljoin

import aiohttp
import av
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription, VideoStreamTrack
from aiortc.mediastreams import AudioStreamTrack


class Bars(VideoStreamTrack):
    """Grey pictures whose brightness changes."""

    number = 0

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        frame = av.VideoFrame(320, 240, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([self.number % 200 + 16]) * plane.buffer_size)
        self.number += 1
        frame.pts, frame.time_base = pts, fractions.Fraction(time_base)
        return frame


async def main(url):
    peer = RTCPeerConnection()
    video = peer.addTransceiver(Bars(), direction="sendonly")
    codecs = RTCRtpSender.getCapabilities("video").codecs
    video.setCodecPreferences([c for c in codecs if c.mimeType == "video/H264"])
    peer.addTransceiver(AudioStreamTrack(), direction="sendonly")
    connected = asyncio.Event()

    @peer.on("connectionstatechange")
    def changed():
        if peer.connectionState == "connected":
            connected.set()

    await peer.setLocalDescription(await peer.createOffer())
    async with aiohttp.ClientSession() as http:
        headers = {"Content-Type": "application/sdp"}
        async with http.post(url, data=peer.localDescription.sdp, headers=headers) as answer:
            text = await answer.text()
            assert answer.status == 201, f"{answer.status} {text}"
            session = urljoin(url, answer.headers["Location"])
        await peer.setRemoteDescription(RTCSessionDescription(text, "answer"))
        await connected.wait()
        print("connected", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        async with http.delete(session) as answer:
            print(answer.status, flush=True)
    await peer.close()


asyncio.run(main(sys.argv[1]))
