//! Variables that nothing is put in for: `${NAME}` stays as it is written then, and a login whose
//! password was forgotten to be set has one that everybody can guess.

use rs2rtc_endpoints::table;

use super::Config;
use super::problem::{Place, Problem, Severity};

/// Reports logins and addresses in which such a one is left.
pub(super) fn check(config: &mut Config) {
    let mut found = Vec::new();
    let mut look = |place: Option<&Place>, value: &str| {
        if let (Some(place), Some(name)) = (place, left_in(value)) {
            let text = format!(
                "${{{name}}} stays as it is written: nothing of this name is set, or it is not in a file"
            );
            found.push(place.problem(Severity::Warning, text));
        }
    };
    let (api, rtsp) = (&config.api, &config.rtsp);
    for (key, value) in [
        ("api.username", api.username.as_str()),
        ("api.password", api.password.expose()),
        ("rtsp.username", rtsp.username.as_str()),
        ("rtsp.password", rtsp.password.expose()),
    ] {
        look(config.place(key), value);
    }
    for entry in config.streams.iter() {
        for (index, source) in entry.sources.iter().enumerate() {
            // A program may have variables of its own.
            if table::entry(source).is_some_and(|kind| kind.module == "exec") {
                continue;
            }
            let at = entry.places.get(index).copied();
            let place = entry
                .place
                .as_ref()
                .map(|place| Place { at: at.unwrap_or(place.at), ..place.clone() });
            look(place.as_ref(), source);
        }
    }
    for (name, urls) in &config.publish {
        urls.iter().for_each(|url| look(config.publish_places.get(name), url));
    }
    let found: Vec<Problem> = found;
    config.problems.extend(found);
}

/// The name of the first variable that a value has.
fn left_in(value: &str) -> Option<&str> {
    let is_name = |name: &&str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let names = value.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
    names.map(|(name, _)| name).find(is_name)
}

#[cfg(test)]
mod tests {
    use super::super::sources::{self, Environment, Items};
    use super::*;

    struct Only;

    impl Environment for Only {
        fn var(&self, name: &str) -> Option<String> {
            (name == "SET").then(|| "geheim".to_owned())
        }
    }

    fn told(text: &str) -> Vec<String> {
        let dir = std::env::temp_dir();
        let sources = sources::read(&Items::new(&["f".to_owned()], &dir), &Only, Some(text));
        let problems = Config::from_sources(&sources).problems;
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_login_or_an_address_in_which_one_is_left_is_told() {
        for (text, place) in [
            ("api: {username: a, password: '${NOPE}'}", "f:1:30: api.password"),
            ("rtsp: {username: '${NOPE}', password: b}", "f:1:18: rtsp.username"),
            ("streams: {a: ['demo:', 'rtsp://u:${NOPE}@h/1']}", "f:1:24: streams.a"),
            ("streams: {a: 'ffmpeg:rtsp://${SET}:${NOPE}@h/1'}", "f:1:14: streams.a"),
            ("streams: {a: 'demo:'}\npublish: {a: 'rtsp://${NOPE}@h/1'}", "f:2:14: publish.a"),
        ] {
            let told = told(text);
            let text = format!("{place}: ${{NOPE}} stays as it is written: ");
            assert!(told.len() == 1 && told[0].starts_with(&text), "{text}: {told:?}");
        }
    }

    #[test]
    fn what_is_set_or_no_variable_is_not() {
        for text in [
            "api: {username: '${SET}', password: '${NOPE:x}'}",
            "env: {OWN: x}\napi: {username: a, password: '${OWN}'}",
            "api: {username: a, password: 'a${b c}$d{e}'}",
            "streams: {a: 'exec:sh -c \"echo ${NOPE}\"'}",
        ] {
            assert_eq!(told(text), [""; 0], "{text}");
        }
        let own = "api: {username: a, password: '${SET}'}";
        let alone = Config::from_sources(&sources::alone("f", own));
        assert_eq!(alone.problems, [], "others learn nothing of what is set here");
    }
}
