//! Every example in the documents is a configuration that we accept.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use rs2rtc_endpoints::table;
use rs2rtc_server::config::Config;
use rs2rtc_server::config::sources::Process;

fn markdown(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            markdown(&path, found);
        } else if path.extension().is_some_and(|e| e == "md") {
            found.push(path);
        }
    }
}

/// The texts of the ```yaml blocks.
fn examples(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("```yaml\n") {
        let (block, tail) = after.split_once("```").unwrap();
        blocks.push(block.to_owned());
        rest = tail;
    }
    blocks
}

#[test]
fn every_example_is_accepted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = vec![root.join("README.md")];
    markdown(&root.join("docs"), &mut files);
    let folder = std::env::temp_dir().join(format!("rs2rtc-docs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut count = 0;
    for file in files {
        for example in examples(&std::fs::read_to_string(&file).unwrap()) {
            std::fs::write(folder.join("example.yaml"), &example).unwrap();
            let (config, _) = Config::load(&["example.yaml".to_owned()], &folder, &Process);
            assert!(
                config.problems.is_empty(),
                "{}: {:?}\n{example}",
                file.display(),
                config.problems
            );
            for stream in config.streams.iter() {
                for source in &stream.sources {
                    if let Some(entry) = table::entry(source) {
                        (entry.check)(source)
                            .unwrap_or_else(|e| panic!("{}: {source}: {e}", file.display()));
                    }
                }
            }
            count += 1;
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
    assert!(count >= 5, "only {count} examples found");
}
