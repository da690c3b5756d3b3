//! Quotation marks: which end something, and which are part of a word.

/// A mark that text is put between.
pub(super) const fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'')
}

/// Whether a quotation mark before this text ends what it stands behind: what follows is
/// not part of a word.
pub(super) fn closes(after: &str) -> bool {
    after.chars().next().is_none_or(|c| {
        c.is_whitespace() || matches!(c, ',' | ';' | ':' | '}' | ']' | ')' | '>' | '\\')
    })
}

/// Where the inside of a quotation ends that is behind so many escapes and a mark: before its
/// counterpart, or at the end of the line.
pub(super) fn end_of_quotation(inside: &str, mark: char, escapes: usize) -> usize {
    let mut before = 0;
    for (at, c) in inside.char_indices() {
        match c {
            '\n' => return at,
            '\\' => before += 1,
            c if c == mark && before <= escapes => return at - before,
            _ => before = 0,
        }
    }
    inside.len()
}

/// The quotation that a place in a text is in.
#[derive(Debug, Default)]
pub(super) struct Quotation {
    open: Option<char>,
    last: Option<char>,
    /// Where it began, counted in bytes passed.
    begin: usize,
    passed: usize,
}

impl Quotation {
    /// Goes on by some text.
    pub(super) fn pass(&mut self, text: &str) {
        for c in text.chars() {
            self.passed += c.len_utf8();
            if c == '\n' || self.open == Some(c) {
                self.open = None;
            } else if self.open.is_none() && is_quote(c) && self.last.is_none_or(may_precede) {
                self.open = Some(c);
                self.begin = self.passed;
            }
            self.last = Some(c);
        }
    }

    /// The mark that ends it, if the place is in one.
    pub(super) const fn mark(&self) -> Option<char> {
        self.open
    }

    /// How many bytes of it have been passed.
    pub(super) const fn length(&self) -> usize {
        self.passed - self.begin
    }
}

/// Whether a quotation may begin behind this: not within a word (`can't`).
fn may_precede(c: char) -> bool {
    c.is_whitespace() || matches!(c, '=' | ':' | ',' | '(' | '[' | '{' | '<' | '>' | '\\' | '$')
}
