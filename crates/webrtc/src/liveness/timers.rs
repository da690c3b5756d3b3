//! The times of a session's liveness and the profiles that set them.

use std::time::Duration;

/// A named set of times for a kind of network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// A LAN or a kiosk: a silent viewer holds the camera for a second.
    Fast,
    /// A home: three seconds.
    #[default]
    Default,
    /// Mobile networks and long ways: fifteen seconds.
    Tolerant,
}

impl Profile {
    /// All profiles.
    pub const ALL: [Self; 3] = [Self::Fast, Self::Default, Self::Tolerant];

    /// The name in the configuration: `fast`, `default` or `tolerant`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Default => "default",
            Self::Tolerant => "tolerant",
        }
    }

    /// The profile of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }
}

/// A value outside of a field's range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// There is no such field.
    #[error("unknown timer")]
    Unknown,
    /// The value is outside of these limits.
    #[error("must be between {0:?} and {1:?}")]
    OutOfRange(Duration, Duration),
}

/// What the configuration and the documentation say of a field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Key in the configuration.
    pub name: &'static str,
    /// Smallest value.
    pub min: Duration,
    /// Largest value.
    pub max: Duration,
    /// One sentence.
    pub about: &'static str,
    get: fn(&Timers) -> Duration,
    set: fn(&mut Timers, Duration),
}

impl Field {
    /// The value in a set of timers.
    pub fn get(&self, timers: &Timers) -> Duration {
        (self.get)(timers)
    }
}

macro_rules! timers {
    ($($name:ident: $min:literal..$max:literal, $fast:literal, $default:literal, $tolerant:literal, $about:literal;)*) => {
        /// All times of a session's liveness. Made from a [`Profile`]; each can be
        /// changed within its range.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Timers {
            /// Where the values came from; `default` may have been changed since.
            pub profile: Profile,
            $(#[doc = $about] pub $name: Duration,)*
            /// Probes that a hint's window has at least.
            pub hint_probes: u32,
        }

        impl Timers {
            /// The fields that can be configured, with units, ranges and meaning.
            pub const FIELDS: &'static [Field] = &[
                $(Field {
                    name: stringify!($name),
                    min: Duration::from_millis($min),
                    max: Duration::from_millis($max),
                    about: $about,
                    get: |t| t.$name,
                    set: |t, value| t.$name = value,
                },)*
            ];

            const fn pick(profile: Profile) -> Self {
                Self {
                    profile,
                    $($name: Duration::from_millis(match profile {
                        Profile::Fast => $fast,
                        Profile::Default => $default,
                        Profile::Tolerant => $tolerant,
                    }),)*
                    hint_probes: match profile {
                        Profile::Fast => 8,
                        Profile::Default => 10,
                        Profile::Tolerant => 12,
                    },
                }
            }
        }
    };
}

// name: range in ms, then fast, default and tolerant in ms (fast-release 4.2).
timers! {
    probe_idle: 50..10_000, 200, 500, 1000, "Distance of probes while nothing is heard.";
    probe_active: 200..30_000, 1000, 2000, 5000, "Distance of probes while the viewer's packets arrive.";
    suspect: 100..30_000, 400, 800, 2000, "Silence after which a viewer is suspected to be gone.";
    probe_suspect: 10..2000, 50, 100, 250, "Distance of probes to a suspected viewer.";
    silence_min: 200..120_000, 1000, 3000, 15_000, "Silence after which the camera is let go, on a network without gaps.";
    silence_max: 500..300_000, 5000, 12_000, 20_000, "The same on the worst network: the limit grows to three times the longest gap of the last minute, up to this.";
    parked: 1000..600_000, 15_000, 30_000, 60_000, "How long a session whose camera was let go can come back.";
    probe_parked: 200..10_000, 1000, 1000, 1000, "Distance of probes while the camera is let go.";
    hint_window: 50..5000, 150, 300, 800, "How long a viewer may be silent after a sign that it is gone.";
    hint_spacing: 5..500, 20, 30, 65, "Distance of probes after such a sign.";
    unreachable: 100..60_000, 1000, 3000, 10_000, "How long a viewer whose port is closed can come back from a new address.";
    linger: 0..60_000, 0, 0, 2000, "How long a source is held after a goodbye, unless it has a linger of its own.";
    first_check: 1000..60_000, 5000, 5000, 5000, "How long a viewer that sends nothing at all holds the camera.";
    connect: 1000..120_000, 10_000, 10_000, 10_000, "How long the encrypted connection may take.";
}

impl Default for Timers {
    fn default() -> Self {
        Self::pick(Profile::Default)
    }
}

