//! The configuration file on disk: reading, and writing so that it is never seen
//! half written. Writers take turns; what was there before is kept as a version.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::document::parse_text;
use super::merge::{MergeError, merge};
use super::node::{Node, Value};
use super::patch::{Edit, PatchError, patch};
use super::versions::{self, Versions};

/// The file that is written back to.
#[derive(Debug)]
pub struct ConfigFile {
    path: Option<PathBuf>,
    guard: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Why no version could be kept, to be said once.
    no_versions: Option<String>,
    trial: Option<Trial>,
}

/// A text that stands in the file until it is settled whether it stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Names the text, with every key that was changed in it since.
    pub version: String,
    /// What comes back if it does not stay. The same keys are changed in it, too.
    pub before: String,
}

impl Trial {
    /// What somebody else has written is not on trial.
    fn follow(
        &mut self,
        old: &str,
        new: &str,
        change: impl FnOnce(&str) -> Result<String, WriteError>,
    ) {
        if self.version != versions::id(old) {
            return;
        }
        self.version = versions::id(new);
        match change(&self.before) {
            Ok(before) => self.before = before,
            Err(error) => {
                tracing::warn!(target: "config", %error, "a change that holds only if the trial is confirmed");
            }
        }
    }
}

/// Why the file was not written. The old text stands in it then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The program runs without a configuration file.
    #[error("config file disabled")]
    Disabled,
    /// The change itself is not possible.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// What is merged in does not fit.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// The file is not the one that the change was made for.
    #[error("the file was changed meanwhile; its version is {current}")]
    Conflict {
        /// Names the text that is there.
        current: String,
    },
    /// A part of the file cannot be changed without losing the rest.
    #[error("{path}: is not UTF-8, save it as that first")]
    NotText {
        /// The file.
        path: String,
    },
    /// The disk said no.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
}

impl WriteError {
    /// Whether the entry that was to be changed stands in the file as before, so that
    /// the next start would bring it back.
    pub const fn keeps_old(&self) -> bool {
        !matches!(self, Self::Disabled | Self::Patch(PatchError::NoPath))
    }

