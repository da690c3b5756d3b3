//! Texts that must never be shown: one list for the whole program, applied to
//! every log record and to the answers named in `spec/core.md` 4.

use std::sync::{Arc, PoisonError, RwLock};

/// The list of secrets. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Arc<RwLock<Vec<rs2rtc_base::Secret>>>);

impl Secrets {
    /// Adds texts to hide.
    pub fn add(&self, texts: impl IntoIterator<Item = String>) {
        let mut list = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for text in texts.into_iter().filter(|text| !text.is_empty()) {
            if !list.iter().any(|known| known.expose() == text) {
                list.push(rs2rtc_base::Secret::new(text));
            }
        }
        // Longer ones first: one may contain another.
        list.sort_by_key(|s| std::cmp::Reverse(s.expose().len()));
    }

    /// The text with user information of URLs and all secrets as `***`.
    pub fn mask(&self, text: &str) -> String {
        let list = self.0.read().unwrap_or_else(PoisonError::into_inner);
        rs2rtc_base::mask(text, list.iter().map(rs2rtc_base::Secret::expose))
    }

    /// Masks every text of a JSON value, keys included.
    pub fn mask_json(&self, value: &mut serde_json::Value) {
        use serde_json::Value;
        match value {
            Value::String(text) => *text = self.mask(text),
            Value::Array(list) => list.iter_mut().for_each(|v| self.mask_json(v)),
            Value::Object(map) => {
                let old = std::mem::take(map);
                for (key, mut value) in old {
                    self.mask_json(&mut value);
                    map.insert(self.mask(&key), value);
                }
            }
            _ => {}
        }
    }
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
        let mut json = serde_json::json!({"rtsp://u:p@h": ["admin", 5]});
        secrets.mask_json(&mut json);
        assert_eq!(json, serde_json::json!({"rtsp://***@h": ["***", 5]}));
    }
}
