//! Whether a file is the one that was read: without reading it, on every file system, also
//! for files that are mounted or replaced by renaming.

use std::path::Path;
use std::time::SystemTime;

/// When a file was changed, how long it is, and which file it is; nothing if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(Option<(SystemTime, u64, Inode)>);

/// The number of a file, and when anything of it was changed: a copy may have the
/// times of what it was copied from, and one that could not be read may be let.
type Inode = (u64, i64, i64);

impl Stamp {
    /// Of the file that a path leads to.
    pub fn of(path: &Path) -> Self {
        Self(of(path))
    }
}

fn of(path: &Path) -> Option<(SystemTime, u64, Inode)> {
    let meta = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let inode = {
        use std::os::unix::fs::MetadataExt as _;
        (meta.ino(), meta.ctime(), meta.ctime_nsec())
    };
    #[cfg(not(unix))]
    let inode = Inode::default();
    Some((meta.modified().ok()?, meta.len(), inode))
}
