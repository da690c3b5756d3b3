//! How quickly silent viewers are let go: profiles, timers by name, and the
//! three numbers that other servers name (`docs/configuration-liveness.md`).
//!
//! From the general to the particular: `webrtc.liveness`, with `webrtc.timeouts`
//! on top of its profile; `defaults.liveness`; `streams.<name>.liveness`. A
//! mapping without a profile changes single timers of what is more general; a
//! profile starts afresh.

use std::collections::HashMap;
use std::time::Duration;

use rs2rtc_endpoints::outputs::webrtc::liveness::{Profile, SetError, Timers};

use serde_json::Value as Json;

use super::duration::show;
use super::key::Kind;
use super::node::{Node, Value};
use super::problem::{Place, Problem, Severity};
use super::section::Section;
use super::streams::Entries;

/// Names of the profiles.
const PROFILES: &[&str] = &["fast", "default", "tolerant"];

/// Settings at one place of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Liveness {
    /// The profile to start from.
    pub profile: Option<Profile>,
    /// Timers by name, within their ranges.
    pub timers: Vec<(&'static str, Duration)>,
    /// Where they stand.
    pub place: Option<Place>,
}

/// Section `webrtc.timeouts`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Silence until the camera is let go.
    pub disconnected: Option<(Duration, Place)>,
    /// Silence until the session ends.
    pub failed: Option<(Duration, Place)>,
    /// Distance of probes.
    pub keepalive: Option<(Duration, Place)>,
}

/// What holds for viewers.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// For all viewers.
    pub timers: Timers,
    /// For the viewers of streams that say otherwise, by name.
    pub of_streams: HashMap<String, Timers>,
}

impl Liveness {
    /// Reads the name of a profile, or a mapping.
    pub fn read(&mut self, section: &mut Section<'_>, key: &'static str) {
        if section.notes() {
            self.note(section, key);
            return;
        }
        let Some(node) = section.any(key) else { return };
        self.place = Some(section.place(key, node));
        match &node.value {
            Value::Map(_) => {
                let mut inner = section.below(&section.child(key), node);
                self.read_timers(&mut inner);
                section.absorb(inner.finish());
            }
            _ => {
                if let Some(profile) = read_profile(section, key, node, " or a mapping of timers") {
                    *self = Self { profile: Some(profile), timers: Vec::new(), ..self.clone() };
                }
            }
        }
    }

    fn note(&mut self, section: &mut Section<'_>, key: &'static str) {
        section.about("How quickly silent viewers are let go: a profile, or single timers.");
        section.note(key, Kind::ChoiceOrSection(PROFILES.to_vec()), || {
            let profile = self.profile.map(|profile| profile.name());
            let timers = self.timers.iter().map(|(name, value)| format!("{name}={}", show(*value)));
            match (profile, self.timers.is_empty()) {
                (None, true) => Json::Null,
                (profile, true) => Json::from(profile),
                (profile, false) => {
                    Json::from_iter(profile.into_iter().map(str::to_owned).chain(timers))
                }
            }
        });
        let mut inner = section.noting_below(key);
        inner.about("Profile to start from.");
        inner.note("profile", Kind::Choice(PROFILES.to_vec()), || Json::Null);
        for field in Timers::FIELDS {
            inner.note(field.name, Kind::Duration(field.min, field.max), || Json::Null);
        }
        section.absorb(inner.finish());
    }

    /// True if nothing is set.
    pub const fn is_empty(&self) -> bool {
        self.place.is_none()
    }

    fn read_timers(&mut self, section: &mut Section<'_>) {
        if let Some(node) = section.any("profile")
            && let Some(profile) = read_profile(section, "profile", node, "")
        {
            self.profile = Some(profile);
        }
        for field in Timers::FIELDS {
            let mut value = None;
            section.duration_between(field.name, field.min, field.max, &mut value);
            if let Some(value) = value {
                self.timers.retain(|(name, _)| *name != field.name);
                self.timers.push((field.name, value));
            }
        }
    }

    fn start(&self, general: Timers) -> Timers {
        self.profile.map_or(general, Timers::from)
    }

