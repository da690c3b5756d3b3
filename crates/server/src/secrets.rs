//! Texts that must never be shown: one list for the whole program, applied to
//! every log record and to the answers named in `spec/core.md` 4.

use std::sync::{Arc, PoisonError, RwLock};

use rs2rtc_base::Secret;
use serde_json::Value;

/// The list of secrets. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Arc<RwLock<Vec<Secret>>>);

impl Secrets {
    /// Adds texts to hide.
    pub fn add(&self, texts: impl IntoIterator<Item = String>) {
        let mut list = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for text in texts.into_iter().filter(|text| !text.is_empty()) {
            if !list.iter().any(|known| known.expose() == text) {
                list.push(Secret::new(text));
            }
        }
        // Longer ones first: one may contain another.
        list.sort_by_key(|s| std::cmp::Reverse(s.expose().len()));
    }

    /// The text with user information of URLs and all secrets as `***`.
    pub fn mask(&self, text: &str) -> String {
        let list = self.0.read().unwrap_or_else(PoisonError::into_inner);
        masked(text, &list)
    }

    /// Masks every text of a JSON value, keys included.
    pub fn mask_json(&self, value: &mut Value) {
        let list = self.0.read().unwrap_or_else(PoisonError::into_inner);
        mask_json(value, &list);
    }
}

fn masked(text: &str, list: &[Secret]) -> String {
    rs2rtc_base::mask(text, list.iter().map(Secret::expose))
}

fn mask_json(value: &mut Value, list: &[Secret]) {
    match value {
        Value::String(text) if is_harmless(text, list) => {}
        Value::String(text) => *text = masked(text, list),
        Value::Array(all) => all.iter_mut().for_each(|value| mask_json(value, list)),
        Value::Object(map) => {
            map.values_mut().for_each(|value| mask_json(value, list));
            if !map.keys().all(|key| is_harmless(key, list)) {
                let old = std::mem::take(map);
                map.extend(old.into_iter().map(|(key, value)| (masked(&key, list), value)));
            }
        }
        _ => {}
    }
}

/// Whether there is certainly nothing to mask in a text, which is so for most of an answer.
fn is_harmless(text: &str, list: &[Secret]) -> bool {
    !rs2rtc_base::may_hold_secret(text) && !list.iter().any(|secret| text.contains(secret.expose()))
}

/// Digits of the ids that are secrets: who knows that of a session may end it.
const ID_DIGITS: usize = 32;

/// The text with every run of 32 and more hexadecimal digits as `***`: the ids
/// of sessions and of players' sockets, which are made as they are needed.
pub fn mask_ids(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let (before, found) = rest.split_at(at);
        let end = found.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(found.len());
        let (digits, after) = found.split_at(end);
        masked.push_str(before);
        masked.push_str(if digits.len() < ID_DIGITS { digits } else { "***" });
        rest = after;
    }
    masked.push_str(rest);
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_texts_and_json() {
        let secrets = Secrets::default();
        secrets.add(["admin".to_owned(), "pa$$word".to_owned(), "pa$$word-long".to_owned()]);
        assert_eq!(
            secrets.mask("rtsp://admin:pa$$word@192.168.1.123/stream1"),
            "rtsp://***@192.168.1.123/stream1"
        );
        assert_eq!(secrets.mask("x=pa$$word-long"), "x=***");
        let mut json = serde_json::json!({
            "rtsp://u:p@h": ["admin", 5],
            "plain": {"of admin": "x?token=abc", "b": "Authorization: Basic eDp5", "c": "x --pass d"},
        });
        secrets.mask_json(&mut json);
        let expected = serde_json::json!({
            "rtsp://***@h": ["***", 5],
            "plain": {"of ***": "x?token=***", "b": "Authorization: ***", "c": "x --pass ***"},
        });
        assert_eq!(json.to_string(), expected.to_string(), "in the same order");
    }

    #[test]
    fn ids_of_sessions_are_masked() {
        let id = "0123456789abcdef0123456789ABCDEF";
        let vectors = [
            (format!("/api/rs/bye/{id}/bye"), "/api/rs/bye/***/bye"),
            (format!("/api/webrtc?id={id}&x=1"), "/api/webrtc?id=***&x=1"),
            (
                format!("/api/webrtc?id={}", &id[1..]),
                "/api/webrtc?id=123456789abcdef0123456789ABCDEF",
            ),
            ("/api/streams?src=caf\u{e9}".to_owned(), "/api/streams?src=caf\u{e9}"),
        ];
        for (text, masked) in vectors {
            assert_eq!(mask_ids(&text), masked);
        }
    }
}
