//! The configuration file on disk: reading, and writing so that it is never seen
//! half written.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::node::{Node, Value};
use super::patch::{Edit, PatchError, patch};

/// The file that is written back to.
#[derive(Debug)]
pub struct ConfigFile {
    path: Option<PathBuf>,
    guard: Mutex<()>,
}

/// Why the file was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The program runs without a configuration file.
    #[error("config file disabled")]
    Disabled,
    /// The change itself is not possible.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// The disk said no.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
}

impl ConfigFile {
    /// Write-back to this file; `None` disables it.
    pub const fn new(path: Option<PathBuf>) -> Self {
        Self { path, guard: Mutex::new(()) }
    }

    /// The absolute path.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The raw bytes.
    ///
    /// # Errors
    /// Disabled, or what the system says (`NotFound` included).
    pub fn read(&self) -> Result<Vec<u8>, WriteError> {
        let path = self.path.as_deref().ok_or(WriteError::Disabled)?;
        fs::read(path).map_err(|source| io_error(path, source))
    }

    /// Replaces the whole text. The caller has checked it.
    ///
    /// # Errors
    /// Disabled, or what the system says; the old text is kept then.
    pub fn write(&self, text: &str) -> Result<(), WriteError> {
        let path = self.path.as_deref().ok_or(WriteError::Disabled)?;
        let _guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        replace(path, text.as_bytes()).map_err(|source| io_error(path, source))
    }

    /// Changes one key and leaves every other byte as it is. A missing file counts as empty.
    ///
    /// # Errors
    /// See [`WriteError`]; the file is untouched then.
    pub fn patch(&self, path: &[&str], edit: &Edit) -> Result<(), WriteError> {
        self.change(|text| patch(text, path, edit))
    }

    /// Writes the sources of a stream; of a stream in mapping form only its `url` changes.
    ///
    /// # Errors
    /// As [`Self::patch`].
    pub fn set_stream(&self, name: &str, edit: &Edit) -> Result<(), WriteError> {
        self.change(|text| {
            let root = Node::parse(text)?;
            let entry = root.get("streams").and_then(|s| s.node.get(name));
            let mapping = entry.is_some_and(|e| matches!(e.node.value, Value::Map(_)));
            if mapping && *edit != Edit::Remove {
                patch(text, &["streams", name, "url"], edit)
            } else {
                patch(text, &["streams", name], edit)
            }
        })
    }

    fn change(
        &self,
        change: impl FnOnce(&str) -> Result<String, PatchError>,
    ) -> Result<(), WriteError> {
        let path = self.path.as_deref().ok_or(WriteError::Disabled)?;
        let _guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        let old = match fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(io_error(path, error)),
        };
        let new = change(&old)?;
        if new == old {
            return Ok(());
        }
        replace(path, new.as_bytes()).map_err(|source| io_error(path, source))
    }
}

fn io_error(path: &Path, source: io::Error) -> WriteError {
    WriteError::Io { path: path.display().to_string(), source }
}

/// Writes a temporary file beside, syncs it and renames it over the old one.
/// Where that is not possible (a single file mounted into a container), the file
/// is written in place.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = target.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let temporary = target.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let renamed = write_beside(&temporary, &target, bytes);
    if renamed.is_err() {
        let _ = fs::remove_file(&temporary);
        let mut file = File::create(&target)?;
        file.write_all(bytes)?;
        return file.sync_all();
    }
    Ok(())
}

fn write_beside(temporary: &Path, target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(temporary)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(target).map_or(0o644, |m| m.permissions().mode());
        file.set_permissions(fs::Permissions::from_mode(mode))?;
    }
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(temporary, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_atomically_and_only_what_changed() {
        let dir = std::env::temp_dir().join(format!("rs2rtc-file-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("go2rtc.yaml");
        let file = ConfigFile::new(Some(path.clone()));
        file.set_stream("n", &Edit::List(vec!["rtsp://127.0.0.1:1/n".into()])).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "streams:\n  \"n\":\n    - rtsp://127.0.0.1:1/n\n"
        );
        file.write("streams:\n  m: {url: a, linger: 1s}\n  k:\n    url: b\n    linger: 1s\n")
            .unwrap();
        file.set_stream("k", &Edit::List(vec!["c".into()])).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("    url:\n      - c\n    linger: 1s\n"), "{text}");
        assert!(file.set_stream("m", &Edit::List(vec!["c".into()])).is_err());
        file.set_stream("m", &Edit::Remove).unwrap();
        assert!(!fs::read_to_string(&path).unwrap().contains("m:"));
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        fs::remove_dir_all(&dir).unwrap();
        let error = ConfigFile::new(None).set_stream("a", &Edit::Remove).unwrap_err();
        assert_eq!(error.to_string(), "config file disabled");
    }
}
