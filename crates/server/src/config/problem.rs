//! What is wrong in a configuration, and where.

use std::fmt;

use super::node::Position;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Read, but probably not meant so.
    Warning,
    /// Not usable; the rest is used.
    Error,
}

/// Something to correct in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The file, or the command line item.
    pub file: String,
    /// Where in it.
    pub at: Position,
    /// The key, e.g. `api.listen`; may be empty.
    pub path: String,
    /// What is wrong and what would be right; holds no secret.
    pub text: String,
}

/// Most problems that are told of one configuration.
const MOST: usize = 1000;

/// Leaves the first thousand, errors before warnings, and says how many more there are.
pub(super) fn bound(problems: &mut Vec<Problem>) {
    let is_error = |problem: &Problem| problem.severity == Severity::Error;
    let count = problems.len();
    if count <= MOST {
        return;
    }
    let mut errors = problems.iter().filter(|problem| is_error(problem)).count().min(MOST);
    let mut warnings = MOST - errors;
    problems.retain(|problem| {
        let left = if is_error(problem) { &mut errors } else { &mut warnings };
        let stays = *left > 0;
        *left = left.saturating_sub(1);
        stays
    });
    if let Some(last) = problems.last().cloned() {
        let text = format!("and {} more problems, which are not told", count - MOST);
        problems.push(Problem { severity: Severity::Warning, text, ..last });
    }
}

/// A place in a configuration, for problems that show only when all is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, or the command line item.
    pub file: String,
    /// Where in it.
    pub at: Position,
    /// The key.
    pub path: String,
}

impl Place {
    /// A problem at this place.
    pub fn problem(&self, severity: Severity, text: String) -> Problem {
        let Self { file, at, path } = self.clone();
        Problem { severity, file, at, path, text }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.at.line, self.at.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", one_line(&self.path))?;
        }
        f.write_str(&self.text)
    }
}

/// Letters that are shown of a key.
const SHOWN: usize = 200;

/// A key as a part of one line: names of streams may be anything.
fn one_line(path: &str) -> String {
    let end = path.char_indices().nth(SHOWN).map_or(path.len(), |(at, _)| at);
    let (start, rest) = path.split_at(end);
    let visible = |c: char| if c.is_control() { '\u{FFFD}' } else { c };
    let cut = if rest.is_empty() { "" } else { "…" };
    start.chars().map(visible).chain(cut.chars()).collect()
}
