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
    /// The same for who says it in another language.
    pub code: Option<Code>,
}

impl Problem {
    /// With its code.
    pub fn coded(self, code: Code) -> Self {
        Self { code: Some(code), ..self }
    }
}

/// The kinds of mistakes that are made most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// Nobody asks for this key; there may be one that is written nearly so.
    UnknownKey(Option<String>),
    /// What a value must be, and what it is.
    WrongValue([String; 2]),
    /// Least and most, and what it is.
    OutOfRange([String; 3]),
    /// No source is of this scheme; there may be one that is written nearly so.
    UnknownScheme(String, Option<String>),
    /// The line in which the key is written already.
    Repeated(usize),
    /// It is no YAML, as the reader says.
    Syntax(String),
}

impl Code {
    /// As the API names it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::UnknownKey(_) => "unknown_key",
            Self::WrongValue(_) => "wrong_value",
            Self::OutOfRange(_) => "out_of_range",
            Self::UnknownScheme(..) => "unknown_scheme",
            Self::Repeated(_) => "repeated",
            Self::Syntax(_) => "syntax",
        }
    }

    /// What goes into its words, in the order of the text.
    pub fn values(&self) -> Vec<String> {
        match self {
            Self::UnknownKey(near) => near.iter().cloned().collect(),
            Self::WrongValue(values) => values.to_vec(),
            Self::OutOfRange(values) => values.to_vec(),
            Self::UnknownScheme(scheme, near) => {
                std::iter::once(scheme).chain(near).cloned().collect()
            }
            Self::Repeated(line) => vec![line.to_string()],
            Self::Syntax(text) => vec![text.clone()],
        }
    }
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
        problems.push(Problem { severity: Severity::Warning, text, code: None, ..last });
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
        Problem { severity, file, at, path, text, code: None }
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
