//! Masks and merging on texts that nobody wrote: random ones, always the same
//! ones. Fuzzing proper needs a library that others may use; the server is none.

use serde_json::{Map, Value as Json};

use super::super::mask::{masked, unmasked};
use super::super::merge::merge;
use super::super::node::Node;

/// Texts for each test.
const TEXTS: u64 = 4000;

/// A small generator of numbers (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

const KEYS: [&str; 12] = [
    "api",
    "streams",
    "password",
    "env",
    "cam",
    "token",
    "\"a b\"",
    "каме-ра/1",
    "credential",
    "x",
    "ice_servers",
    "tls_key",
];
const VALUES: [&str; 18] = [
    "geheim1",
    "\"geheim2: # x\"",
    "'geheim3'",
    "rtsp://u:geheim4@h/1  # cam",
    "{password: geheim5, a: [1, 2]}",
    "[rtsp://u:geheim6@h, b]",
    "|\n          geheim7\n          more",
    "",
    "5",
    "null",
    "true",
    "~",
    "# nothing",
    "&a geheim8",
    "*a",
    ">-\n          folded",
    "exec:ffmpeg -i {input} # no",
    "\"\\u00e4\\n\"",
];

/// Lines as they stand in such files, indented at will.
fn broken(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.below(12) {
        let indent = " ".repeat(random.pick(&[0, 0, 2, 2, 4, 6, 1]));
        let line = match random.below(8) {
            0 => format!("- {}", random.pick(&VALUES)),
            1 => format!("- {}: {}", random.pick(&KEYS), random.pick(&VALUES)),
            2 => "# geheim in a comment".to_owned(),
            3 => random
                .pick(&["---", "...", "\t", "%YAML 1.2", "{", "]", ":", "'", "***"])
                .to_owned(),
            _ => format!("{}: {}", random.pick(&KEYS), random.pick(&VALUES)),
        };
        text += &format!("{indent}{line}{}", random.pick(&["\n", "\n", "\n", "\r\n", "\n\n"]));
    }
    text
}

/// A value, mostly mappings at the top.
fn value(random: &mut Random, depth: usize) -> Json {
    match random.below(if depth > 2 { 5 } else { 9 }) {
        0 => Json::Null,
        1 => random.below(1000).into(),
        2 => (random.below(2) == 0).into(),
        3 => random.pick(&["", "a", "x: y", "# no", "- z", "5", "no", "ä\nö", "{a}", " b "]).into(),
        4 => "rtsp://u:p@h/1#media=video".into(),
        5 => (0..random.below(4)).map(|_| value(random, depth + 1)).collect(),
        _ => Json::Object(mapping(random, depth + 1)),
    }
}

fn mapping(random: &mut Random, depth: usize) -> Map<String, Json> {
    let names = ["a", "b", "c d", "e", "5", "ä", "api", "streams", "x:y", "-"];
    (0..random.below(5)).map(|_| (random.pick(&names).to_owned(), value(random, depth))).collect()
}

fn hide(line: &str) -> String {
    rs2rtc_base::mask(line, [])
}

#[test]
fn a_masked_text_comes_back_or_is_refused() {
    for seed in 0..TEXTS {
        let text = broken(&mut Random::new(seed));
        let shown = masked(&text, hide);
        assert_eq!(shown.lines().count(), text.lines().count(), "{seed}: {text:?}");
        match unmasked(&shown, &text, hide) {
            Ok(back) => assert_eq!(back, text, "{seed}"),
            // Masks that stood there before stand for nothing, and what cannot be
            // read may be misread.
            Err(line) => assert!(
                text.contains("***") || Node::parse(&text).is_err(),
                "{seed}: line {line} of {text:?}"
            ),
        }
    }
}

#[test]
fn a_text_that_can_be_read_shows_no_secret() {
    let mut read = 0;
    for seed in 0..TEXTS {
        let text = broken(&mut Random::new(seed));
        let Ok(node) = Node::parse(&text) else { continue };
        read += 1;
        let shown = masked(&text, hide);
        let json = node.to_json();
        // At the top, `env` holds nothing but secrets.
        let of_env = secrets(&json["env"], true);
        for secret in secrets(&json, false).into_iter().chain(of_env) {
            assert!(!shown.contains(&secret), "{seed}: {secret} of\n{text}\nin\n{shown}");
        }
    }
    assert!(read > TEXTS / 20, "only {read} could be read");
}

/// The values of secret keys; comments may say what they like.
fn secrets(value: &Json, secret: bool) -> Vec<String> {
    const NAMES: [&str; 4] = ["password", "token", "credential", "tls_key"];
    match value {
        Json::String(text) => {
            let words = text.split(|c: char| !c.is_ascii_alphanumeric());
            let known = words.filter(|word| word.starts_with("geheim"));
            known.filter(|_| secret).map(str::to_owned).collect()
        }
        Json::Array(list) => list.iter().flat_map(|value| secrets(value, secret)).collect(),
        Json::Object(map) => map
            .iter()
            .flat_map(|(key, value)| secrets(value, secret || NAMES.contains(&key.as_str())))
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn merging_means_the_same_in_the_text() {
    let mut merged = 0;
    for seed in 0..TEXTS {
        let random = &mut Random::new(seed);
        let (old, new) = (mapping(random, 0), mapping(random, 0));
        let text = crate::config::patch::document(&Json::Object(old.clone()), "\n");
        let added = crate::config::patch::document(&Json::Object(new.clone()), "\n");
        let Ok(out) = merge(&text, &Node::parse(&added).unwrap()) else { continue };
        merged += 1;
        let mut wanted = old;
        put(&mut wanted, new);
        let got = Node::parse(&out).unwrap().to_json();
        let got = if got.is_null() { Json::Object(Map::new()) } else { got };
        assert_eq!(got, Json::Object(wanted), "{seed}: {text}\nand\n{added}\ngave\n{out}");
    }
    assert!(merged > TEXTS / 4, "only {merged} could be merged");
}

/// Mappings are merged, everything else is replaced.
fn put(old: &mut Map<String, Json>, new: Map<String, Json>) {
    for (key, value) in new {
        match (old.get_mut(&key), value) {
            (Some(Json::Object(old)), Json::Object(new)) => put(old, new),
            (_, value) => drop(old.insert(key, value)),
        }
    }
}

#[test]
fn nothing_fails_on_broken_texts() {
    for seed in 0..TEXTS {
        let random = &mut Random::new(seed);
        let (old, new) = (broken(random), broken(random));
        if let Ok(node) = Node::parse(&new)
            && let Ok(out) = merge(&old, &node)
            && out != old
        {
            assert!(Node::parse(&out).is_ok(), "{seed}: {old:?} and {new:?} gave {out:?}");
        }
        let _ = unmasked(&new, &old, hide);
    }
}
