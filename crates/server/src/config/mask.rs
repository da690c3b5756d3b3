//! The text of the configuration file without its secrets, and back: a mask
//! that comes back unchanged stands for the old value.

use rs2rtc_base::{RedactedTarget, holds_mask};

use super::document;
use super::node::{Node, Value, first_document};
use super::sources::Document;

/// What stands for a secret.
const MASK: &str = "***";
/// Keys whose values are secrets wherever they stand: ends of their names.
const KEYS: [&str; 8] =
    ["password", "credential", "pwd", "token", "secret", "device_private", "tls_key", "api_key"];

/// The text with the values of secret keys masked; `hide` masks known secrets
/// in a line.
pub fn masked(text: &str, hide: impl Fn(&str) -> String) -> String {
    let nested = nested_secrets(text);
    lines(text).map(|line| mask_line(&line, &nested, &hide)).collect()
}

/// The text with the masks of `old` replaced by what stands there in `old`.
///
/// # Errors
/// The line of a mask that stands for nothing.
pub fn unmasked(text: &str, old: &str, hide: impl Fn(&str) -> String) -> Result<String, usize> {
    if !text.contains(MASK) {
        return Ok(text.to_owned());
    }
    let nested = nested_secrets(old);
    // A mask that stands in the file itself is nothing else: somebody wrote it there.
    let mut known: Vec<(Vec<String>, String, &str)> = lines(old)
        .filter_map(|line| {
            let masked = mask_line(&line, &nested, &hide);
            (masked != line.text || is_masked(line.text))
                .then(|| (line.path.clone(), plain(&masked), line.text))
        })
        .collect();
    let mut out = String::with_capacity(text.len());
    for (number, line) in (1..).zip(lines(text)) {
        let wanted = plain(line.text);
        let is_it = |known: &(Vec<String>, String, &str)| known.1 == wanted;
        let found = wanted.contains(MASK).then(|| {
            let here = known.iter().position(|k| k.0 == line.path && is_it(k));
            // A comment belongs to no key: lines may have come between it and the one above.
            here.or_else(|| known.iter().position(|k| line.comment && is_it(k)))
        });
        match found.flatten() {
            Some(at) => {
                // Two lines that look the same are taken in their order.
                let (_, _, original) = known.remove(at);
                out.push_str(&line.text[..line.indent]);
                out.push_str(original.trim());
                out.push_str(&line.text[line.text.trim_end().len()..]);
            }
            None if is_masked(line.text) => return Err(number),
            None => out.push_str(line.text),
        }
    }
    Ok(out)
}

/// The content of a line, with masks as they are written without quotes.
fn plain(line: &str) -> String {
    line.trim().replace("\"***\"", MASK).replace("'***'", MASK)
}

/// Whether a value of a line is a mask, or a source with one.
fn is_masked(line: &str) -> bool {
    let content = plain(line);
    let content = content.split(" #").next().unwrap_or_default();
    let mut words = content.split([' ', ',', '{', '}', '[', ']']);
    let is_value = words.any(|word| word == MASK);
    !content.starts_with('#') && (is_value || holds_mask(content))
}

/// Values of secret keys that do not have a line of their own (`{password: x}`),
/// and those of `env` in any form.
fn nested_secrets(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    // What is shown of documents that are not read is masked like the first.
    let mut left = text;
    while !left.is_empty() {
        let (one, others) = first_document(left);
        collect_all(one, &mut found);
        left = others;
    }
    found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    found.dedup();
    found
}

fn collect_all(text: &str, found: &mut Vec<String>) {
    // Of a broken text, what can be read of it.
    let document = Document { name: String::new(), text: text.to_owned() };
    let root = document::parse(&document, &mut Vec::new());
    collect(&root, false, found);
    if let Some(accounts) = root.get("xiaomi") {
        collect(&accounts.node, true, found);
    }
    // And of one that is no configuration at all.
    if let Ok(node) = Node::parse(text) {
        collect(&node, false, found);
    }
}

