//! The limit of open descriptors (getrlimit(2), `RLIMIT_NOFILE`), and the space on a disk.
//!
//! Every viewer may have a socket of its own, and the soft limit that systems
//! start programs with (1024) is made for programs that call select(2), which
//! cannot name a higher descriptor. So we raise ours, and the programs that we
//! start get the old one back.

use std::io;
use std::path::Path;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Stands for a hard limit that says "any number".
const PLENTY: u64 = 1 << 20;

/// The soft limit before it was raised.
static ORIGINAL: OnceLock<u64> = OnceLock::new();

/// Raises the soft limit of open descriptors to the hard limit and gives the
/// limit in force then. To be called once, when a server starts.
pub fn raise_descriptor_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Some(soft) = current {
        let _ = ORIGINAL.set(soft);
        let wanted = maximum.unwrap_or(PLENTY);
        if wanted > soft {
            // Refused: the old limit stays, and is what we report.
            let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
        }
    }
    descriptor_limit()
}

/// The soft limit in force.
pub fn descriptor_limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(PLENTY)
}

/// The soft limit that programs which we start shall have: the one before
/// [`raise_descriptor_limit`]. `None`: it was not raised.
pub fn original_descriptor_limit() -> Option<u64> {
    ORIGINAL.get().copied()
}

/// Sets the soft limit back to what it was before [`raise_descriptor_limit`]:
/// before this process becomes another program by exec(2).
pub fn restore_descriptor_limit() {
    if let Some(soft) = original_descriptor_limit() {
        let _ = set_descriptor_limit(soft);
    }
}

/// Sets the soft limit of this process. Makes only system calls, so that it can
/// run between fork and exec.
///
/// # Errors
/// It is above the hard limit.
pub fn set_descriptor_limit(soft: u64) -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: Some(soft), maximum })?)
}

/// Bytes that are free for us where a file is, and all of them; `None` if the system does
/// not tell.
pub fn disk_space(place: &Path) -> Option<(u64, u64)> {
    let found = rustix::fs::statvfs(place).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Some((bytes(found.f_bavail), bytes(found.f_blocks)))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::io::sys::child;

    #[test]
    fn a_raised_limit_is_not_for_programs_that_we_start() {
        let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(PLENTY);
        let soft = hard - 1;
        set_descriptor_limit(soft).unwrap();
        assert_eq!(raise_descriptor_limit(), hard);
        assert_eq!(descriptor_limit(), hard);
        // Once more: still the first one counts.
        assert_eq!(raise_descriptor_limit(), hard);
        assert_eq!(original_descriptor_limit(), Some(soft));
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "ulimit -Sn"]);
        child::die_with_parent(&mut command);
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), soft.to_string());
    }
}
