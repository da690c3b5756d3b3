//! Errors by what the caller can do about them.

use std::fmt;
use std::sync::Arc;

/// What kind of failure it is. Retry decisions and HTTP statuses read only this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The configuration or the request is wrong; trying again will not help.
    Config,
    /// Credentials are missing or wrong.
    Auth,
    /// The other side has no free place at the moment.
    Busy,
    /// The device is not there: unplugged, switched off.
    Gone,
    /// Nobody answers: refused, no route, unknown host, time-out.
    Unreachable,
    /// The other side does not keep to the protocol.
    Protocol,
    /// Something we or the other side cannot do.
    Unsupported,
    /// What was asked for does not exist.
    NotFound,
    /// It was there and came to its end.
    Ended,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Config => "config",
            Self::Auth => "auth",
            Self::Busy => "busy",
            Self::Gone => "gone",
            Self::Unreachable => "unreachable",
            Self::Protocol => "protocol",
            Self::Unsupported => "unsupported",
            Self::NotFound => "not found",
            Self::Ended => "ended",
        })
    }
}

type Source = Arc<dyn std::error::Error + Send + Sync>;

/// A kind, a text for people, and what caused it. Cheap to clone: several
/// viewers may wait for the same dial. The text never holds a secret.
#[derive(Clone, Debug)]
pub struct Error {
    kind: ErrorKind,
    text: Arc<str>,
    source: Option<Source>,
}

impl Error {
    /// An error with a text.
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into().into(), source: None }
    }

    /// An error caused by another; its text is appended, without the number that the system
    /// gives it.
    pub fn caused(
        kind: ErrorKind,
        text: impl fmt::Display,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        let mut text = format!("{text}: {source}");
        if let Some(at) = text.rfind(" (os error ").filter(|_| text.ends_with(')')) {
            text.truncate(at);
        }
        Self { kind, text: text.into(), source: Some(Arc::new(source)) }
    }

    /// What kind of failure it is.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The same with a text in front: `context: text`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.text = format!("{context}: {}", self.text).into();
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|s| &**s as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_stands_in_front() {
        let error = Error::new(ErrorKind::Auth, "wrong user/pass").context("cam1");
        assert_eq!(error.to_string(), "cam1: wrong user/pass");
        assert_eq!(error.kind(), ErrorKind::Auth);
    }

    #[test]
    fn what_caused_it_stands_behind_without_its_number() {
        let refused = std::io::Error::from_raw_os_error(111);
        let error = Error::caused(ErrorKind::Unreachable, "can't connect to cam1", refused);
        let text = error.to_string();
        assert!(text.starts_with("can't connect to cam1: "), "{text}");
        assert!(text.len() > 30 && !text.contains("os error"), "{text}");
        assert!(std::error::Error::source(&error).is_some_and(|s| s.to_string().contains("111")));
    }
}