    /// Whether the file does not exist.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

impl ConfigFile {
    /// Write-back to this file; `None` disables it.
    pub fn new(path: Option<PathBuf>) -> Self {
        Self { path, guard: Mutex::default() }
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

    /// The text; a missing file is empty.
    ///
    /// # Errors
    /// Disabled, or what the system says.
    pub fn text(&self) -> Result<String, WriteError> {
        match self.read() {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.is_missing() => Ok(String::new()),
            Err(error) => Err(error),
        }
    }

    /// What stood in the file before, if the system lets us keep it.
    pub fn versions(&self) -> Option<Versions> {
        self.path.as_deref().map(Versions::of)
    }

    /// Why no versions are kept at present.
    pub fn no_versions(&self) -> Option<String> {
        self.lock().no_versions.clone()
    }

    /// Replaces the whole text. The caller has checked it. No other one is on trial any more.
    ///
    /// # Errors
    /// Disabled, or what the system says; the old text is kept then.
    pub fn write(&self, text: &str) -> Result<(), WriteError> {
        let mut state = self.lock();
        self.put(&mut state, |_| Ok(text.to_owned()))?;
        state.trial.take_if(|trial| trial.version != versions::id(text));
        self.mark(&state);
        Ok(())
    }

    /// Replaces the whole text if the file is still the one of version `base`. None
    /// is on trial any more.
    ///
    /// # Errors
    /// `Conflict`, or as [`Self::write`].
    pub fn replace(&self, base: &str, text: &str) -> Result<(), WriteError> {
        self.exchange(base, text, None)
    }

    /// Replaces the whole text as [`Self::replace`] does, and remembers the one that
    /// comes back if it is not to stay.
    ///
    /// # Errors
    /// As [`Self::replace`].
    pub fn try_out(&self, base: &str, text: &str, before: &str) -> Result<(), WriteError> {
        let trial = Trial { version: versions::id(text), before: before.to_owned() };
        self.exchange(base, text, Some(trial))
    }

    fn exchange(&self, base: &str, text: &str, trial: Option<Trial>) -> Result<(), WriteError> {
        let mut state = self.lock();
        let known = std::mem::replace(&mut state.trial, trial);
        // A trial is known before it begins: the program may be ended at any moment.
        if state.trial.is_some() {
            self.mark(&state);
        }
        let done = self.put(&mut state, |old| match versions::id(old) {
            current if current == base => Ok(text.to_owned()),
            current => Err(WriteError::Conflict { current }),
        });
        if done.is_err() {
            state.trial = known;
        }
        if done.is_err() || state.trial.is_none() {
            self.mark(&state);
        }
        done.map(drop)
    }

    /// Takes back a text that was on trial when the program was ended without a word. Says
    /// whether there was one; nobody else may have written the file since.
    ///
    /// # Errors
    /// What the system says; the next start tries it again.
    pub fn roll_back(&self) -> Result<bool, WriteError> {
        let Some((version, before)) = self.versions().and_then(|kept| kept.marked()) else {
            return Ok(false);
        };
        let done = self.put(&mut self.lock(), |old| match versions::id(old) {
            current if current == version => Ok(before),
            current => Err(WriteError::Conflict { current }),
        });
        let is_over = matches!(done, Ok(_) | Err(WriteError::Conflict { .. }));
        if let Some(kept) = self.versions().filter(|_| is_over) {
            kept.unmark();
        }
        match done {
            Ok(_) => Ok(true),
            Err(WriteError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Remembers what is on trial for the next start.
    fn mark(&self, state: &State) {
        let Some(kept) = self.versions() else { return };
        let Some(trial) = &state.trial else { return kept.unmark() };
        if let Err(error) = kept.mark(&trial.version, &trial.before) {
            let folder = kept.folder().display();
            tracing::warn!(target: "config", "{folder}: {error}: a trial would outlast a crash");
        }
    }

    /// The text that is on trial.
    pub fn trial(&self) -> Option<Trial> {
        self.lock().trial.clone()
    }

    /// What stands in the file stays.
    pub fn settle(&self) {
        let mut state = self.lock();
        state.trial = None;
        self.mark(&state);
    }

    /// Changes one key and leaves every other byte as it is. A missing file counts as empty.
    ///
    /// # Errors
    /// See [`WriteError`]; the file is untouched then.
    pub fn patch(&self, path: &[&str], edit: &Edit) -> Result<(), WriteError> {
        self.change(|text| Ok(patch(text, path, edit)?))
    }

    /// Merges a document into the file; what it does not name stays as it is.
    ///
    /// # Errors
    /// A missing file; else see [`WriteError`].
    pub fn merge(&self, document: &Node) -> Result<(), WriteError> {
        self.read()?;
        self.change(|text| Ok(merge(text, document)?))
    }

    /// Writes the sources of a stream; of a stream in mapping form only its `url` changes.
    ///
    /// # Errors
    /// As [`Self::patch`].
    pub fn set_stream(&self, name: &str, edit: &Edit) -> Result<(), WriteError> {
        self.change(|text| {
            let (text, root) = parse_text(text);
            let (text, root) = (text.as_ref(), root.map_err(PatchError::from)?);
            let entry = root.get("streams").and_then(|s| s.node.get(name));
            let mapping = entry.filter(|e| matches!(e.node.value, Value::Map(_)));
            let (Some(entry), Some(url)) = (mapping, edit.value()) else {
                return Ok(patch(text, &["streams", name], edit)?);
            };
            match patch(text, &["streams", name, "url"], edit) {
                // A mapping in braces is written anew, one key on a line.
                Err(PatchError::Flow { .. }) => {
                    let mut whole = entry.node.to_json();
                    if let Some(keys) = whole.as_object_mut() {
                        keys.insert("url".to_owned(), url);
                    }
                    Ok(patch(text, &["streams", name], &Edit::Value(whole))?)
                }
                other => Ok(other?),
            }
        })
    }

    /// Writes what is preloaded of a stream.
    ///
    /// # Errors
    /// As [`Self::patch`].
    pub fn set_preload(&self, name: &str, edit: &Edit) -> Result<(), WriteError> {
        self.patch(&["preload", name], edit)
    }

    fn change(
        &self,
        change: impl Fn(&str) -> Result<String, WriteError>,
    ) -> Result<(), WriteError> {
        let mut state = self.lock();
        self.must_be_text()?;
        let (old, new) = self.put(&mut state, &change)?;
        if let Some(trial) = &mut state.trial {
            trial.follow(&old, &new, change);
            self.mark(&state);
        }
        Ok(())
    }

    fn must_be_text(&self) -> Result<(), WriteError> {
        match (self.read(), self.path()) {
            (Ok(bytes), Some(path)) if std::str::from_utf8(&bytes).is_err() => {
                Err(WriteError::NotText { path: path.display().to_string() })
            }
            _ => Ok(()),
        }
    }

    /// Writes what a change makes of the text, and gives what stood there and what does.
    fn put(
        &self,
        state: &mut State,
        change: impl FnOnce(&str) -> Result<String, WriteError>,
    ) -> Result<(String, String), WriteError> {
        let path = self.path.as_deref().ok_or(WriteError::Disabled)?;
        let old = self.text()?;
        let new = change(&old)?;
        if new != old || !path.exists() {
            let saved = fs::metadata(path).and_then(|m| m.modified());
            keep(state, &Versions::of(path), &old, saved.unwrap_or_else(|_| SystemTime::now()));
            replace(path, new.as_bytes()).map_err(|source| io_error(path, source))?;
        }
        Ok((old, new))
    }

    /// Keeps a text that somebody else replaced in the file.
    pub fn keep(&self, text: &str, saved: SystemTime) {
        if let Some(versions) = self.versions() {
            keep(&mut self.lock(), &versions, text, saved);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A version that cannot be kept holds nothing up.
fn keep(state: &mut State, versions: &Versions, text: &str, saved: SystemTime) {
    match versions.keep(text, saved) {
        Ok(()) => state.no_versions = None,
        Err(error) => {
            let text = format!("{}: {error}", versions.folder().display());
            if state.no_versions.as_ref() != Some(&text) {
                tracing::warn!(target: "config", "no earlier versions are kept: {text}");
            }
            state.no_versions = Some(text);
        }
    }
}

fn io_error(path: &Path, source: io::Error) -> WriteError {
    WriteError::Io { path: path.display().to_string(), source }
}

/// Writes a temporary file beside, syncs it and renames it over the old one.
/// Where the folder does not let that happen (a single file mounted into a
/// container, a folder of somebody else) the file itself is written.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = resolve(path);
    let name = target.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let temporary = target.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let Err(error) = write_beside(&temporary, &target, bytes) else { return Ok(()) };
    let _ = fs::remove_file(&temporary);
    let folder_refuses = matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::ResourceBusy
            | io::ErrorKind::CrossesDevices
    );
    if folder_refuses && target.exists() { write_in_place(&target, bytes) } else { Err(error) }
}

/// Where the links of a path lead, also if there is nothing yet.
fn resolve(path: &Path) -> PathBuf {
    let mut target = path.to_owned();
    for _ in 0..8 {
        let Ok(link) = fs::read_link(&target) else { break };
        target = target.parent().unwrap_or_else(|| Path::new("")).join(link);
    }
    target
}

fn write_beside(temporary: &Path, target: &Path, bytes: &[u8]) -> io::Result<()> {
    // Left over by a process of the same number that was ended while writing.
    let _ = fs::remove_file(temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).open(temporary)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
        let old = fs::metadata(target).ok();
        if let Some(old) = &old {
            // Only a privileged process can; the mode matters more.
            let _ = fchown(&file, Some(old.uid()), Some(old.gid()));
        }
        let mode = old.map_or(0o644, |m| m.permissions().mode());
        file.set_permissions(fs::Permissions::from_mode(mode))?;
    }
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(temporary, target)?;
    if let Some(folder) = target.parent() {
        // Some file systems cannot; the file is there in any case.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    Ok(())
}

/// Puts the old text back if the new one does not fit.
fn write_in_place(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let old = fs::read(target)?;
    let mut file = OpenOptions::new().write(true).open(target)?;
    let mut put = |bytes: &[u8]| {
        file.rewind()?;
        file.write_all(bytes)?;
        file.set_len(bytes.len() as u64)?;
        file.sync_all()
    };
    put(bytes).inspect_err(|_| {
        let _ = put(&old);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("rs2rtc-file-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn list(values: &[&str]) -> Edit {
        Edit::List(values.iter().map(|v| (*v).to_owned()).collect())
    }

    #[test]
    fn writes_atomically_and_only_what_changed() {
        let dir = folder("write");
        let path = dir.join("go2rtc.yaml");
        let file = ConfigFile::new(Some(path.clone()));
        file.set_stream("n", &list(&["rtsp://127.0.0.1:1/n"])).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "streams:\n  \"n\":\n    - rtsp://127.0.0.1:1/n\n"
        );
        file.write("streams:\n  m: {url: a, linger: 1s}\n  k:\n    url: b\n    linger: 1s\n")
            .unwrap();
        file.set_stream("k", &list(&["c"])).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("    url:\n      - c\n    linger: 1s\n"), "{text}");
        file.set_stream("m", &list(&["c"])).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("  m:\n    url:\n      - c\n    linger: 1s\n  k:\n"), "{text}");
        file.set_stream("m", &Edit::Remove).unwrap();
        assert!(!fs::read_to_string(&path).unwrap().contains("m:"));
        let mut left: Vec<_> =
            fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".rs2rtc", "go2rtc.yaml"]);
        assert_eq!(file.versions().unwrap().list().unwrap().len(), 4);
        fs::remove_dir_all(&dir).unwrap();
        let error = ConfigFile::new(None).set_stream("a", &Edit::Remove).unwrap_err();
        assert_eq!(error.to_string(), "config file disabled");
    }

    #[cfg(unix)]
    #[test]
    fn mode_and_links_stay() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let dir = folder("mode");
        let (real, link) = (dir.join("real.yaml"), dir.join("link.yaml"));
        symlink("real.yaml", &link).unwrap();
        let file = ConfigFile::new(Some(link.clone()));
        file.write("a: 1\n").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&real), 0o644);
        fs::set_permissions(&real, fs::Permissions::from_mode(0o600)).unwrap();
        file.write("a: 2\n").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!((fs::read_to_string(&real).unwrap().as_str(), mode(&real)), ("a: 2\n", 0o600));
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn an_error_names_the_file_and_leaves_it_alone() {
        let dir = folder("error");
        let path = dir.join("folder.yaml");
        fs::create_dir_all(&path).unwrap();
        let error = ConfigFile::new(Some(path.clone())).write("a: 1\n").unwrap_err();
        assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
        let nowhere = dir.join("no").join("file.yaml");
        let error = ConfigFile::new(Some(nowhere.clone())).write("a: 1\n").unwrap_err();
        assert!(error.to_string().starts_with(&nowhere.display().to_string()), "{error}");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn bytes_that_are_no_text_are_not_lost() {
        let dir = folder("latin");
        let path = dir.join("a.yaml");
        let latin = b"streams:\n  caf\xe9: rtsp://127.0.0.1:1/x\n";
        fs::write(&path, latin).unwrap();
        let file = ConfigFile::new(Some(path.clone()));
        let error = file.set_stream("b", &list(&["x:1"])).unwrap_err();
        assert!(matches!(error, WriteError::NotText { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), latin);
        file.write("streams:\n  caf\u{e9}: rtsp://127.0.0.1:1/x\n").unwrap();
        file.set_stream("b", &list(&["x:1"])).unwrap();
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn in_place_the_rest_of_a_longer_text_goes() {
        let dir = folder("place");
        let path = dir.join("a.yaml");
        fs::write(&path, "a: 1234567890\n").unwrap();
        write_in_place(&path, b"a: 1\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a: 1\n");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn only_the_expected_version_is_replaced() {
        let dir = folder("base");
        let file = ConfigFile::new(Some(dir.join("a.yaml")));
        file.replace(&versions::id(""), "a: 1\n").unwrap();
        let error = file.replace(&versions::id(""), "a: 2\n").unwrap_err();
        assert!(
            matches!(error, WriteError::Conflict { current } if current == versions::id("a: 1\n"))
        );
        assert_eq!(file.text().unwrap(), "a: 1\n");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_comes_back_from_a_trial_has_later_changes_too() {
        let dir = folder("trial");
        let file = ConfigFile::new(Some(dir.join("a.yaml")));
        let (before, tried) = ("streams:\n  a: x:1\n", "streams:\n  b: x:2\n");
        file.write(before).unwrap();
        file.try_out(&versions::id(before), tried, before).unwrap();
        file.set_stream("c", &list(&["x:3"])).unwrap();
        file.set_stream("b", &Edit::Remove).unwrap();
        file.merge(&Node::parse("log: {level: debug}").unwrap()).unwrap();
        let trial = file.trial().unwrap();
        let more = "  c:\n    - x:3\nlog:\n  level: debug\n";
        assert_eq!(trial.before, format!("{before}{more}"));
        assert_eq!(file.text().unwrap(), format!("streams:\n{more}"));
        assert_eq!(trial.version, versions::id(&file.text().unwrap()));
        // A change that cannot be made in both leaves the other one as it is.
        file.try_out(&trial.version, tried, "streams: 5\n").unwrap();
        file.set_stream("c", &list(&["x:3"])).unwrap();
        assert_eq!(file.trial().unwrap().before, "streams: 5\n");
        // What somebody else wrote is none of it.
        fs::write(dir.join("a.yaml"), before).unwrap();
        let known = file.trial();
        file.set_stream("d", &list(&["x:4"])).unwrap();
        assert_eq!(file.trial(), known);
        file.write(tried).unwrap();
        assert_eq!(file.trial(), None);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn writers_at_once_lose_nothing_and_odd_names_stay_inside() {
        let dir = folder("many");
        let file = ConfigFile::new(Some(dir.join("a.yaml")));
        file.write("# head\nstreams:\n  first: rtsp://127.0.0.1:1/x  # kept\n").unwrap();
        let odd = [
            "with space",
            "Камера №1",
            "a/b",
            "../up",
            "quo\"te",
            "it's",
            "a: b",
            "#c",
            "- d",
            "{e}",
            "yes",
            "1984",
            "0x1f",
            "[f",
            "&g",
            "*h",
            "!i",
            "%j",
            "@k",
            "`l",
            "| m",
            "> n",
            "tab\tx",
            "new\nline",
            " lead",
            "trail ",
            "null",
            "~",
            "<<",
            "caf\u{e9}\u{301}",
            "\u{feff}bom",
            "\u{85}nel",
            "\u{2028}sep",
        ];
        std::thread::scope(|scope| {
            for name in odd {
                let file = &file;
                scope.spawn(move || {
                    file.set_stream(name, &list(&[&format!("rtsp://127.0.0.1:1/{name}")])).unwrap();
                });
            }
        });
        let text = file.text().unwrap();
        assert!(text.starts_with("# head\nstreams:\n  first: rtsp://127.0.0.1:1/x  # kept\n"));
        let root = Node::parse(&text).unwrap();
        let streams = &root.get("streams").unwrap().node;
        for name in odd {
            let entry = streams.get(name).unwrap_or_else(|| panic!("{name:?} is lost in\n{text}"));
            let Value::List(items) = &entry.node.value else { panic!("{text}") };
            assert_eq!(items[0].text().unwrap(), format!("rtsp://127.0.0.1:1/{name}"));
        }
        for name in odd {
            file.set_stream(name, &Edit::Remove).unwrap();
        }
        assert_eq!(
            file.text().unwrap(),
            "# head\nstreams:\n  first: rtsp://127.0.0.1:1/x  # kept\n"
        );
        fs::remove_dir_all(&dir).unwrap();
    }
}
