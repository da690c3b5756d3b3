//! Who watches and pushes while cases are asked.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::request;
use super::harness::{Killed, LIMIT, pause};
use super::run::Run;
use super::watching::Watching;

impl Run<'_> {
    pub(super) fn until_pushed_no_more(&self) {
        self.until_stream("empty", |stream| {
            stream["producers"].as_array().is_none_or(Vec::is_empty)
        });
    }

    /// A program that pushes a clip, again and again.
    pub(super) fn push(&mut self, to: &[&str]) {
        let clip = super::server::media().join("h264_aac.mp4");
        let input = ["-re", "-stream_loop", "-1", "-i", clip.to_str().unwrap(), "-c", "copy"];
        self.viewers.push(ffmpeg(&[&input, to].concat()));
    }

    /// An RTSP viewer, until its media flows.
    pub(super) fn view(&mut self, stream: &str) {
        let url = self.server.server.rtsp(stream);
        let arguments = ["-rtsp_transport", "tcp", "-i", &url, "-c", "copy", "-f", "null", "-"];
        self.viewers.push(ffmpeg(&arguments));
        let _ = self.until_flowing(stream, 4);
    }

    /// A viewer over MSE, then one over WebRTC, until both have media.
    pub(super) fn watch(&mut self, stream: &str) {
        let api = self.server.api();
        self.watching.push(Watching::mse(api, stream));
        let have_media = |stream: &Value, count: usize| {
            let consumers = stream["consumers"].as_array().map_or(&[][..], Vec::as_slice);
            let packets = |sender: &Value| sender["packets"].as_u64() > Some(0);
            let flows = |consumer: &&Value| {
                consumer["senders"].as_array().is_some_and(|all| all.iter().all(packets))
            };
            consumers.iter().filter(flows).count() >= count
        };
        self.until_stream(stream, |stream| have_media(stream, 2));
        self.watching.push(Watching::webrtc(api, stream));
        self.until_stream(stream, |stream| have_media(stream, 3));
    }

    /// A viewer over HLS that has asked once for each thing.
    pub(super) fn view_hls(&self, stream: &str) {
        let headers = [("User-Agent".to_owned(), "golden/1".to_owned())];
        let ask = |path: &str| {
            request(self.server.api(), "GET", &format!("/api/{path}"), &headers, b"").text()
        };
        let address = |playlist: &str| {
            let lines = playlist.lines().rev();
            lines.into_iter().find(|line| !line.starts_with('#')).unwrap_or_default().to_owned()
        };
        let master = ask(&format!("stream.m3u8?src={stream}"));
        let playlist = ask(&address(&master));
        ask(&format!("hls/{}", address(&playlist)));
        self.until_flowing(stream, 4);
    }

    pub(super) fn leave(&mut self, stream: &str) {
        self.viewers.clear();
        self.watching.clear();
        self.until_stream(stream, |stream| stream["producers"][0].get("id").is_none());
    }

    /// Until so many senders and receivers have carried packets.
    pub(super) fn until_flowing(&self, stream: &str, tracks: usize) -> bool {
        self.until_stream(stream, |stream| {
            let connections = ["producers", "consumers"]
                .iter()
                .filter_map(|key| stream[key].as_array())
                .flatten();
            let tracks_of = connections.flat_map(|connection| {
                let lists = ["receivers", "senders"].into_iter();
                lists.filter_map(|key| connection[key].as_array()).flatten()
            });
            tracks_of.filter(|track| track["packets"].as_u64() > Some(0)).count() >= tracks
        })
    }

    /// Polls until a stream is so; if it never is, the comparison tells.
    pub(super) fn until_stream(&self, stream: &str, is_so: impl Fn(&Value) -> bool) -> bool {
        self.within(LIMIT, stream, is_so)
    }

    /// The same, for so long at most.
    pub(super) fn within(
        &self,
        limit: Duration,
        stream: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> bool {
        let end = Instant::now() + limit;
        loop {
            let url = format!("/api/streams?src={stream}");
            let answer = request(self.server.api(), "GET", &url, &[], b"");
            if serde_json::from_str::<Value>(&answer.text()).is_ok_and(|stream| is_so(&stream)) {
                return true;
            }
            if Instant::now() > end {
                return false;
            }
            pause();
        }
    }
}

fn ffmpeg(arguments: &[&str]) -> Killed {
    let child: Child = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    Killed(child)
}
