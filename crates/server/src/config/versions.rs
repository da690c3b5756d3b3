//! The last versions of the configuration file: what stood in it before it was
//! changed. They lie in `.rs2rtc/versions` beside the file, readable for the
//! owner only, because they hold what the file holds.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

/// How many are kept.
pub const KEPT: usize = 10;
/// A longer file is no configuration of ours; it is not kept.
const LONGEST: u64 = 4 * 1024 * 1024;

/// Names a text: the first 16 hexadecimal digits of its SHA-256.
pub fn id(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// A kept version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Counts up with every version that was kept.
    pub number: u64,
    /// When this text was saved.
    pub saved: SystemTime,
    /// The text.
    pub text: String,
}

/// The folder of versions of one file.
#[derive(Clone, Debug)]
pub struct Versions {
    folder: PathBuf,
    name: String,
}

impl Versions {
    /// The versions of a file.
    pub fn of(file: &Path) -> Self {
        let name = file.file_name().map(|n| n.to_string_lossy().into_owned());
        Self {
            folder: file.with_file_name(".rs2rtc").join("versions"),
            name: name.unwrap_or_default(),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps a text that is about to be replaced, and drops the oldest.
    ///
    /// # Errors
    /// What the system says; without permission there are no versions.
    pub fn keep(&self, text: &str, saved: SystemTime) -> io::Result<()> {
        if text.is_empty() || text.len() as u64 > LONGEST {
            return Ok(());
        }
        let mut numbers = self.numbers()?;
        if let Some(last) = numbers.last() {
            if self.read_text(*last).is_ok_and(|newest| newest == text) {
                return Ok(());
            }
        } else {
            self.make_folder()?;
        }
        let number = numbers.last().map_or(1, |last| last.saturating_add(1));
        let mut file = create(&self.path(number))?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.set_modified(saved));
        if let Err(error) = written {
            let _ = fs::remove_file(self.path(number));
            return Err(error);
        }
        numbers.push(number);
        for old in numbers.iter().rev().skip(KEPT) {
            let _ = fs::remove_file(self.path(*old));
        }
        Ok(())
    }

    /// All of them, newest first.
    ///
    /// # Errors
    /// What the system says of the folder; a missing one is empty.
    pub fn list(&self) -> io::Result<Vec<Version>> {
        let numbers = self.numbers()?;
        Ok(numbers.iter().rev().take(KEPT).filter_map(|n| self.get(*n).ok()).collect())
    }

    /// One of them.
    ///
    /// # Errors
    /// `NotFound`, or what the system says.
    pub fn get(&self, number: u64) -> io::Result<Version> {
        let text = self.read_text(number)?;
        let saved = fs::metadata(self.path(number))?.modified()?;
        Ok(Version { number, saved, text })
    }

    /// Remembers beyond the end of the program that the text of a version is on trial, and
    /// what comes back if it does not stay.
    ///
    /// # Errors
    /// What the system says.
    pub fn mark(&self, version: &str, before: &str) -> io::Result<()> {
        self.make_folder()?;
        let new = self.folder.join(format!("{}.trial.tmp", self.name));
        let _ = fs::remove_file(&new);
        let mut file = create(&new)?;
        // Half a text is none.
        write!(file, "{version} {}\n{before}", id(before))?;
        file.sync_all()?;
        fs::rename(&new, self.mark_path())
    }

    /// What [`Self::mark`] has remembered: the version on trial, and the text before it.
    pub fn marked(&self) -> Option<(String, String)> {
        let mut text = String::new();
        File::open(self.mark_path()).ok()?.take(2 * LONGEST).read_to_string(&mut text).ok()?;
        let (head, before) = text.split_once('\n')?;
        let (version, hash) = head.split_once(' ')?;
        (hash == id(before)).then(|| (version.to_owned(), before.to_owned()))
    }

    /// Nothing is on trial any more.
    pub fn unmark(&self) {
        let _ = fs::remove_file(self.mark_path());
    }

    fn mark_path(&self) -> PathBuf {
        self.folder.join(format!("{}.trial", self.name))
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{}.{number}", self.name))
    }

    fn read_text(&self, number: u64) -> io::Result<String> {
        let mut text = String::new();
        File::open(self.path(number))?.take(LONGEST).read_to_string(&mut text)?;
        Ok(text)
    }

    /// Ascending.
    fn numbers(&self) -> io::Result<Vec<u64>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut numbers: Vec<u64> = entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name();
                name.to_str()?.strip_prefix(&self.name)?.strip_prefix('.')?.parse().ok()
            })
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn make_folder(&self) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.folder)
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_last_ten_are_kept() {
        let dir = std::env::temp_dir().join(format!("rs2rtc-versions-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let versions = Versions::of(&dir.join("a.yaml"));
        assert!(versions.list().unwrap().is_empty());
        let at = |n: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(n);
        for n in 1..=13 {
            versions.keep(&format!("n: {n}\n"), at(n)).unwrap();
            versions.keep(&format!("n: {n}\n"), at(n + 100)).unwrap();
        }
        versions.keep("", at(1)).unwrap();
        Versions::of(&dir.join("b.yaml")).keep("b: 1\n", at(1)).unwrap();
        let all = versions.list().unwrap();
        let numbers: Vec<u64> = all.iter().map(|v| v.number).collect();
        assert_eq!(numbers, [13, 12, 11, 10, 9, 8, 7, 6, 5, 4]);
        assert_eq!((all[0].text.as_str(), all[0].saved), ("n: 13\n", at(13)));
        assert_eq!(versions.get(5).unwrap().text, "n: 5\n");
        assert_eq!(versions.get(1).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_text_has_one_name() {
        assert_eq!(id(""), "e3b0c44298fc1c14");
        assert_ne!(id("a: 1\n"), id("a: 2\n"));
    }
}
