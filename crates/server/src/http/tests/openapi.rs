//! The OpenAPI document is what the handlers are, and is OpenAPI 3.1.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::access::CLASSES;
use crate::http::access::Class;
use crate::http::{ROUTES, system};

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

pub(super) fn document() -> Value {
    serde_saphyr::from_str(system::OPENAPI).unwrap()
}

fn object<'v>(value: &'v Value, at: &str) -> &'v Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("{at} is no object"))
}

/// Every (path, method, operation).
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for (path, item) in object(&document["paths"], "paths") {
        for (method, operation) in object(item, path) {
            if METHODS.contains(&method.as_str()) {
                all.push((path.clone(), method.to_uppercase(), operation.clone()));
            }
        }
    }
    all
}

/// Whether a path of the document is the path of a call.
pub(super) fn is_path(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) =
        (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len()
        && pattern.iter().zip(&path).all(|(p, v)| p.starts_with('{') || p == v)
}

#[test]
fn paths_and_methods_are_those_of_the_handlers() {
    let document = document();
    let operations = operations(&document);
    for (path, method, operation) in &operations {
        let line = CLASSES.iter().find(|(m, call, _)| m == method && is_path(path, &rooted(call)));
        let Some((.., class)) = line else { panic!("{method} {path} is in no table of classes") };
        let name = match class {
            Class::View => "view",
            Class::Own => "own",
            Class::Stream => "stream",
            Class::Admin => "admin",
        };
        assert_eq!(operation["x-class"], name, "{method} {path}");
        let is_served = ROUTES.iter().any(|route| {
            let pattern = rooted(route.pattern);
            pattern == *path || (pattern.ends_with('/') && path.starts_with(&pattern))
        });
        assert!(is_served, "{path} is no route");
    }
    // PUT and DELETE of the configuration do nothing, as in go2rtc.
    let silent = [("PUT", "api/config"), ("DELETE", "api/config")];
    for (method, call, _) in CLASSES.iter().filter(|(m, c, _)| !silent.contains(&(*m, *c))) {
        let path = rooted(call);
        let there = operations.iter().any(|(p, m, _)| m == method && is_path(p, &path));
        assert!(there, "{method} {path} is not in openapi.yaml");
    }
}

/// The path of a call from the root, without its query.
fn rooted(call: &str) -> String {
    let path = call.split('?').next().unwrap();
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

#[test]
fn the_document_is_openapi_3_1() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    for key in ["title", "version"] {
        assert!(document["info"][key].is_string(), "info.{key}");
    }
    let known = [
        "openapi",
        "info",
        "servers",
        "security",
        "tags",
        "paths",
        "components",
        "webhooks",
        "externalDocs",
        "jsonSchemaDialect",
    ];
    for key in object(&document, "document").keys() {
        assert!(known.contains(&key.as_str()), "{key}");
    }
    references(&document, &document);
    let mut ids = BTreeSet::new();
    let tags: Vec<&Value> =
        document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    for (path, method, operation) in operations(&document) {
        let at = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{at}: operationId"));
        assert!(ids.insert(id.to_owned()), "{id} twice");
        assert!(operation["summary"].is_string(), "{at}: summary");
        for tag in operation["tags"].as_array().unwrap() {
            assert!(tags.contains(&tag), "{at}: tag {tag}");
        }
        let responses = object(&operation["responses"], &at);
        assert!(!responses.is_empty(), "{at}: responses");
        for (status, response) in responses {
            assert!(status.parse::<u16>().is_ok_and(|s| (100..600).contains(&s)), "{at}: {status}");
            let response = resolved(&document, response);
            assert!(response["description"].is_string(), "{at}: {status}");
            contents(response, &at);
        }
        let body = resolved(&document, &operation["requestBody"]);
        if !body.is_null() {
            assert!(body["content"].is_object(), "{at}: body");
            contents(body, &at);
        }
        parameters(&document, &path, &operation, &at);
    }
    for (name, scheme) in object(&document["components"]["securitySchemes"], "securitySchemes") {
        assert!(scheme["type"] == "http" && scheme["scheme"].is_string(), "{name}");
    }
}

fn contents(holder: &Value, at: &str) {
    for (kind, media) in holder["content"].as_object().into_iter().flatten() {
        assert!(kind.contains('/') && media["schema"].is_object(), "{at}: {kind}");
    }
}

/// All parameters are whole, and those of the path are the ones in it.
fn parameters(document: &Value, path: &str, operation: &Value, at: &str) {
    let shared = document["paths"][path]["parameters"].as_array().into_iter().flatten();
    let own = operation["parameters"].as_array().into_iter().flatten();
    let mut in_path = BTreeSet::new();
    for parameter in shared.chain(own) {
        let parameter = resolved(document, parameter);
        let name = parameter["name"].as_str().unwrap_or_else(|| panic!("{at}: name"));
        assert!(parameter["schema"].is_object(), "{at}: {name}: schema");
        match parameter["in"].as_str() {
            Some("query" | "header" | "cookie") => {}
            Some("path") => {
                assert_eq!(parameter["required"], true, "{at}: {name}");
                in_path.insert(name.to_owned());
            }
            other => panic!("{at}: {name}: in {other:?}"),
        }
    }
    let named = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    assert_eq!(in_path, named.map(str::to_owned).collect(), "{at}");
}

/// Follows a reference.
pub(super) fn resolved<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

/// Every reference leads somewhere.
fn references(document: &Value, value: &Value) {
    match value {
        Value::Object(map) => {
            if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
                let to = reference.strip_prefix('#').and_then(|path| document.pointer(path));
                assert!(to.is_some(), "{reference} leads nowhere");
            }
            map.values().for_each(|value| references(document, value));
        }
        Value::Array(list) => list.iter().for_each(|value| references(document, value)),
        _ => {}
    }
}
