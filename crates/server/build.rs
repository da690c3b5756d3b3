//! Packs the web interface (`ui/` at the root of the workspace) into the binary:
//! every file compressed, with a tag of its content.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

#[path = "build/join.rs"]
mod join;
#[path = "build/unread.rs"]
mod unread;

/// More of them save a thousandth and cost seconds.
const ITERATIONS: NonZeroU64 = NonZeroU64::new(5).unwrap();

/// What pages share: each is one file with what is loaded with it, as is the script of each page.
/// What plays is waited for.
const SHARED: [&str; 3] = ["shell/shell.js", "player/rs-player.js", "pages/playing.js"];

/// What pages of one's own load and extend: who writes those reads these.
const READ: [&str; 3] = ["main.js", "video-rtc.js", "video-stream.js"];

fn main() -> Result<(), Box<dyn Error>> {
    let manifest = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let root = manifest.join("../../ui");
    println!("cargo:rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    if root.is_dir() {
        collect(&root, &root, &mut files)?;
    }
    files.sort();
    let mut table = String::from("&[\n");
    let mut kept = HashSet::new();
    for (_, path) in &files {
        println!("cargo:rerun-if-changed={}", path.display());
    }
    for (name, bytes) in &served(&files)? {
        let mut tag = String::new();
        for byte in Sha256::digest(bytes).iter().take(16) {
            write!(tag, "{byte:02x}")?;
        }
        let packed = format!("{tag}-{ITERATIONS}.gz");
        pack(bytes, &out.join(&packed))?;
        kept.insert(packed.clone());
        writeln!(
            table,
            "Asset {{ name: {name:?}, etag: \"\\\"{tag}\\\"\", size: {}, gzip: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{packed}\")) }},",
            bytes.len()
        )?;
    }
    table.push(']');
    fs::write(out.join("assets.rs"), table)?;
    for entry in fs::read_dir(&out)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".gz") && !kept.contains(name.as_ref()) {
            fs::remove_file(path)?;
        }
    }
    about(&manifest);
    Ok(())
}

/// All files as they are served, by their names.
fn served(files: &[(String, PathBuf)]) -> Result<BTreeMap<String, Vec<u8>>, Box<dyn Error>> {
    let (mut all, mut scripts) = (BTreeMap::new(), BTreeMap::new());
    let mut begins = BTreeSet::new();
    for (name, path) in files {
        let bytes = fs::read(path)?;
        let is_ours = !name.starts_with("vendor/");
        if is_ours && (name.ends_with(".js") || name.ends_with(".css")) {
            let source = String::from_utf8(bytes)?;
            let text = unread::without(&source, name.ends_with(".js"));
            let text = text.ok_or_else(|| format!("ui/{name}: a comment has no end"))?;
            if name.ends_with(".js") {
                // What a function does is indented, or stands behind `async`.
                let waits = source.lines().any(|line| {
                    let is_outside = line.starts_with(|first: char| first.is_ascii_alphabetic());
                    is_outside && line.contains("await") && !line.contains("async")
                });
                scripts.insert(name.clone(), join::Script { text: text.clone(), waits });
            }
            let is_read = READ.contains(&name.as_str());
            all.insert(name.clone(), if is_read { source } else { text }.into_bytes());
            continue;
        }
        if name.ends_with(".html") {
            let page = std::str::from_utf8(&bytes)?;
            begins.extend(page.lines().filter_map(module_of).map(str::to_owned));
        }
        all.insert(name.clone(), bytes);
    }
    if scripts.is_empty() {
        return Ok(all);
    }
    let of_pages =
        begins.iter().map(String::as_str).filter(|it| !READ.contains(it) && !SHARED.contains(it));
    let homes: Vec<_> = SHARED.into_iter().chain(of_pages).collect();
    let pages: Vec<_> = begins.iter().map(String::as_str).chain(READ).collect();
    let ui = join::Ui { scripts: &scripts, pages: &pages, homes: &homes, kept: &READ };
    let joined = join::join(ui).map_err(|why| format!("ui: {why}"))?;
    all.retain(|name, _| !joined.members.contains_key(name));
    for (name, text) in joined.files {
        if !READ.contains(&name.as_str()) {
            all.insert(name, text.into_bytes());
        }
    }
    for (name, bytes) in all.iter_mut().filter(|(name, _)| name.ends_with(".html")) {
        let page = String::from_utf8(std::mem::take(bytes))?;
        // Nobody asks for what is in another file.
        let asks = |line: &str| {
            line.trim_start().starts_with("<link ")
                && joined.members.keys().any(|it| line.contains(&format!("href=\"{it}\"")))
        };
        let page: String = page.split_inclusive('\n').filter(|line| !asks(line)).collect();
        if let Some((member, home)) = joined.members.iter().find(|(it, _)| page.contains(*it)) {
            return Err(format!("ui/{name} names {member}, which is in {home}").into());
        }
        *bytes = page.into_bytes();
    }
    Ok(all)
}

/// The module that a line of a page begins.
fn module_of(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("<script type=\"module\" src=\"")?;
    Some(rest.split_once('"')?.0)
}

/// Compresses a file as small as gzip can be, which takes seconds for all: one that is there
/// from an earlier build stays. Cut short, it leaves none.
fn pack(bytes: &[u8], to: &Path) -> Result<(), Box<dyn Error>> {
    if to.exists() {
        return Ok(());
    }
    let mut packed = Vec::new();
    let options = zopfli::Options { iteration_count: ITERATIONS, ..Default::default() };
    zopfli::compress(options, zopfli::Format::Gzip, bytes, &mut packed)?;
    let part = to.with_extension("part");
    fs::write(&part, packed)?;
    Ok(fs::rename(part, to)?)
}

fn collect(
    root: &Path,
    dir: &Path,
    files: &mut Vec<(String, PathBuf)>,
) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Types are for those who write the pages.
        if name.starts_with('.') || name.ends_with(".d.ts") {
            continue;
        }
        if path.is_dir() {
            println!("cargo:rerun-if-changed={}", path.display());
            collect(root, &path, files)?;
        } else {
            let name = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
            files.push((name, path));
        }
    }
    Ok(())
}

/// Revision, platform and compiler for the version texts.
fn about(manifest: &Path) {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").current_dir(manifest).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let revision = git(&["rev-parse", "--short=7", "HEAD"]).unwrap_or_default();
    println!("cargo:rustc-env=RS2RTC_REVISION={revision}");
    if let Some(head) = git(&["rev-parse", "--path-format=absolute", "--git-path", "HEAD"]) {
        println!("cargo:rerun-if-changed={head}");
    }
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    let os = match var("CARGO_CFG_TARGET_OS").as_str() {
        "macos" => "darwin".to_owned(),
        other => other.to_owned(),
    };
    let arch = match var("CARGO_CFG_TARGET_ARCH").as_str() {
        "x86_64" => "amd64".to_owned(),
        "aarch64" => "arm64".to_owned(),
        "x86" => "386".to_owned(),
        other => other.to_owned(),
    };
    println!("cargo:rustc-env=RS2RTC_PLATFORM={os}/{arch}");
    let compiler = Command::new(var("RUSTC")).arg("--version").output();
    let compiler = compiler.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    println!("cargo:rustc-env=RS2RTC_COMPILER={}", compiler.unwrap_or_default());
}
