//! What of the section `api` leads nowhere: a prefix that no address has, paths that do not
//! exist, hosts that are none, a folder that is not there.

use std::path::Path;

use rs2rtc_base::nearest;

use super::Config;
use super::problem::{Problem, Severity};
use crate::http::ROUTES;

/// Paths of one list that are told; what is near to each takes its time.
const TOLD: usize = 20;

/// Reports what no request can match.
pub(super) fn check(config: &mut Config) {
    let mut found = wrong_prefix(config).into_iter().collect::<Vec<_>>();
    found.extend(unknown_paths(config));
    found.extend(wrong_hosts(config));
    config.problems.append(&mut found);
}

/// Reports a folder of pages that is not there.
pub(super) fn check_folder(config: &mut Config) {
    let folder = &config.api.static_dir;
    if folder.is_empty() || Path::new(folder).is_dir() {
        return;
    }
    let text = format!("{folder}: no such folder, so there are no pages");
    let place = config.place("api.static_dir");
    let problem = place.map(|place| place.problem(Severity::Warning, text));
    config.problems.extend(problem);
}

/// Paths are compared as they are sent, where much is written as `%20`, and no browser sends
/// dots or empty parts.
fn wrong_prefix(config: &Config) -> Option<Problem> {
    let base = config.api.base_path.as_str();
    let is_sent = |b: u8| b.is_ascii_graphic() && !b"\"#<>?\\^`{|}".contains(&b);
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(is_sent);
    if base.split('/').skip(1).all(is_part) {
        return None;
    }
    let text = format!(
        "nothing is found under {base:?}: write it as it stands in addresses, such as /rtc or /a%20b"
    );
    Some(config.place("api.base_path")?.problem(Severity::Warning, text))
}

fn unknown_paths(config: &Config) -> Vec<Problem> {
    let (Some(place), Some(list)) = (config.place("api.allow_paths"), &config.api.allow_paths)
    else {
        return Vec::new();
    };
    let base = config.api.base_path.as_str();
    let full = |path: &str| match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("{base}/{path}"),
    };
    let known: Vec<String> = ROUTES.iter().map(|route| full(route.listed)).collect();
    let tell = |path: &String| {
        let with = ROUTES.iter().find(|route| full(route.pattern) == *path);
        let hint = match with {
            Some(route) => format!("it goes with {:?}", full(route.listed)),
            None => match nearest(path, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near:?}?"),
                None if known.contains(&format!("{base}{path}")) => {
                    format!("did you mean {:?}, with api.base_path?", format!("{base}{path}"))
                }
                None => "nothing is allowed by it".to_owned(),
            },
        };
        let text = format!("{path:?} is no path of this version, {hint}");
        place.problem(Severity::Warning, text)
    };
    list.iter().filter(|path| !known.contains(path)).take(TOLD).map(tell).collect()
}

fn wrong_hosts(config: &Config) -> Vec<Problem> {
    let Some(place) = config.place("api.hosts") else { return Vec::new() };
    let is_wrong = |host: &&String| {
        host.is_empty() || host.contains(|c: char| c == '/' || c == '*' || c.is_whitespace())
    };
    let tell = |host: &String| {
        let text = format!(
            "must be a host name, such as cameras.example.com, not {host:?}: it matches none"
        );
        place.problem(Severity::Warning, text)
    };
    config.api.hosts.iter().filter(is_wrong).map(tell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(api: &str) -> Vec<String> {
        let config = Config::parse("f", &format!("api: {{{api}}}"));
        config.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn prefixes_that_no_address_has() {
        for good in ["/rtc", "rtc/", "/a/b", "''", "/", "/a%20b", "/~x-1_(2)"] {
            assert_eq!(told(&format!("base_path: {good}")), [""; 0], "{good}");
        }
        for bad in ["/a b", "/ü", "/a//b", "/a/../b", "/a?b", "'/a#b'"] {
            let told = told(&format!("base_path: {bad}"));
            assert!(told.len() == 1 && told[0].contains("api.base_path: nothing is"), "{told:?}");
        }
    }

    #[test]
    fn paths_that_do_not_exist() {
        let lists = |list: &str, more: &str| told(&format!("allow_paths: [{list}]{more}"));
        let good = "/, /api, /api/streams, /api/ws, /streams, /stream/, /api/rs/events";
        assert_eq!(lists(good, ""), [""; 0]);
        assert_eq!(lists("/rtc/, /rtc/api/ws, /streams", ", base_path: rtc"), [""; 0]);
        let one = |list: &str, more: &str, hint: &str| {
            let told = lists(list, more);
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].starts_with("f:1:") && told[0].ends_with(hint), "{told:?}");
        };
        one("/api/strems", "", "did you mean \"/api/streams\"?");
        one("api/streams", "", "did you mean \"/api/streams\"?");
        one(
            "/api/homekit",
            "",
            "\"/api/homekit\" is no path of this version, nothing is allowed by it",
        );
        one("/api/rs/config/check", "", "it goes with \"/api/config\"");
        let base = ", base_path: /cameras";
        one("/api/streams", base, "did you mean \"/cameras/api/streams\", with api.base_path?");
    }

    #[test]
    fn of_very_many_paths_the_first_ones_are_told() {
        let list: Vec<String> = (0..40_000).map(|n| format!("/api/strems{n}")).collect();
        assert_eq!(told(&format!("allow_paths: [{}]", list.join(", "))).len(), TOLD);
    }

    #[test]
    fn hosts_that_are_none() {
        assert_eq!(told("hosts: [cams.example.com, 'h:8080', '[::1]']"), [""; 0]);
        for bad in ["http://cams.example.com", "cams.example.com/rtc", "'*.example.com'", "''"] {
            let told = told(&format!("hosts: [{bad}]"));
            assert!(told.len() == 1 && told[0].contains("must be a host name"), "{told:?}");
        }
    }

    #[test]
    fn folders_that_are_not_there() {
        assert_eq!(told("static_dir: /"), [""; 0]);
        let text = "f:1:19: api.static_dir: /no/such/folder: no such folder, so there are no pages";
        assert_eq!(told("static_dir: /no/such/folder"), [text]);
        let foreign = super::super::sources::alone("f", "api: {static_dir: /no/such/folder}");
        assert_eq!(Config::from_sources(&foreign).problems, [], "others learn nothing by it");
    }
}
