//! How modules that are loaded together become one file when the pages are packed.
#![allow(clippy::unwrap_used)]

#[path = "../build/join.rs"]
mod join;

use std::collections::BTreeMap;

use join::{Joined, Script, Ui, join};

fn joined(files: &[(&str, &str)], pages: &[&str], homes: &[&str]) -> Result<Joined, String> {
    let script = |text: &str| Script { text: text.to_owned(), waits: text.contains("=await ") };
    let scripts: BTreeMap<_, _> =
        files.iter().map(|(name, text)| ((*name).to_owned(), script(text))).collect();
    join(Ui { scripts: &scripts, pages, homes, kept: &["kept.js"] })
}

/// The modules that have moved, and where to.
fn moved(joined: &Joined) -> Vec<(&str, &str)> {
    joined.members.iter().map(|(name, home)| (name.as_str(), home.as_str())).collect()
}

#[test]
fn a_home_has_what_only_it_needs_in_the_order_of_the_imports() {
    let joined = joined(
        &[
            (
                "p/main.js",
                "import{Base}from'../base.js';\nimport{a as first}from'./a.js';\nimport'./only.js';\n\nexport class Main extends Base{}\nfirst();",
            ),
            ("p/a.js", "import{B}from'./b-c.js';\nimport{Base,say as tell}from'../base.js';\nexport const a=()=>B;\nexport function unused(){}"),
            ("p/b-c.js", "export class B{}\nexports=1;"),
            ("p/only.js", "side();"),
            ("base.js", "export class Base{}\nexport const say=1;"),
            ("other.js", "import{say}from'./base.js';"),
        ],
        &["p/main.js", "other.js"],
        &["p/main.js"],
    )
    .unwrap();
    let home = "p/main.js";
    assert_eq!(moved(&joined), [("p/a.js", home), ("p/b-c.js", home), ("p/only.js", home)]);
    assert_eq!(
        joined.files[home],
        "import*as $base from'../base.js';
// p/b-c.js
export const $p_b_c=(()=>{
class B{}
exports=1;
return{B};})();
// p/a.js
export const $p_a=(()=>{
const{B}=$p_b_c;
const{Base,say:tell}=$base;
const a=()=>B;
function unused(){}
return{a};})();
// p/only.js
export const $p_only=(()=>{
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
fn what_pages_share_is_had_from_its_home() {
    let joined = joined(
        &[
            ("shell/shell.js", "import{t}from'../lib/words.js';\nexport const shell=t;"),
            ("lib/words.js", "const all=await import('../i18n/en.js');\nlet later=()=>import('./later.js');\nexport const t=1;\nexport const u=2;"),
            ("lib/later.js", "import{t}from'./words.js';\nexport const later=t;"),
            ("lib/more.js", "import{t,u as v}from'./words.js';\nimport'./words.js';\nexport const more=v;"),
            ("pages/a.js", "import{t}from'../lib/words.js';\nimport{shell}from'../shell/shell.js';\nimport{more}from'../lib/more.js';\nimport{own}from'./own.js';"),
            ("pages/own.js", "import{u}from'../lib/words.js';\nexport const own=u;"),
            ("pages/b.js", "import{more}from'../lib/more.js';\nimport{shell}from'../shell/shell.js';"),
            ("i18n/en.js", "export default{};"),
        ],
        &["pages/a.js", "pages/b.js"],
        &["shell/shell.js", "pages/a.js", "pages/b.js"],
    )
    .unwrap();
    assert_eq!(
        moved(&joined),
        [("lib/words.js", "shell/shell.js"), ("pages/own.js", "pages/a.js")]
    );
    // Paths lead where they led before.
    assert_eq!(
        joined.files["shell/shell.js"],
        "// lib/words.js
export const $lib_words=await(async()=>{
const all=await import('../i18n/en.js');
let later=()=>import('../lib/later.js');
const t=1;
const u=2;
return{t,u};})();
const{t}=$lib_words;
export const shell=t;
"
    );
    // Lines keep their numbers.
    assert_eq!(
        joined.files["lib/more.js"],
        "import{$lib_words}from'../shell/shell.js';const{t,u:v}=$lib_words;

export const more=v;
"
    );
    assert_eq!(
        joined.files["pages/a.js"],
        "import{$lib_words}from'../shell/shell.js';
import*as $shell_shell from'../shell/shell.js';
import*as $lib_more from'../lib/more.js';
// pages/own.js
export const $pages_own=(()=>{
const{u}=$lib_words;
const own=u;
return{own};})();
const{t}=$lib_words;
const{shell}=$shell_shell;
const{more}=$lib_more;
const{own}=$pages_own;
"
    );
    assert_eq!(joined.files["pages/b.js"].lines().count(), 2);
}

#[test]
fn what_is_loaded_without_the_home_stays_a_file_and_so_does_what_that_imports() {
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
            ("other.js", other),
            ("kept.js", other),
        ]
    };
    let home = |names: &[&'static str]| -> Vec<_> {
        names.iter().map(|name| (*name, "p/main.js")).collect()
    };
    for (other, left) in [
        ("", home(&["p/a.js", "p/b.js", "p/c.js"])),
        ("import{a}from'./p/a.js';", home(&["p/c.js"])),
        ("let a=await import('./p/a.js');", home(&["p/c.js"])),
        ("export{b}from'./p/b.js';", home(&["p/a.js", "p/c.js"])),
        ("import*as b from\"./p/b.js\";", home(&["p/a.js", "p/c.js"])),
    ] {
        for (page, name) in [("other.js", "another page"), ("p/main.js", "a file served as it is")]
        {
            // What is kept is none of its pages.
            let files: Vec<_> = files(other)
                .into_iter()
                .filter(|it| page == "p/main.js" || it.0 != "kept.js")
                .collect();
            let pages = ["p/main.js", page];
            let joined = joined(&files, &pages, &["p/main.js"]).unwrap();
            assert_eq!(moved(&joined), left, "{other} in {name}");
            let text = &joined.files["p/main.js"];
            let is_file = !left.iter().any(|(member, _)| *member == "p/a.js");
            assert_eq!(text.contains("import*as $p_a from'./a.js';"), is_file, "{text}");
            assert!(text.contains("import('./later.js')"));
        }
    }
}

#[test]
fn what_comes_later_may_have_something_from_the_home_that_is_there() {
    let files = [
        ("page.js", "let it=()=>import('./p/main.js');"),
        ("p/main.js", "import{a}from'./a.js';\nlet later=()=>import('./later.js');"),
        ("p/a.js", "export const a=1;"),
        ("p/later.js", "import{a}from'./a.js';"),
    ];
    let all = joined(&files, &["page.js"], &["p/main.js"]).unwrap();
    assert_eq!(moved(&all), [("p/a.js", "p/main.js")]);
    assert_eq!(all.files["p/later.js"], "import{$p_a}from'./main.js';const{a}=$p_a;\n");
    assert!(all.files["p/main.js"].contains("\nexport const $p_a="));
    // A page that never loads the home would load it for that.
    let more = [&files[..], &[("poor.js", "let it=()=>import('./p/later.js');")]].concat();
    assert!(joined(&more, &["page.js", "poor.js"], &["p/main.js"]).unwrap().members.is_empty());
}

#[test]
fn what_a_file_between_needs_stays_before_it() {
    let joined = joined(
        &[
            ("p/main.js", "import{x}from'./x.js';\nimport{a}from'./a.js';"),
            ("p/x.js", "import{a}from'./a.js';\nexport const x=a;"),
            ("p/a.js", "export const a=1;"),
            ("other.js", "import{x}from'./p/x.js';\nimport{a}from'./p/a.js';"),
        ],
        &["p/main.js", "other.js"],
        &["p/main.js"],
    )
    .unwrap();
    assert!(joined.members.is_empty(), "{joined:?}");
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
            "import{b}from'./b.js';\nimport*as x from'./c.js';",
            "",
            "p/a.js:2: only an import of names",
        ),
        ("import{\nb}from'./b.js';", "", "p/a.js:1: only an import of names"),
        ("import{x}from'./x.js';", "", "p/x.js is imported by p/a.js, and is not there"),
        (
            "export default 1;",
            "",
            "p/a.js: this form of export cannot be joined: export default 1;",
        ),
        ("export let x=1;", "", "p/a.js: this form of export cannot be joined"),
        ("export{x};", "", "p/a.js: this form of export cannot be joined"),
        ("export const a=import.meta.url;", "", "p/a.js: what asks for its own address"),
    ] {
        let files = [("p/main.js", "import{a}from'./a.js';"), ("p/a.js", a), ("p/b.js", b)];
        let error = joined(&files, &["p/main.js"], &["p/main.js"]).unwrap_err();
        assert!(error.starts_with(says), "{a}: {error}");
    }
    let same = [("p/main.js", "imported=1;\nimport('./x.js');")];
    let error = joined(&same, &["p/main.js"], &["p/main.js", "p/main.js"]).unwrap_err();
    assert_eq!(error, "p/main.js is to take in others twice");
    assert!(joined(&same, &["p/main.js"], &["p/main.js"]).is_ok());
    let error = joined(&[], &[], &["p/main.js"]).unwrap_err();
    assert_eq!(error, "p/main.js is to take in others, and is not there");
    let files =
        [("a.js", "import'./b.js';"), ("b.js", "import'./a.js';"), ("c.js", "import'./a.js';")];
    let error = joined(&files, &["c.js"], &[]).unwrap_err();
    assert_eq!(error, "files that need each other are among a.js, b.js, c.js");
}
