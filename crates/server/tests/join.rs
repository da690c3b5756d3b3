//! How the player's modules become one file when the pages are packed.
#![allow(clippy::unwrap_used)]

#[path = "../build/join.rs"]
mod join;

use std::collections::BTreeMap;

use join::{Joined, join};

fn joined(files: &[(&str, &str)]) -> Result<Joined, String> {
    let files: BTreeMap<_, _> =
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    join("p/main.js", &files)
}

#[test]
fn modules_that_only_the_entry_needs_are_in_its_file_in_the_order_of_their_imports() {
    let Joined { text, members } = joined(&[
        (
            "p/main.js",
            "import{Base}from'../base.js';\nimport{a as first}from'./a.js';\nimport'./only.js';\n\nexport class Main extends Base{}\nfirst();",
        ),
        ("p/a.js", "import{B}from'./b-c.js';\nimport{Base,say as tell}from'../base.js';\nexport const a=()=>B;\nexport function unused(){}"),
        ("p/b-c.js", "export class B{}\nexports=1;"),
        ("p/only.js", "side();"),
        ("base.js", "export class Base{}\nexport const say=1;"),
        ("page.js", "import'./p/main.js';"),
    ])
    .unwrap();
    assert_eq!(members.into_iter().collect::<Vec<_>>(), ["p/a.js", "p/b-c.js", "p/only.js"]);
    assert_eq!(
        text,
        "import*as $base from'../base.js';
// p/b-c.js
const $p_b_c=(()=>{
class B{}
exports=1;
return{B};})();
// p/a.js
const $p_a=(()=>{
const{B}=$p_b_c;
const{Base,say:tell}=$base;


const a=()=>B;
function unused(){}
return{a};})();
// p/only.js
const $p_only=(()=>{
side();
return{};})();
const{Base}=$base;
const{a:first}=$p_a;




export class Main extends Base{}
first();
"
    );
}

#[test]
fn what_others_import_now_or_later_stays_a_file_and_so_does_what_that_imports() {
    let files = |other: &'static str| {
        [
            (
                "p/main.js",
                "import{a}from'./a.js';\nimport{c}from'./c.js';\nlet later=()=>import('./later.js');",
            ),
            ("p/a.js", "import{b}from'./b.js';\nexport const a=b;"),
            ("p/b.js", "export const b=1;"),
            ("p/c.js", "export const c=1;"),
            ("p/later.js", "export const later=1;"),
            ("q/other.js", other),
        ]
    };
    for (other, left) in [
        ("", vec!["p/a.js", "p/b.js", "p/c.js"]),
        ("import{a}from'../p/a.js';", vec!["p/c.js"]),
        ("let a=await import('../p/a.js');", vec!["p/c.js"]),
        ("export{b}from'../p/b.js';", vec!["p/a.js", "p/c.js"]),
        ("import*as b from\"../p/b.js\";", vec!["p/a.js", "p/c.js"]),
    ] {
        let Joined { text, members } = joined(&files(other)).unwrap();
        assert_eq!(members.into_iter().collect::<Vec<_>>(), left, "{other}");
        assert_eq!(
            text.contains("import*as $p_a from'./a.js';"),
            !left.contains(&"p/a.js"),
            "{text}"
        );
        assert!(text.contains("import('./later.js')"));
    }
}

#[test]
fn what_cannot_be_joined_is_said() {
    for (a, b, says) in [
        (
            "import{b}from'./b.js';",
            "import{a}from'./a.js';",
            "p/a.js imports itself by way of p/main.js, p/a.js, p/b.js",
        ),
        (
            "import{b}from'./b.js';\nimport*as x from'./b.js';",
            "",
            "p/a.js:2: only an import of names",
        ),
        ("import{\nb}from'./b.js';", "", "p/a.js:1: only an import of names"),
        ("import{x}from'./x.js';", "", "p/x.js is imported, and is not there"),
        (
            "export default 1;",
            "",
            "p/a.js: this form of export cannot be joined: export default 1;",
        ),
        ("export let x=1;", "", "p/a.js: this form of export cannot be joined"),
        ("export{x};", "", "p/a.js: this form of export cannot be joined"),
    ] {
        let files = [("p/main.js", "import{a}from'./a.js';"), ("p/a.js", a), ("p/b.js", b)];
        let error = joined(&files).unwrap_err();
        assert!(error.starts_with(says), "{a}: {error}");
    }
}
