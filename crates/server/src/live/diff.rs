//! What is different between two configurations. Values are compared, never
//! shown.

use std::fmt;

use serde_json::Value as Json;

use crate::config::Config;
use crate::config::streams::Entry;

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub path: String,
    /// What happened to it.
    pub what: What,
}

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It was not there.
    Added,
    /// It holds something else.
    Changed,
    /// It is not there any more.
    Removed,
}

impl What {
    /// As the API names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.what {
            What::Added => '+',
            What::Changed => '~',
            What::Removed => '-',
        };
        write!(f, "{sign}{}", self.path)
    }
}

/// All differences.
pub(super) fn changes(old: &Config, new: &Config) -> Vec<Change> {
    let mut changes = keys(old, new, |_| true);
    let streams = streams(old, new).into_iter();
    changes.extend(streams.map(|(name, what)| Change { path: format!("streams.{name}"), what }));
    changes
}

/// Keys that hold from the next start on.
pub(super) fn restart_required(started: &Config, new: &Config) -> Vec<String> {
    keys(started, new, |restart| restart).into_iter().map(|change| change.path).collect()
}

/// Streams by name. One changed if its sources did or what holds for it.
pub(super) fn streams<'c>(old: &'c Config, new: &'c Config) -> Vec<(&'c str, What)> {
    fn entry<'c>(config: &'c Config, name: &str) -> Option<&'c Entry> {
        config.streams.get(name)
    }
    let removed = old.streams.iter().filter(|e| entry(new, &e.name).is_none());
    let removed = removed.map(|e| (e.name.as_str(), What::Removed));
    let others = new.streams.iter().filter_map(|e| {
        let what = match entry(old, &e.name) {
            None => What::Added,
            Some(before) => {
                let same = before.sources == e.sources
                    && before.options.liveness == e.options.liveness
                    && before.options.engine(&old.defaults) == e.options.engine(&new.defaults);
                if same {
                    return None;
                }
                What::Changed
            }
        };
        Some((e.name.as_str(), what))
    });
    removed.chain(others).collect()
}

/// All pairs of a stream and where it is sent.
pub(super) fn published(config: &Config) -> impl Iterator<Item = (&str, &str)> {
    let pairs = config.publish.iter();
    pairs.flat_map(|(name, urls)| urls.iter().map(move |url| (name.as_str(), url.as_str())))
}

type Destinations<'c> = Vec<(&'c str, &'c str)>;

/// What is published no more, and what is new; also what goes on but of a stream
/// that was not there before.
pub(super) fn destinations<'c>(
    old: &'c Config,
    new: &'c Config,
) -> (Destinations<'c>, Destinations<'c>) {
    let is_in = |config: &Config, pair: (&str, &str)| published(config).any(|other| other == pair);
    let ended = published(old).filter(|pair| !is_in(new, *pair)).collect();
    let begun = published(new)
        .filter(|(name, _)| new.streams.get(name).is_some())
        .filter(|pair| !is_in(old, *pair) || old.streams.get(pair.0).is_none())
        .collect();
    (ended, begun)
}

fn keys(old: &Config, new: &Config, wanted: impl Fn(bool) -> bool) -> Vec<Change> {
    let mut changes = Vec::new();
    for (before, after) in old.keys().into_iter().zip(new.keys()) {
        if before.value == after.value || !wanted(after.restart) {
            continue;
        }
        match (&before.value, &after.value, after.path.strip_suffix('*')) {
            (Json::Object(before), Json::Object(after), Some(section)) => {
                let path = |name: &str| format!("{section}{name}");
                let gone = before.keys().filter(|name| !after.contains_key(*name));
                changes.extend(gone.map(|name| Change { path: path(name), what: What::Removed }));
                for (name, value) in after {
                    let what = match before.get(name) {
                        None => What::Added,
                        Some(old) if old == value => continue,
                        Some(_) => What::Changed,
                    };
                    changes.push(Change { path: path(name), what });
                }
            }
            _ => changes.push(Change { path: after.path, what: What::Changed }),
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(old: &str, new: &str) -> (Vec<String>, Vec<String>) {
        let (old, new) = (Config::parse("a", old), Config::parse("b", new));
        let changes = changes(&old, &new).iter().map(ToString::to_string).collect();
        (changes, restart_required(&old, &new))
    }

    #[test]
    fn every_kind_of_difference() {
        let old = "api: {listen: ':1', password: a}\nlog: {rtsp: debug}\npreload: {a: video}\n\
                   streams: {a: 'rtsp://h/a', b: 'rtsp://h/b', c: {url: 'rtsp://h/c', linger: 1s}}\n";
        let new = "# moved\nstreams: {c: {url: 'rtsp://h/c', linger: 2s}, a: [\"rtsp://h/a\"], d: 'rtsp://h/d'}\n\
                   preload: {a: audio, d:}\nlog: {rtsp: info, webrtc: debug}\napi: {listen: ':2', password: b}\n\
                   webrtc: {liveness: fast, ice_servers: []}\n";
        let (changes, restart) = shown(old, new);
        let expected = [
            "~log.rtsp",
            "+log.webrtc",
            "~api.listen",
            "~api.password",
            "~webrtc.liveness",
            "~preload.a",
            "+preload.d",
            "-streams.b",
            "~streams.c",
            "+streams.d",
        ];
        assert_eq!(changes, expected);
        assert_eq!(restart, ["api.listen"]);
    }

    #[test]
    fn what_is_published_is_compared_by_stream_and_address() {
        let config = |text| Config::parse("a", text);
        let old = config(
            "streams: {a: 'demo:', b: 'demo:'}\npublish: {a: [rtmp://h/1, rtmp://h/2], c: rtmp://h/3}\n",
        );
        let new = config(
            "streams: {a: 'demo:', c: 'demo:'}\npublish: {a: rtmp://h/2, b: rtmp://h/2, c: rtmp://h/3}\n",
        );
        let (ended, begun) = destinations(&old, &new);
        assert_eq!(ended, [("a", "rtmp://h/1")]);
        assert_eq!(begun, [("c", "rtmp://h/3")], "there is no b any more");
        assert_eq!(
            destinations(&new, &old),
            (vec![("b", "rtmp://h/2")], vec![("a", "rtmp://h/1")])
        );
        assert_eq!(destinations(&new, &new), (vec![], vec![]));
        let changed = changes(&old, &new).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(changed.iter().any(|change| change.contains("publish.a")), "{changed:?}");
    }

    #[test]
    fn defaults_reach_the_streams_that_use_them() {
        let streams = "streams: {a: 'rtsp://h/a', b: {url: 'rtsp://h/b', linger: 1s}}\n";
        let (changes, _) = shown(streams, &format!("defaults: {{linger: 5s}}\n{streams}"));
        assert_eq!(changes, ["~defaults.linger", "~streams.a"]);
        assert!(shown(streams, streams).0.is_empty());
    }
}
