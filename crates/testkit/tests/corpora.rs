//! The fuzz corpora as plain tests: every file, cut at many places and with
//! bytes changed, through its target.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use rs2rtc_testkit::fuzz::TARGETS;

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn every_target_has_a_corpus_and_survives_it() {
    for (target, run) in TARGETS {
        let files = corpus(target);
        assert!(!files.is_empty(), "{target} has no corpus");
        for (_, bytes) in files {
            run(&bytes);
            let step = (bytes.len() / 200).max(1);
            for cut in (0..bytes.len()).step_by(step) {
                run(&bytes[..cut]);
            }
        }
    }
}

#[test]
fn every_target_survives_changed_bytes() {
    for (target, run) in TARGETS {
        for (path, bytes) in corpus(target) {
            if bytes.is_empty() {
                continue;
            }
            let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ bytes.len() as u64;
            for round in 0..300 {
                let mut changed = bytes.clone();
                for _ in 0..=round % 8 {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    let at = (state >> 16) as usize % changed.len();
                    changed[at] = state as u8;
                }
                let name = path.display();
                assert!(
                    std::panic::catch_unwind(|| run(&changed)).is_ok(),
                    "{target}: {name} round {round}"
                );
            }
        }
    }
}

#[test]
fn every_target_is_built_for_the_fuzzer() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    for (target, _) in TARGETS {
        assert!(
            manifest.contains(&format!("name = \"{target}\"")),
            "{target} is not in fuzz/Cargo.toml"
        );
    }
}