fn collect(node: &Node, secret: bool, found: &mut Vec<String>) {
    match &node.value {
        // A short one would hide half of the file.
        Value::Scalar(scalar) if secret && scalar.text.chars().count() >= 3 => {
            found.push(scalar.text.clone());
        }
        Value::Map(map) => {
            for entry in map {
                collect(&entry.node, secret || is_secret(&entry.key) || entry.key == "env", found);
            }
        }
        Value::List(list) => list.iter().for_each(|item| collect(item, secret, found)),
        _ => {}
    }
}

fn is_secret(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    lower == "pin" || KEYS.iter().any(|end| lower.ends_with(end))
}

/// Whether all values of a section are secrets: variables, and the tokens of accounts.
fn is_secret_section(key: &str) -> bool {
    matches!(key, "env" | "xiaomi")
}

struct Line<'t> {
    text: &'t str,
    /// Bytes before its content.
    indent: usize,
    /// Its own key, if it has one, and those around it.
    path: Vec<String>,
    /// Its value is a secret, or part of one.
    secret: bool,
    /// It is a comment, or empty.
    comment: bool,
}

/// The lines of a block-style text with the keys they stand below.
fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut open: Vec<(usize, String, bool)> = Vec::new();
    // Where a secret key was commented out whose value follows on lines of its own.
    let mut commented: Option<usize> = None;
    text.split_inclusive('\n').map(move |text| {
        let indent = text.len() - text.trim_start_matches(' ').len();
        let content = text.trim();
        let comment = content.is_empty() || content.starts_with('#');
        if !comment {
            let listed = content.starts_with("- ") || content == "-";
            open.retain(|(at, _, _)| *at < indent || (listed && *at == indent));
            let inside = open.last().is_some_and(|(_, _, secret)| *secret);
            let body = content.strip_prefix("- ").unwrap_or(content);
            if let Some(key) = key_of(body) {
                let at = indent + content.len() - body.len();
                let secret =
                    inside || is_secret(key) || (open.is_empty() && is_secret_section(key));
                open.push((at, key.to_owned(), secret));
            }
        }
        let secret = if comment {
            let (indent, body) = comment_body(content);
            let inside = commented.is_some_and(|at| indent > at && !body.is_empty());
            if !inside {
                let opens = split_key(body).filter(|(key, value)| {
                    let value = value.trim();
                    (is_secret(key) || *key == "env")
                        && (value.is_empty() || value.starts_with(['|', '>']))
                });
                commented = opens.map(|_| indent);
            }
            inside
        } else {
            commented = None;
            open.last().is_some_and(|(_, _, secret)| *secret)
        };
        let path = open.iter().map(|(_, key, _)| key.clone()).collect();
        Line { text, indent, path, secret, comment }
    })
}

/// What is commented out on a line, and how far it is indented behind the `#`.
fn comment_body(content: &str) -> (usize, &str) {
    let body = content.trim_start_matches('#');
    let trimmed = body.trim_start();
    (body.len() - trimmed.len(), trimmed)
}

/// The key of `key: value`.
fn key_of(content: &str) -> Option<&str> {
    split_key(content).map(|(key, _)| key.trim_matches(['"', '\'', ' ']))
}

/// The key as it is written, and what stands behind its colon.
fn split_key(content: &str) -> Option<(&str, &str)> {
    let from = match content.chars().next()? {
        '{' | '[' => return None,
        // A colon in quotes is part of the key, or of a text that has none.
        quote @ ('"' | '\'') => {
            let length = content.get(1..)?.find(quote)? + 2;
            let rest = content.get(length..)?;
            length + rest.len() - rest.trim_start().strip_prefix(':')?.len() - 1
        }
        _ => content.find(':')?,
    };
    let (key, value) = (content.get(..from)?, content.get(from + 1..)?);
    (value.is_empty() || value.starts_with([' ', '\t'])).then_some((key, value))
}