impl From<Profile> for Timers {
    fn from(profile: Profile) -> Self {
        Self::pick(profile)
    }
}

impl Timers {
    /// Changes a field by its name.
    ///
    /// # Errors
    /// [`SetError`], which says what is allowed.
    pub fn set(&mut self, name: &str, value: Duration) -> Result<(), SetError> {
        let field = Self::FIELDS.iter().find(|f| f.name == name).ok_or(SetError::Unknown)?;
        if value < field.min || value > field.max {
            return Err(SetError::OutOfRange(field.min, field.max));
        }
        (field.set)(self, value);
        Ok(())
    }

    /// Applies the three numbers that other servers name: silence until the
    /// camera is let go, silence until the session ends, distance of probes.
    ///
    /// # Errors
    /// [`SetError`] of the first that is out of range, with its name here.
    pub fn set_timeouts(
        &mut self,
        disconnected: Option<Duration>,
        failed: Option<Duration>,
        keepalive: Option<Duration>,
    ) -> Result<(), (&'static str, SetError)> {
        if let Some(limit) = disconnected {
            self.set("silence_min", limit).map_err(|e| ("disconnected", e))?;
            self.silence_max = self.silence_max.max(limit);
            self.suspect = self.suspect.min(limit / 2);
            self.probe_suspect = self.probe_suspect.min(limit / 8);
            self.probe_idle = self.probe_idle.min(limit / 3);
        }
        if let Some(limit) = failed {
            let parked = limit.saturating_sub(self.silence_min);
            let field = |e| match e {
                SetError::OutOfRange(min, max) => {
                    SetError::OutOfRange(min + self.silence_min, max + self.silence_min)
                }
                e => e,
            };
            let mut changed = *self;
            changed.set("parked", parked).map_err(|e| ("failed", field(e)))?;
            *self = changed;
        }
        if let Some(every) = keepalive {
            self.set("probe_idle", every).map_err(|e| ("keepalive", e))?;
            self.probe_active = self.probe_active.max(every);
            self.suspect = self.suspect.max(every + every / 2);
        }
        Ok(())
    }

    /// Whether the fields fit together; if not, in words what does not.
    ///
    /// # Errors
    /// The text for whoever configured them.
    pub fn check(&self) -> Result<(), String> {
        let rules = [
            (self.suspect < self.silence_min, "suspect must be shorter than silence_min"),
            (self.silence_min <= self.silence_max, "silence_min must not exceed silence_max"),
            (self.probe_suspect < self.suspect, "probe_suspect must be shorter than suspect"),
            (self.probe_idle < self.suspect, "probe_idle must be shorter than suspect"),
            (self.hint_spacing < self.hint_window, "hint_spacing must be shorter than hint_window"),
            (self.first_check <= self.connect, "first_check must not exceed connect"),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, text)) => Err((*text).to_owned()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_fit_and_lie_in_their_ranges() {
        for profile in Profile::ALL {
            assert_eq!(Profile::from_name(profile.name()), Some(profile));
            let timers = Timers::from(profile);
            timers.check().unwrap();
            for field in Timers::FIELDS {
                let value = field.get(&timers);
                assert!(field.min <= value && value <= field.max, "{} {value:?}", field.name);
            }
        }
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let mut timers = Timers::default();
        let ms = Duration::from_millis;
        assert_eq!(timers.set("silence_min", ms(1500)), Ok(()));
        assert_eq!(timers.silence_min, ms(1500));
        let error = timers.set("silence_min", ms(1)).unwrap_err();
        assert_eq!(error, SetError::OutOfRange(ms(200), ms(120_000)));
        assert_eq!(timers.set("nonsense", ms(1)), Err(SetError::Unknown));
        timers.suspect = ms(2000);
        assert!(timers.check().unwrap_err().contains("suspect"));
    }

    #[test]
    fn timeouts_of_other_servers_map_onto_ours() {
        let s = Duration::from_secs;
        let mut timers = Timers::default();
        timers.set_timeouts(Some(s(5)), Some(s(30)), Some(s(2))).unwrap();
        timers.check().unwrap();
        assert_eq!((timers.silence_min, timers.parked, timers.probe_idle), (s(5), s(25), s(2)));
        let mut timers = Timers::default();
        // The shorter ones give way.
        timers.set_timeouts(Some(Duration::from_millis(400)), None, None).unwrap();
        timers.check().unwrap();
        // What contradicts itself is told.
        timers.set_timeouts(None, None, Some(s(1))).unwrap();
        assert!(timers.check().unwrap_err().contains("suspect"));
        assert_eq!(timers.set_timeouts(None, Some(s(0)), None).unwrap_err().0, "failed");
    }
}
