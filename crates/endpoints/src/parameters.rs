//! The parameters that stand behind `#` in sources and addresses: each kind has one table,
//! and what is not in it is told. Such a text works as if the parameter were not there.

use rs2rtc_base::{Fragment, Redacted, Url, nearest};

/// A parameter that a kind of source knows.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// The words that its value is made of, joined by `+` or `,`; empty: anything, or the
    /// source refuses what it does not know.
    pub words: &'static [&'static str],
}

impl Parameter {
    /// One with any value.
    pub const fn new(name: &'static str) -> Self {
        Self { name, words: &[] }
    }

    /// One whose other values mean nothing.
    pub const fn of(name: &'static str, words: &'static [&'static str]) -> Self {
        Self { name, words }
    }
}

/// What of the parameters of a text means nothing, in words without secrets.
pub fn odd(known: &[Parameter], text: &str) -> Vec<String> {
    let fragment = match Url::parse(text) {
        Ok(url) => url.fragment,
        Err(_) => Fragment::split(text).1,
    };
    let shown = Redacted(text).to_string();
    let mut odd: Vec<String> = Vec::new();
    for (name, value) in fragment.iter() {
        let problem = match known.iter().find(|parameter| parameter.name == name) {
            Some(parameter) => odd_value(parameter, value),
            None => Some(unknown(known, name, &shown)),
        };
        odd.extend(problem.filter(|problem| !odd.contains(problem)));
    }
    odd
}

/// What to say of a parameter that is not in the table.
pub(crate) fn unknown(known: &[Parameter], name: &str, shown: &str) -> String {
    let names = || known.iter().map(|parameter| parameter.name);
    // What a password leaves behind its `#` is no parameter.
    if !is_word(name) || !shown.contains(&format!("#{name}")) {
        return "what stands behind # is no parameter".to_owned();
    }
    let hint = match nearest(name, names()) {
        Some(near) => format!("did you mean {near:?}?"),
        None if known.is_empty() => "there are none here".to_owned(),
        None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
    };
    format!("unknown parameter {name:?}, {hint}")
}

fn odd_value(parameter: &Parameter, value: &str) -> Option<String> {
    let Parameter { name, words } = parameter;
    let is_known = |word: &str| words.contains(&word);
    if words.is_empty() || value.is_empty() || value.split(['+', ',']).all(is_known) {
        return None;
    }
    let allowed = words.join(", ");
    Some(match is_word(value) {
        true => format!("#{name}={value} means nothing, use {allowed}"),
        false => format!("the value of #{name} means nothing, use {allowed}"),
    })
}

/// A short text that hides nothing and breaks no line.
pub(crate) fn is_word(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Parameter] =
        &[Parameter::new("timeout"), Parameter::of("media", &["video", "audio"])];

    #[test]
    fn names_the_nearest_or_all() {
        for good in [
            "rtsp://h/x",
            "rtsp://h/x#",
            "rtsp://h/x#timeout=5#media=video#media=audio+video",
            "rtsp://u:pa#ss@h/x#timeout=5",
        ] {
            assert_eq!(odd(KNOWN, good), [""; 0], "{good}");
        }
        for (text, wanted) in [
            ("rtsp://h/x#timout=5", "unknown parameter \"timout\", did you mean \"timeout\"?"),
            ("rtsp://h/x#Media", "unknown parameter \"Media\", did you mean \"media\"?"),
            ("exec:x#foo=bar", "unknown parameter \"foo\", there are timeout, media"),
            ("rtsp://h/x#media=foo", "#media=foo means nothing, use video, audio"),
            ("rtsp://h/x#media=a b", "the value of #media means nothing, use video, audio"),
            ("http://h/#/live", "what stands behind # is no parameter"),
            ("ffmpeg:rtsp://u:pa#geheim@h/x", "what stands behind # is no parameter"),
            ("ffmpeg:rtsp://u:pa#geheim=@h/x", "what stands behind # is no parameter"),
        ] {
            assert_eq!(odd(KNOWN, text), [wanted], "{text}");
        }
        assert_eq!(odd(&[], "tcp://h:1#a#a"), ["unknown parameter \"a\", there are none here"]);
    }
}
