//! The admin token: a secret that the program makes at its first start and
//! keeps beside its configuration. Who brings it (`Authorization: Bearer`) may do
//! what otherwise only this machine may do.

use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rs2rtc_base::{Error, ErrorKind, Secret};

use crate::boot::random;

/// Shortest token that is taken from a file.
const MIN: usize = 32;
/// Longest one.
const MAX: usize = 512;

/// Where the token of a configuration file is.
pub fn path_of(config: &Path) -> PathBuf {
    config.with_extension("token")
}

/// Reads the token, or makes one that only the owner of the file can read. Says
/// whether it is new.
///
/// # Errors
/// Kind `Config`, naming the file.
pub fn load_or_make(path: &Path) -> Result<(Secret, bool), Error> {
    match std::fs::read_to_string(path) {
        Ok(text) => read(path, text.trim()).map(|token| (token, false)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(path).map(|token| (token, true))
        }
        Err(error) => Err(problem(path, &error)),
    }
}

fn read(path: &Path, text: &str) -> Result<Secret, Error> {
    let good = (MIN..=MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if !good {
        let text =
            format!("no token in it (at least {MIN} characters); remove it to get a new one");
        return Err(problem(path, &text));
    }
    let mode = std::fs::metadata(path).map_or(0, |about| about.permissions().mode());
    if mode & 0o077 != 0 {
        tracing::warn!(target: "api", path = %path.display(), "others can read the admin token: chmod 600");
    }
    Ok(Secret::new(text))
}

fn make(path: &Path) -> Result<Secret, Error> {
    let bytes: [u8; 32] = random()?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let written =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(
            |mut file| {
                file.write_all(format!("{text}\n").as_bytes())?;
                file.sync_all()
            },
        );
    match written {
        Ok(()) => Ok(Secret::new(&text)),
        Err(error) => Err(problem(path, &error)),
    }
}

fn problem(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Config, format!("admin token: {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_once_for_its_owner_only() {
        let dir = std::env::temp_dir().join(format!("rs2rtc-token-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = path_of(&dir.join("rs2rtc.yaml"));
        assert_eq!(path, dir.join("rs2rtc.token"));
        let (token, is_new) = load_or_make(&path).unwrap();
        assert!(is_new && token.expose().len() == 64);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (again, is_new) = load_or_make(&path).unwrap();
        assert!(!is_new && again.expose() == token.expose());
        std::fs::write(&path, "short\n").unwrap();
        let error = load_or_make(&path).unwrap_err().to_string();
        assert!(error.contains("rs2rtc.token") && !error.contains("short"), "{error}");
        let missing = dir.join("no/such/folder.token");
        assert!(load_or_make(&missing).unwrap_err().to_string().contains("folder.token"));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
