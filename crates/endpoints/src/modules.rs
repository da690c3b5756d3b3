//! `app.modules`: which modules run (`spec/core.md` 1.2).

/// The modules that run. By default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modules(Option<Vec<String>>);

impl Modules {
    /// Only these; `None`: all.
    pub const fn new(names: Option<Vec<String>>) -> Self {
        Self(names)
    }

    /// What was named; `None`: all run.
    pub fn names(&self) -> Option<&[String]> {
        self.0.as_deref()
    }

    /// What to say of a module that does not run; `None`: it runs.
    pub fn without(&self, module: &str) -> Option<String> {
        let text = || format!("module {module:?} is off, add it to app.modules");
        (!self.has(module)).then(text)
    }

    /// Whether a module runs.
    pub fn has(&self, module: &str) -> bool {
        // go2rtc's own schema has another name for it than its code.
        let also = if module == "mpegts" { "mpeg" } else { module };
        self.0.as_ref().is_none_or(|names| names.iter().any(|n| n == module || n == also))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_list_all_run_and_with_one_only_its_own() {
        let only = |names: &[&str]| {
            Modules::new(Some(names.iter().map(|name| (*name).to_owned()).collect()))
        };
        assert!(Modules::default().has("demo"));
        assert!(!only(&[]).has("api"));
        assert!(only(&["api", "rtsp"]).has("rtsp") && !only(&["api", "rtsp"]).has("demo"));
        assert!(only(&["mpeg"]).has("mpegts") && only(&["mpegts"]).has("mpegts"));
        assert!(!only(&["mpegts"]).has("mpeg4"));
    }
}
