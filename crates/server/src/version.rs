//! Versions and names of this program (`spec/core.md` 1.1).

use std::path::Path;

/// The version of go2rtc whose contract is kept; clients refuse others.
pub const COMPATIBLE: &str = "1.9.14";
/// Our own version.
pub const OWN: &str = env!("CARGO_PKG_VERSION");
/// The first digits of the revision it was built from; may be empty.
pub const REVISION: &str = env!("RS2RTC_REVISION");
/// `linux/amd64` and the like.
pub const PLATFORM: &str = env!("RS2RTC_PLATFORM");
/// The compiler.
pub const COMPILER: &str = env!("RS2RTC_COMPILER");

/// Under which name the program runs: `go2rtc` when it replaces that binary.
pub fn program() -> &'static str {
    let first = std::env::args_os().next().unwrap_or_default();
    let stem = Path::new(&first).file_stem().map(|s| s.to_string_lossy().into_owned());
    if stem.is_some_and(|s| s == "go2rtc") { "go2rtc" } else { "rs2rtc" }
}

/// What `--version` prints.
pub fn line() -> String {
    match program() {
        "go2rtc" => format!("go2rtc version {COMPATIBLE} ({REVISION}) {PLATFORM}"),
        name => format!(
            "{name} version {OWN} ({REVISION}) {PLATFORM}, compatible with go2rtc {COMPATIBLE}"
        ),
    }
}
