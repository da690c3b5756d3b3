//! The contract: every recorded HTTP and WebSocket case against the binary.
//!
//! `just contract` prints the table. A case is `same`; `better`, which means an
//! answer that is written down in `ours.json` or accepted by a rule of
//! `compare.rs`, and explained in a row of `docs/compatibility.md`; `missing`,
//! which means that a module it needs is not there (asked for, not assumed); or
//! `different`, which is an error. `tests/golden/README.md` says where the
//! recordings come from.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::Value;

mod case;
mod client;
mod compare;
mod groups;
#[path = "../e2e/harness.rs"]
#[allow(dead_code)] // another test's, which needs more of it
mod harness;
mod modules;
mod rtsp;
mod run;
mod sdp;
mod server;
mod viewers;
mod watching;

use groups::{GROUPS, Group, Place};
use run::{Outcome, Run};
use server::Running;

/// Groups that run at the same time.
const AT_ONCE: usize = 4;

#[test]
fn recorded_answers() {
    if !harness::has_program("ffmpeg", "-version") {
        return;
    }
    let began = Instant::now();
    let ours = ours();
    let missing = modules::missing(&Running::start(""));
    let next = AtomicUsize::new(0);
    let table = Mutex::new(BTreeMap::new());
    let logs = Mutex::new(Vec::new());
    let groups = GROUPS.iter().filter(|group| !group.cases().is_empty()).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (outcomes, log) = run_group(group, &missing, &ours);
                    if outcomes.iter().any(|(_, outcome)| outcome.is_different()) {
                        logs.lock().unwrap().push(log);
                    }
                    table.lock().unwrap().extend(outcomes);
                }
            });
        }
    });
    let table = table.into_inner().unwrap();
    assert_eq!(table.len(), case::names("http").len() + case::names("ws").len(), "all cases ran");
    let text = printed(&table, &missing, began);
    println!("{text}");
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("contract.txt"), &text).unwrap();
    let different = different(&table);
    let logs = logs.into_inner().unwrap();
    assert!(different.is_empty(), "{}\nthese cases differ:\n{different}", logs.join("\n\n"));
}

/// What differs, to be read at the end of a long output.
fn different(table: &BTreeMap<String, Outcome>) -> String {
    let mut text = String::new();
    for (name, outcome) in table {
        if let Outcome::Different(list) = outcome {
            let _ = writeln!(text, "{name}\n    {}", list.join("\n    "));
        }
    }
    text
}

#[test]
fn what_is_better_is_explained() {
    let page = harness::root().join("docs/compatibility.md");
    let page = std::fs::read_to_string(page).unwrap();
    let ours = ours();
    let ws = case::names("ws").into_iter().map(|name| format!("ws/{name}"));
    let names: BTreeSet<String> = case::names("http").into_iter().chain(ws).collect();
    for (name, entry) in ours.as_object().unwrap() {
        assert!(names.contains(name), "{name} is no recorded case");
        let row = entry["row"].as_str().unwrap();
        assert!(page.contains(&format!("| `{row}` |")), "{name}: no row {row}");
    }
    for row in compare::ROWS {
        assert!(page.contains(&format!("| `{row}` |")), "no row {row}");
    }
}

/// Answers that are meant to differ, by case.
fn ours() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/ours.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What the cases of a group gave, and the log of their server.
fn run_group(
    group: &Group,
    missing: &BTreeSet<&'static str>,
    ours: &Value,
) -> (Vec<(String, Outcome)>, String) {
    let host = match group.place {
        Place::Loopback => None,
        Place::Remote => match own_address() {
            Some(address) => Some(address),
            None => {
                let why = "this machine has no address but loopback";
                let skipped = group.cases().into_iter().map(|n| (n, Outcome::Skipped(why)));
                return (skipped.collect(), String::new());
            }
        },
    };
    let server = match (group.file, host) {
        (Some(file), _) => Running::with_file(file, group.overlay, "127.0.0.1"),
        (None, None) => Running::start(group.overlay),
        (None, Some(_)) => {
            let file = std::fs::read_to_string(case::folder().join("server.yaml")).unwrap();
            Running::with_file(&file, group.overlay, "")
        }
    };
    let mut run = Run::new(&server, ours, host.map(|ip| SocketAddr::new(ip, server.ports.api)));
    let mut outcomes = Vec::new();
    for name in group.cases() {
        let needs = match name.strip_prefix("ws/") {
            Some(name) => modules::of_ws(name),
            None => modules::of_http(&name),
        };
        let outcome = match needs.iter().find(|module| missing.contains(*module)) {
            Some(module) => Outcome::Missing(module),
            None => {
                let case = case::load(&name, server.ports);
                catch_unwind(AssertUnwindSafe(|| run.case(&case)))
                    .unwrap_or_else(|_| Outcome::Different(vec!["the test panicked".into()]))
            }
        };
        outcomes.push((name, outcome));
    }
    (outcomes, server.server.log())
}

/// An address of this machine that is not loopback; nothing is sent for it.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

fn printed(
    table: &BTreeMap<String, Outcome>,
    missing: &BTreeSet<&'static str>,
    began: Instant,
) -> String {
    let mut text = String::new();
    let mut counts = [0; 5];
    for (name, outcome) in table {
        let (index, word, detail) = match outcome {
            Outcome::Same => (0, "same", String::new()),
            Outcome::Better(rows) => (1, "better", rows.join(", ")),
            Outcome::Missing(module) => (2, "missing", (*module).to_owned()),
            Outcome::Skipped(why) => (3, "skipped", (*why).to_owned()),
            Outcome::Different(list) => (4, "DIFFERENT", list.join("\n    ")),
        };
        counts[index] += 1;
        let _ = writeln!(text, "{name:<48} {word:<10} {detail}");
    }
    let [same, better, gone, skipped, different] = counts;
    let modules = missing.iter().copied().collect::<Vec<_>>().join(", ");
    let _ = writeln!(text, "missing modules: {modules}");
    let _ = writeln!(
        text,
        "contract: {} cases: {same} same, {better} better, {gone} of missing modules, {skipped} skipped, {different} different ({:.0} s)",
        table.len(),
        began.elapsed().as_secs_f64()
    );
    text
}
