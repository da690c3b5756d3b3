"""All calls that Home Assistant's client library has, against a running server.

usage: ha_client.py SOCKET USER PASSWORD RTSP_PORT

It talks over the unix socket, as Home Assistant does, and prints one line per call.
"""

import asyncio
import base64
import struct
import sys

import aiohttp
from go2rtc_client import Go2RtcRestClient
from go2rtc_client.models import WebRTCSdpOffer
from go2rtc_client.ws import Go2RtcWsClient, WebRTCAnswer, WebRTCCandidate, WebRTCOffer, WsError
from webrtc_models import RTCIceServer

# Forms that it adds too.
SOURCES = {
    "camera.two": ["rtsp://127.0.0.1:1/x", "ffmpeg:camera.two#audio=opus#query=log_level=debug"],
    "camera.raw": "ffmpeg:http://127.0.0.1:1/x#video=h264#audio=copy#raw=-vf hflip",
}

FINGERPRINT = ":".join(["AB"] * 32)


def offer() -> str:
    """What a browser that only watches sends."""
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1"]
    for mid, kind, codec in ((0, "video", "96 H264/90000"), (1, "audio", "111 opus/48000/2")):
        number = codec.split()[0]
        lines += [
            f"m={kind} 9 UDP/TLS/RTP/SAVPF {number}",
            "c=IN IP4 0.0.0.0",
            "a=ice-ufrag:abcd",
            "a=ice-pwd:0123456789012345678901",
            f"a=fingerprint:sha-256 {FINGERPRINT}",
            "a=setup:actpass",
            f"a=mid:{mid}",
            "a=recvonly",
            "a=rtcp-mux",
            f"a=rtpmap:{codec}",
        ]
        if kind == "video":
            lines.append(f"a=fmtp:{number} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f")
    return "\r\n".join(lines) + "\r\n"


def size_of(picture: bytes) -> tuple[int, int]:
    """Width and height of a JPEG image, by its frame header."""
    assert picture.startswith(b"\xff\xd8") and picture.endswith(b"\xff\xd9")
    at = picture.index(b"\xff\xc0")
    height, width = struct.unpack(">HH", picture[at + 5 : at + 9])
    return width, height


async def has(session: aiohttp.ClientSession, path: str) -> bool:
    """Whether the module of a path is there."""
    async with session.get(f"http://localhost{path}") as answer:
        return not (answer.status == 404 and (await answer.text()) == "404 page not found\n")


async def main(socket: str, user: str, password: str, rtsp: str) -> None:
    connector = aiohttp.UnixConnector(path=socket)
    login = base64.b64encode(f"{user}:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {login}"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        client = Go2RtcRestClient(session, "http://localhost/")
        print("version", await client.validate_server_version())
        print("info", (await client.application.get_info()).version)
        schemes = await client.schemes.list()
        assert {"rtsp", "ffmpeg", "exec"} <= schemes, schemes
        print("schemes", len(schemes))
        assert await client.streams.list() == {}
        # As Home Assistant does it: the camera, and a second source for sound.
        camera = f"rtsp://127.0.0.1:{rtsp}/demo"
        await client.streams.add("camera.one", camera)
        await client.streams.add("camera.file", camera)
        for name, source in SOURCES.items():
            await client.streams.add(name, source)
            print("source", source)
        streams = await client.streams.list()
        assert {"camera.file", "camera.one"} <= set(streams), streams
        assert [p.url for p in streams["camera.one"].producers] == [camera]
        print("streams", len(streams))

        answer = await client.webrtc.forward_whep_sdp_offer("camera.file", WebRTCSdpOffer(offer()))
        assert answer.type == "answer" and answer.sdp.startswith("v=0")
        print("whep")
        # With a source running the list stays readable: every producer has its url.
        running = await client.streams.list()
        assert running["camera.file"].producers[0].url == camera, running
        print("streams while one plays")

        if await has(session, "/api/preload"):
            await client.preload.enable("camera.file", video_codec_filter=["h264"], audio_codec_filter=["opus"])
            assert "camera.file" in await client.preload.list()
            await client.preload.disable("camera.file")
            assert "camera.file" not in await client.preload.list()
            print("preload")
        else:
            print("MISSING preload")
        for sides, size in (({}, (1280, 720)), ({"width": 320}, (320, 180)), ({"width": 200, "height": 120}, (200, 120))):
            picture = await client.get_jpeg_snapshot("camera.file", **sides)
            assert size_of(picture) == size, (sides, size_of(picture))
            print("snapshot", size)

        socket_client = Go2RtcWsClient(session, "http://localhost/", source="camera.file")
        heard: asyncio.Queue = asyncio.Queue()
        unsubscribe = socket_client.subscribe(heard.put_nowait)
        servers = [RTCIceServer(urls="stun:127.0.0.1:9")]
        await socket_client.send(WebRTCOffer(offer(), servers))
        first = await asyncio.wait_for(heard.get(), 20)
        assert isinstance(first, WebRTCAnswer) and first.sdp.startswith("v=0"), first
        await socket_client.send(WebRTCCandidate("candidate:1 1 udp 2122260223 192.0.2.1 9 typ host"))
        second = await asyncio.wait_for(heard.get(), 20)
        assert isinstance(second, WebRTCCandidate) and "typ host" in second.candidate, second
        unsubscribe()
        await socket_client.close()
        print("socket")

        unknown = Go2RtcWsClient(session, "http://localhost/", source="nosuch")
        unknown.subscribe(heard.put_nowait)
        while not heard.empty():
            heard.get_nowait()
        await unknown.send(WebRTCOffer(offer(), []))
        error = await asyncio.wait_for(heard.get(), 20)
        assert isinstance(error, WsError) and error.error.startswith("webrtc: "), error
        await unknown.close()
        print("socket error:", error.error)
    print("all calls passed")


asyncio.run(main(*sys.argv[1:]))
