#!/usr/bin/python3
"""A foreign RTSP camera for tests: GStreamer's server on loopback.

Prints `ready PORT LOCKED` once it listens. On PORT: /h264 (H.264 with several
slices and Opus), /aac (H.264 and AAC), /h265. On LOCKED (user `cam`, password
`pa55`, Digest): /auth (as /h264), and /record, which takes H.264 and Opus.
"""

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

VIDEO = (
    "videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=360,framerate=25/1 ! "
    "x264enc tune=zerolatency speed-preset=ultrafast bitrate=800 key-int-max=50 "
    "option-string=slices=4 ! video/x-h264,profile=baseline ! rtph264pay name=pay0 pt=96 config-interval=0"
)
VIDEO_265 = (
    "videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=25/1 ! "
    "x265enc tune=zerolatency speed-preset=ultrafast bitrate=800 key-int-max=50 ! rtph265pay name=pay0 pt=96"
)
OPUS = "audiotestsrc is-live=true freq=440 ! audioconvert ! audioresample ! opusenc ! rtpopuspay name=pay1 pt=97"
AAC = (
    "audiotestsrc is-live=true freq=440 ! audioconvert ! audioresample ! voaacenc ! "
    "rtpmp4gpay name=pay1 pt=97"
)
TAKEN = "rtph264depay name=depay0 ! h264parse ! fakesink rtpopusdepay name=depay1 ! fakesink"


def serve(mounted: dict[str, str], auth: GstRtspServer.RTSPAuth | None) -> GstRtspServer.RTSPServer:
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    mounts = server.get_mount_points()
    for path, launch in mounted.items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(f"( {launch} )")
        if launch == TAKEN:
            factory.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
        else:
            factory.set_shared(True)
        if auth is not None:
            permissions = GstRtspServer.RTSPPermissions()
            permissions.add_permission_for_role("user", "media.factory.access", True)
            permissions.add_permission_for_role("user", "media.factory.construct", True)
            factory.set_permissions(permissions)
        mounts.add_factory(path, factory)
    if auth is not None:
        server.set_auth(auth)
    server.attach(None)
    return server


def main() -> None:
    Gst.init(None)
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth.add_digest("cam", "pa55", token)

    media = {"/h264": f"{VIDEO} {OPUS}", "/aac": f"{VIDEO} {AAC}", "/h265": VIDEO_265}
    open_server = serve(media, None)
    locked_server = serve({"/auth": f"{VIDEO} {OPUS}", "/record": TAKEN}, auth)
    print(f"ready {open_server.get_bound_port()} {locked_server.get_bound_port()}", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
