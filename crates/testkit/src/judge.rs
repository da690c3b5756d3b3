//! Foreign programs that judge what we write: FFmpeg and its like.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Whether a program is there; in CI (`CI=true`) it must be.
pub fn has_program(name: &str) -> bool {
    let mut ask = Command::new(name);
    let there = ask.arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    assert!(there || std::env::var_os("CI").is_none(), "{name} is missing");
    if !there {
        eprintln!("SKIPPED: needs {name}");
    }
    there
}

/// Runs a program with words that spaces separate. Gives what it writes to its
/// output and to its error output; it may fail.
pub fn run(program: &str, words: &str, input: &[u8]) -> (String, String) {
    let mut child = Command::new(program)
        .args(words.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // One that has seen enough closes its input.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(output.stdout), text(output.stderr))
}