    /// These settings on top of more general ones. What does not fit together is
    /// reported and not used.
    fn on(&self, start: Timers, problems: &mut Vec<Problem>) -> Timers {
        let mut timers = start;
        for (name, value) in &self.timers {
            // Read within the range.
            let _ = timers.set(name, *value);
        }
        match timers.check() {
            Ok(()) => timers,
            Err(text) => {
                let used = format!("{text}; these timers are not used");
                problems.extend(self.place.as_ref().map(|p| p.problem(Severity::Error, used)));
                start
            }
        }
    }
}

impl Timeouts {
    /// Reads the section.
    pub fn read(&mut self, section: &mut Section<'_>) {
        let field = |name: &str| Timers::FIELDS.iter().find(|f| f.name == name);
        let range = |name| field(name).map_or((Duration::ZERO, Duration::MAX), |f| (f.min, f.max));
        let (min, max) = range("silence_min");
        section.about("Silence until the camera is let go.");
        placed(section, "disconnected", min, max, &mut self.disconnected);
        let (parked_min, parked_max) = range("parked");
        section.about("Silence until the session ends.");
        placed(section, "failed", min + parked_min, max + parked_max, &mut self.failed);
        let (min, max) = range("probe_idle");
        section.about("Distance of probes.");
        placed(section, "keepalive", min, max, &mut self.keepalive);
    }

    fn on(&self, mut timers: Timers, problems: &mut Vec<Problem>) -> Timers {
        type Set = fn(&mut Timers, Duration) -> Result<(), (&'static str, SetError)>;
        let steps: [(&Option<(Duration, Place)>, Set); 3] = [
            (&self.disconnected, |t, d| t.set_timeouts(Some(d), None, None)),
            (&self.failed, |t, d| t.set_timeouts(None, Some(d), None)),
            (&self.keepalive, |t, d| t.set_timeouts(None, None, Some(d))),
        ];
        for (value, set) in steps {
            let Some((value, place)) = value else { continue };
            let mut changed = timers;
            let text = match set(&mut changed, *value) {
                // In the words of whoever set these keys: only probes that are too
                // rare for the silence do not fit together.
                Ok(()) if changed.check().is_err() => Some(format!(
                    "keepalive must be shorter than two thirds of disconnected ({}), not {}",
                    show(changed.silence_min),
                    show(self.keepalive.as_ref().map_or(changed.probe_idle, |(every, _)| *every))
                )),
                Ok(()) => None,
                Err((_, SetError::OutOfRange(min, max))) => Some(format!(
                    "must be between {} and {} with the other timers, not {}",
                    show(min),
                    show(max),
                    show(*value)
                )),
                Err((_, error)) => Some(error.to_string()),
            };
            match text {
                None => timers = changed,
                Some(text) => {
                    let text = format!("{text}; the profile's value is used");
                    problems.push(place.problem(Severity::Error, text));
                }
            }
        }
        timers
    }
}

impl Resolved {
    /// Puts the settings of all places together.
    pub(super) fn new(
        webrtc: &Liveness,
        timeouts: &Timeouts,
        defaults: &Liveness,
        streams: &Entries,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let start = timeouts.on(webrtc.start(Timers::default()), problems);
        let general = webrtc.on(start, problems);
        let timers = defaults.on(defaults.start(general), problems);
        let own = streams.iter().filter(|entry| !entry.options.liveness.is_empty());
        let of_streams = own
            .map(|entry| {
                let own = &entry.options.liveness;
                (entry.name.clone(), own.on(own.start(timers), problems))
            })
            .collect();
        Self { timers, of_streams }
    }
}

fn placed(
    section: &mut Section<'_>,
    key: &'static str,
    min: Duration,
    max: Duration,
    into: &mut Option<(Duration, Place)>,
) {
    let before = into.as_ref().map(|(value, _)| *value);
    let mut value = before;
    section.duration_between(key, min, max, &mut value);
    if let Some((value, node)) = value.filter(|v| Some(*v) != before).zip(section.any(key)) {
        *into = Some((value, section.place(key, node)));
    }
}

fn read_profile(
    section: &mut Section<'_>,
    key: &'static str,
    node: &Node,
    or: &str,
) -> Option<Profile> {
    let profile = node.text().and_then(Profile::from_name);
    if profile.is_none() {
        let what = node.text().map_or_else(|| node.kind().to_owned(), |text| format!("{text:?}"));
        let text = format!("must be {}{or}, not {what}; it is not used", PROFILES.join(" or "));
        let path = section.child(key);
        section.report(Severity::Error, node.at, &path, text);
    }
    profile
}