fn mask_line(line: &Line<'_>, nested: &[String], hide: &impl Fn(&str) -> String) -> String {
    let content = line.text.trim();
    let (pad, end) = (&line.text[..line.indent], &line.text[line.text.trim_end().len()..]);
    let dash = if content.starts_with("- ") { "- " } else { "" };
    let body = content.strip_prefix("- ").unwrap_or(content);
    if line.secret && line.comment {
        let (_, body) = comment_body(content);
        let head = &content[..content.len() - body.len()];
        return match split_key(body) {
            Some((_, value)) if value.trim().is_empty() => line.text.to_owned(),
            Some((key, _)) => format!("{pad}{head}{key}: {MASK}{end}"),
            None => format!("{pad}{head}{MASK}{end}"),
        };
    }
    if line.secret {
        return match split_key(body) {
            Some((_, value)) if value.trim().is_empty() => line.text.to_owned(),
            Some((key, _)) => format!("{pad}{dash}{key}: \"{MASK}\"{end}"),
            None if body.is_empty() => line.text.to_owned(),
            None => format!("{pad}{dash}\"{MASK}\"{end}"),
        };
    }
    let mut text = hide(line.text);
    if line.path.first().is_some_and(|section| section == "publish") {
        text = RedactedTarget(&text).to_string();
    }
    for secret in nested {
        text = text.replace(secret.as_str(), MASK);
    }
    let ended = text.trim_end().len();
    let mark = if line.comment { Some(0) } else { text.find(" #").or_else(|| text.find("\t#")) };
    match mark.map(|at| mask_comment(&text[at..ended])) {
        Some(comment) => format!("{}{comment}{}", &text[..mark.unwrap_or(0)], &text[ended..]),
        None => text,
    }
}

