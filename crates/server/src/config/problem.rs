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
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.text)
    }
}

/// The candidate nearest to a mistyped word, if one is near enough.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edit distance where swapping two neighbours counts once.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().take(64).collect();
    let b: Vec<char> = b.to_lowercase().chars().take(64).collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_nearest_key() {
        let keys = ["listen", "username", "password", "tls_listen"];
        assert_eq!(nearest("lisen", keys), Some("listen"));
        assert_eq!(nearest("usrename", keys), Some("username"));
        assert_eq!(nearest("colour", keys), None);
    }
}
