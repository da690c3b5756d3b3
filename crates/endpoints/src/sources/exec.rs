//! placeholder

/// Settings of `exec:`.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Programs that may be run, compared exactly with the first word; `None` means any.
    pub allow_paths: Option<Vec<String>>,
}