/// A comment up to the value of the first secret key in it: what was commented out, or
/// written down beside.
fn mask_comment(comment: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    for (at, _) in comment.match_indices(':') {
        let name = comment[..at].trim_end_matches(['"', '\'', ' ']);
        let name = &name[name.trim_end_matches(is_name).len()..];
        let value = &comment[at + 1..];
        if is_secret(name) && value.starts_with([' ', '\t']) && !value.trim().is_empty() {
            return format!("{}: {MASK}", &comment[..at]);
        }
    }
    comment.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "env:\n  A: b c\napi:\n  username: u\n  password: x:y # z\n  listen: :1\nstreams:\n  password: \n  a:\n    - rtsp://u:p@h/1\n    - rtsp://v:q@h/1\n  b: rtsp://u:p@h/1 # note\nwebrtc:\n  ice_servers:\n    - {urls: turn:t, credential: geheim}\n    - urls: turn:s\n      credential: |\n        lines\n        more\n";

    fn hide(text: &str) -> String {
        rs2rtc_base::mask(text, [])
    }

    #[test]
    fn secrets_of_the_file_are_masked() {
        let expected = "env:\n  A: \"***\"\napi:\n  username: u\n  password: \"***\"\n  listen: :1\nstreams:\n  password: \n  a:\n    - rtsp://***@h/1\n    - rtsp://***@h/1\n  b: rtsp://***@h/1 # note\nwebrtc:\n  ice_servers:\n    - {urls: turn:t, credential: ***}\n    - urls: turn:s\n      credential: \"***\"\n        \"***\"\n        \"***\"\n";
        assert_eq!(masked(FILE, hide), expected);
    }

    #[test]
    fn documents_that_are_not_read_are_masked_too() {
        let file =
            "api: {password: sesam}\n---\nrtsp: {password: geheim}\n...\n---\na: {pin: 4711}\n";
        let shown = masked(file, hide);
        assert_eq!(
            shown,
            "api: {password: ***}\n---\nrtsp: {password: ***}\n...\n---\na: {pin: ***}\n"
        );
        assert_eq!(unmasked(&shown, file, hide), Ok(file.to_owned()));
    }

    #[test]
    fn masks_that_come_back_keep_the_old_values() {
        let shown = masked(FILE, hide);
        assert_eq!(unmasked(&shown, FILE, hide), Ok(FILE.to_owned()));
        let edited = shown
            .replace("listen: :1", "listen: :2")
            .replace("env:\n  A: \"***\"\n", "")
            .replace("\"***\"", "***");
        let edited = format!("# *** my cameras ***\n{edited}");
        let expected = FILE.replace("listen: :1", "listen: :2").replace("env:\n  A: b c\n", "");
        assert_eq!(unmasked(&edited, FILE, hide), Ok(format!("# *** my cameras ***\n{expected}")));
        assert_eq!(unmasked("a: 1\n", FILE, hide), Ok("a: 1\n".to_owned()));
        // A mask at another place stands for nothing.
        assert_eq!(unmasked("log:\n  password: ***\n", FILE, hide), Err(2));
        assert_eq!(unmasked("streams:\n  z: rtsp://***@other/1\n", FILE, hide), Err(2));
        // One that stands in the file is a value as any other.
        let old = format!("{FILE}  lost: rtsp://***@h/1\n");
        assert_eq!(unmasked(&masked(&old, hide), &old, hide), Ok(old));
    }

    #[test]
    fn codes_and_tokens_are_masked() {
        let file = "homekit:\n  porch: {pin: 12345678}\n  gate:\n    pin: 87654321\nxiaomi:\n  \"12\": V1:geheim\nstreams:\n  a: exec:x --authtoken geheim\n";
        let shown = masked(file, hide);
        let expected = "homekit:\n  porch: {pin: ***}\n  gate:\n    pin: \"***\"\nxiaomi:\n  \"12\": \"***\"\nstreams:\n  a: exec:x --authtoken ***\n";
        assert_eq!(shown, expected);
        assert_eq!(unmasked(&shown, file, hide), Ok(file.to_owned()));
        for new in
            ["streams:\n  b: exec:curl -u *** http://h\n", "streams:\n  b: http://h/?token=***\n"]
        {
            assert_eq!(unmasked(new, file, hide), Err(2), "{new}");
        }
    }

    #[test]
    fn any_part_of_a_file_comes_back() {
        for file in [FILE, COMMENTS] {
            for (at, _) in file.char_indices() {
                let part = &file[..at];
                assert_eq!(unmasked(&masked(part, hide), part, hide), Ok(part.to_owned()));
            }
        }
    }

    const COMMENTS: &str = "# rtsp://user:geheim@cam/ was it\n#password: geheim\n## api_key:  geheim # x\n# old: token=geheim\n#env:\n#  A: geheim\n#   - geheim\n\nstreams:\n  # url, password: geheim\n  a: rtsp://h/1 # password: geheim\n  #b: {username: u, \"password\": geheim}\n  # tls_key: |\n  #   geheim\n  #  geheim\n  # the end\n  c: rtmp://h/live2/a1b2-c3d4\npublish:\n  # rtmp://h/live/geheim\n  c: rtmp://h/live/geheim\n  d: [rtmps://h/rtmp/geheim?a=geheim, rtsp://h/x]\n";

    #[test]
    fn comments_show_no_secrets_and_come_back() {
        let shown = masked(COMMENTS, hide);
        let expected = "# rtsp://***@cam/ was it\n#password: ***\n## api_key: ***\n# old: token=***\n#env:\n#  A: ***\n#   ***\n\nstreams:\n  # url, password: ***\n  a: rtsp://h/1 # password: ***\n  #b: {username: u, \"password\": ***\n  # tls_key: ***\n  #   ***\n  #  ***\n  # the end\n  c: rtmp://h/live2/***\npublish:\n  # rtmp://h/live/***\n  c: rtmp://h/live/***\n  d: [rtmps://h/rtmp/*** rtsp://h/x]\n";
        assert_eq!(shown, expected);
        assert_eq!(unmasked(&shown, COMMENTS, hide), Ok(COMMENTS.to_owned()));
        // Something new above a comment, and a comment that nobody has hidden.
        let edited = shown.replace("  # url,", "  new: rtsp://h/2\n  # url,");
        let edited = edited.replace("  # the end\n", "  # the *** end\n");
        let wanted = COMMENTS.replace("  # url,", "  new: rtsp://h/2\n  # url,");
        let wanted = wanted.replace("  # the end\n", "  # the *** end\n");
        assert_eq!(unmasked(&edited, COMMENTS, hide), Ok(wanted));
        for moved in ["publish:\n  z: rtmp://h/live/***\n", "streams:\n  z: rtsp://h/x?token=***\n"]
        {
            assert_eq!(unmasked(moved, COMMENTS, hide), Err(2), "{moved}");
        }
    }
}
