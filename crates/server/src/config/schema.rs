//! The configuration as a JSON schema (draft 7), made from what the readers ask
//! for: editors complete and explain with it. It accepts what the readers accept
//! and nothing that they report.

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::Config;
use super::duration::show;
use super::key::{Key, Kind};

/// Where people read about the keys.
const DOCS: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/HEAD/docs/configuration.md");

/// The schema of the whole configuration.
pub fn schema() -> Json {
    let mut root = Branch::default();
    for key in Config::default().keys() {
        let path = key.path.clone();
        root.insert(&path.split('.').collect::<Vec<_>>(), key);
    }
    let mut schema = Map::new();
    schema.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
    schema.insert("title".into(), "rs2rtc".into());
    if let Json::Object(rest) = root.schema() {
        schema.extend(rest);
    }
    let sections = schema.get_mut("properties").and_then(Json::as_object_mut);
    let is_used = |name: &str| {
        let branch = root.children.iter().find(|(one, _)| one == name);
        branch.is_none_or(|(_, branch)| branch.key.as_ref().is_none_or(|k| k.kind != Kind::NotYet))
    };
    for (name, section) in sections.into_iter().flatten().filter(|(name, _)| is_used(name)) {
        insert(section, "x-docs", format!("{DOCS}#{}", heading(name)).into());
    }
    Json::Object(schema)
}

/// The heading of a section in its documentation, as it is linked to.
fn heading(section: &str) -> &str {
    match section {
        "streams" | "defaults" => "streams-and-defaults",
        "publish" | "preload" => "publish-preload",
        "exec" | "ffmpeg" => "exec-ffmpeg",
        other => other,
    }
}

/// A key and those below it.
#[derive(Default)]
struct Branch {
    key: Option<Key>,
    children: Vec<(String, Self)>,
}

impl Branch {
    fn insert(&mut self, path: &[&str], key: Key) {
        let Some((first, rest)) = path.split_first() else {
            self.key = Some(key);
            return;
        };
        let at = self.children.iter().position(|(name, _)| name == first).unwrap_or_else(|| {
            self.children.push(((*first).to_owned(), Self::default()));
            self.children.len() - 1
        });
        if let Some((_, child)) = self.children.get_mut(at) {
            child.insert(rest, key);
        }
    }

    fn schema(&self) -> Json {
        let own = self.key.as_ref().map(|key| of_kind(&key.kind));
        let mut schema = match (&self.key, own) {
            (Some(key), Some(own)) if self.children.is_empty() => {
                let mut own = own;
                let named = key.path.ends_with('*');
                if !key.value.is_null() && !named && key.kind != Kind::Secret {
                    insert(&mut own, "default", key.value.clone());
                }
                own
            }
            (Some(Key { kind: Kind::Items, .. }), _) => {
                let items = self.children.first().map_or(Json::Bool(true), |(_, c)| c.schema());
                json!({"type": ["array", "null"], "items": items})
            }
            (Some(Key { kind: Kind::Sources | Kind::ChoiceOrSection(_), .. }), Some(own)) => {
                json!({"anyOf": [own, self.mapping()]})
            }
            _ => self.mapping(),
        };
        if let Some(key) = &self.key {
            let about = described(key);
            if !about.is_empty() {
                insert(&mut schema, "description", about.into());
            }
            if key.restart {
                insert(&mut schema, "x-restart", true.into());
            }
        }
        schema
    }

    fn mapping(&self) -> Json {
        let mut properties = Map::new();
        let mut others = Json::Bool(false);
        for (name, child) in &self.children {
            match name.as_str() {
                "*" => others = child.schema(),
                _ => {
                    properties.insert(name.clone(), child.schema());
                }
            }
        }
        json!({
            "type": ["object", "null"],
            "properties": properties,
            "additionalProperties": others,
        })
    }
}

fn described(key: &Key) -> String {
    let mut about = key.about.to_owned();
    if let Kind::Duration(min, max) = key.kind {
        let limits = match max {
            Duration::MAX => {
                "A duration such as 10s or 250ms; a bare number is seconds.".to_owned()
            }
            _ => format!("From {} to {}; a bare number is seconds.", show(min), show(max)),
        };
        about = if about.is_empty() { limits } else { format!("{about} {limits}") };
    }
    if key.restart {
        about.push_str(" Takes effect with the next start.");
    }
    about.trim().to_owned()
}

fn insert(schema: &mut Json, key: &str, value: Json) {
    if let Json::Object(map) = schema {
        map.insert(key.to_owned(), value);
    }
}

fn of_kind(kind: &Kind) -> Json {
    // A null leaves the default; numbers and flags count as the text they are written as.
    let text = json!(["string", "number", "boolean", "null"]);
    match kind {
        Kind::Section | Kind::NotYet | Kind::Items => json!({}),
        Kind::Text | Kind::Secret => json!({"type": text}),
        Kind::Flag => json!({"type": ["boolean", "null"]}),
        Kind::Whole(min, max) => {
            json!({"type": ["integer", "null"], "minimum": min, "maximum": max})
        }
        Kind::Duration(min, max) => {
            let mut schema = json!({
                "type": ["string", "number", "null"],
                "pattern": "^\\s*([0-9.]+\\s*(ms|s|m|h|d)?\\s*)+$",
                "minimum": min.as_secs_f64(),
            });
            if *max != Duration::MAX {
                insert(&mut schema, "maximum", max.as_secs_f64().into());
            }
            schema
        }
        Kind::Choice(words) | Kind::ChoiceOrSection(words) => {
            let mut all: Vec<Json> = words.iter().map(|word| Json::from(*word)).collect();
            all.push(Json::Null);
            json!({"enum": all})
        }
        Kind::List(words) => {
            let items = match words.is_empty() {
                true => json!({"type": text}),
                false => json!({"enum": words}),
            };
            json!({"type": ["array", "string", "number", "boolean", "null"], "items": items})
        }
        Kind::Map => json!({
            "type": ["object", "null"],
            "additionalProperties": {"type": text},
        }),
        // `- demo:` in a list reads as a mapping without a value.
        Kind::Sources => json!({
            "type": ["string", "array", "null"],
            "items": {"type": ["string", "object"], "maxProperties": 1},
        }),
    }
}
