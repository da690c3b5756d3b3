//! Merging a document into the text of the configuration file (`spec/api.md` 2,
//! PATCH): mappings are merged, everything else is replaced. Comments and order
//! stay where the text allows it; else the whole file is written anew.

use serde_json::{Map, Value as Json};

use super::document::parse_text;
use super::node::{Node, Value, first_document};
use super::patch::{Edit, PatchError, document as whole, line_end, patch, set};

/// With more changes than this the file is written anew: each one parses it.
const SINGLE_EDITS: usize = 100;

/// Why a document could not be merged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// The file cannot be changed.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// The document is a list or a scalar.
    #[error("yaml: must be a mapping of sections, not {0}")]
    NotAMapping(&'static str),
    /// The value in the file has a form that the new one would destroy.
    #[error("yaml: {path} holds {old} and cannot be replaced by {new}")]
    Form {
        /// The key.
        path: String,
        /// What is there.
        old: &'static str,
        /// What was sent.
        new: &'static str,
    },
}

/// The text with a document merged in.
///
/// # Errors
/// See [`MergeError`].
pub(super) fn merge(text: &str, document: &Node) -> Result<String, MergeError> {
    let added = match &document.value {
        Value::Map(_) => document.to_json(),
        Value::Null => return Ok(text.to_owned()),
        _ => return Err(MergeError::NotAMapping(document.kind())),
    };
    let Json::Object(added) = added else { return Err(MergeError::NotAMapping("nothing")) };
    let (text, root) = parse_text(text);
    let (text, root) = (text.as_ref(), root.map_err(PatchError::from)?);
    let old = match root.to_json() {
        Json::Object(old) => old,
        Json::Null => Map::new(),
        _ => return Err(PatchError::NotAMapping.into()),
    };
    let mut edits = Vec::new();
    collect(&old, added, &mut Vec::new(), &mut edits)?;
    if let Some(text) = edit_each(text, &edits) {
        return Ok(text);
    }
    let mut merged = Json::Object(old);
    for (path, edit) in &edits {
        set(&mut merged, &words(path), edit);
    }
    let (_, others) = first_document(text);
    Ok(whole(&merged, line_end(text)) + others)
}

fn edit_each(text: &str, edits: &[(Vec<String>, Edit)]) -> Option<String> {
    if edits.len() > SINGLE_EDITS {
        return None;
    }
    let mut text = text.to_owned();
    for (path, edit) in edits {
        text = patch(&text, &words(path), edit).ok()?;
    }
    Some(text)
}

fn words(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

fn collect(
    old: &Map<String, Json>,
    added: Map<String, Json>,
    path: &mut Vec<String>,
    edits: &mut Vec<(Vec<String>, Edit)>,
) -> Result<(), MergeError> {
    for (key, new) in added {
        path.push(key);
        let there = path.last().and_then(|key| old.get(key));
        match (there, new) {
            (Some(Json::Object(old)), Json::Object(new)) => collect(old, new, path, edits)?,
            (Some(old @ Json::Object(_)), new) => return Err(form(path, old, &new)),
            (Some(old @ Json::Array(_)), new) if !new.is_array() => {
                return Err(form(path, old, &new));
            }
            (Some(old), new) if *old == new => {}
            (_, new) => edits.push((path.clone(), Edit::Value(new))),
        }
        path.pop();
    }
    Ok(())
}

fn form(path: &[String], old: &Json, new: &Json) -> MergeError {
    MergeError::Form { path: path.join("."), old: kind(old), new: kind(new) }
}

const fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "nothing",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a mapping",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str, added: &str) -> Result<String, String> {
        merge(text, &Node::parse(added).unwrap()).map_err(|e| e.to_string())
    }

    const FILE: &str = "# head\napi:\n  listen: :1  # port\nstreams:\n  a: rtsp://x  # cam\n  b:\n    - one\n# tail\n";

    #[test]
    fn comments_stay_and_mappings_are_merged() {
        let out = run(FILE, "streams: {c: rtsp://z, a: rtsp://x}\nlog:\n  level: debug\n").unwrap();
        assert_eq!(
            out,
            "# head\napi:\n  listen: :1  # port\nstreams:\n  a: rtsp://x  # cam\n  b:\n    - one\n  c: rtsp://z\n# tail\nlog:\n  level: debug\n"
        );
        let out = run(&out, "{\"log\":{\"api\":\"trace\"},\"streams\":{\"b\":[\"one\",\"two\"]}}");
        let out = out.unwrap();
        assert!(out.contains("  b:\n    - one\n    - two\n  c: "), "{out}");
        assert!(out.ends_with("log:\n  level: debug\n  api: trace\n"), "{out}");
    }

    #[test]
    fn any_value_can_be_written() {
        let added = "w:\n  l: [{urls: [a, b], u: 'x y'}, [1, 2], {}]\n  n: 5\n  f: false\n  z: null\n  deep: {er: {est: '5'}}\n  m: \"a\\nb\"\n";
        for file in ["", "# only\n", FILE, "{w: {n: 1}, x: 2}\n", "w:\n  n: 1\n"] {
            let out = run(file, added).unwrap();
            let (out, added) = (Node::parse(&out).unwrap(), Node::parse(added).unwrap());
            assert_eq!(
                out.get("w").unwrap().node.to_json(),
                added.get("w").unwrap().node.to_json(),
                "{file}"
            );
        }
        let many: String = (0..150).map(|n| format!("k{n}: v\n")).collect();
        let out = Node::parse(&run(FILE, &many).unwrap()).unwrap().to_json();
        assert_eq!(out.as_object().unwrap().len(), 152);
    }

    #[test]
    fn what_would_destroy_is_refused() {
        assert_eq!(
            run(FILE, "api: 5\n").unwrap_err(),
            "yaml: api holds a mapping and cannot be replaced by a number"
        );
        assert_eq!(
            run(FILE, "streams:\n  b: why\n").unwrap_err(),
            "yaml: streams.b holds a list and cannot be replaced by a text"
        );
        assert!(run(FILE, "- a\n").unwrap_err().contains("not a list"));
        assert!(run("- a\n", "a: 1\n").unwrap_err().contains("can't patch"));
        let list_over_text = run(FILE, "streams:\n  a:\n    - x\n").unwrap();
        assert!(list_over_text.contains("  a:\n    - x\n"), "{list_over_text}");
    }
}
