//! Leaves out of what is packed what only people read: comments, and spaces that part nothing.
//! Every browser would load them.
//!
//! Lines keep their numbers, so that an error of the browser leads to the file, or below its name
//! where several are in one. That nothing else is left out is tested by
//! `tools/ui/packed.test.mjs`, which compares what a compiler reads in both.

/// The same script or stylesheet without what only people read. `None`: a comment or a text has
/// no end.
pub(crate) fn without(text: &str, is_script: bool) -> Option<String> {
    let mut packer =
        Packer { left: text.as_bytes(), out: Vec::with_capacity(text.len()), is_script };
    packer.code(false)?;
    while packer.out.last().is_some_and(u8::is_ascii_whitespace) {
        packer.out.pop();
    }
    packer.out.extend_from_slice(if text.ends_with('\n') { b"\n" } else { b"" });
    // Lines that end the file are lines, too.
    let lines = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
    let missing = lines(text.as_bytes()).saturating_sub(lines(&packer.out));
    packer.out.extend(std::iter::repeat_n(b'\n', missing));
    String::from_utf8(packer.out).ok()
}

struct Packer<'t> {
    left: &'t [u8],
    out: Vec<u8>,
    is_script: bool,
}

/// Words behind which a slash begins a regular expression.
const BEFORE_PATTERN: [&[u8]; 11] = [
    b"return", b"typeof", b"case", b"in", b"of", b"delete", b"void", b"throw", b"await", b"yield",
    b"else",
];

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'#') || !byte.is_ascii()
}

impl Packer<'_> {
    /// Up to the end, or up to the brace that ends what a template has in it.
    fn code(&mut self, is_within: bool) -> Option<()> {
        let mut depth = 0_u32;
        while let Some(&byte) = self.left.first() {
            match byte {
                b'\n' => {
                    self.trim();
                    self.take(1);
                }
                byte if byte.is_ascii_whitespace() => self.space(),
                b'/' if self.left.starts_with(b"/*") => self.comment()?,
                b'/' if self.is_script && self.left.starts_with(b"//") => {
                    let line = self.left.iter().position(|byte| *byte == b'\n');
                    self.left = self.left.get(line.unwrap_or(self.left.len())..)?;
                }
                b'/' if self.is_script && self.begins_pattern() => self.pattern()?,
                b'`' if self.is_script => self.template()?,
                b'"' | b'\'' => self.quoted(byte)?,
                b'{' => {
                    depth += 1;
                    self.take(1);
                }
                b'}' if depth == 0 && is_within => return Some(()),
                b'}' => {
                    depth = depth.saturating_sub(1);
                    self.take(1);
                }
                _ => self.take(1),
            }
        }
        (!is_within).then_some(())
    }

    /// Takes bytes over as they are.
    fn take(&mut self, count: usize) {
        let (taken, left) = self.left.split_at(count.min(self.left.len()));
        self.out.extend_from_slice(taken);
        self.left = left;
    }

    /// Takes spaces back that have turned out to be at the end of a line.
    fn trim(&mut self) {
        while self.out.last().is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
            self.out.pop();
        }
    }

    /// One space for several, and none where it parts nothing.
    fn space(&mut self) {
        let end = self.left.iter().position(|b| *b == b'\n' || !b.is_ascii_whitespace());
        self.left = self.left.get(end.unwrap_or(self.left.len())..).unwrap_or_default();
        let (before, after) = (self.out.last().copied(), self.left.first().copied());
        let (Some(before), Some(after)) = (before, after) else { return };
        let parts = match self.is_script {
            // `+ +`, `- -`, `/ /`, and what looks like a comment of HTML.
            true => {
                is_word(before) && (is_word(after) || self.left.starts_with(b"/*"))
                    || before == after && matches!(before, b'+' | b'-' | b'/')
                    || (before, after) == (b'<', b'!')
                    || before == b'-' && after == b'>'
                    || before == b'/' && self.left.starts_with(b"/*")
            }
            // Elsewhere they may part selectors.
            false => !matches!(before, b'{' | b'}' | b';') && !matches!(after, b'{' | b'}'),
        };
        if parts && !before.is_ascii_whitespace() {
            self.out.push(b' ');
        }
    }

    /// Only its lines stay.
    fn comment(&mut self) -> Option<()> {
        let end = self.left.get(2..)?.windows(2).position(|pair| pair == b"*/")?;
        let (comment, left) = self.left.split_at(end + 4);
        self.left = left;
        let lines = comment.iter().filter(|byte| **byte == b'\n').count();
        if lines > 0 {
            self.trim();
        }
        self.out.extend(std::iter::repeat_n(b'\n', lines));
        if self.out.last().is_some_and(|byte| *byte == b' ') {
            self.out.pop();
            // What is behind it decides whether there is a space.
            if self.left.first().is_some_and(|byte| !byte.is_ascii_whitespace()) {
                self.part();
            }
        }
        Some(())
    }

    /// A space between words.
    fn part(&mut self) {
        let words = self.out.last().zip(self.left.first());
        if words.is_some_and(|(before, after)| is_word(*before) && is_word(*after)) {
            self.out.push(b' ');
        }
    }

    /// A text in quotes ends in its line, unless the end of the line is escaped.
    fn quoted(&mut self, quote: u8) -> Option<()> {
        self.take(1);
        loop {
            match *self.left.first()? {
                b'\\' => self.take(2),
                byte => {
                    self.take(1);
                    if byte == quote {
                        return Some(());
                    }
                }
            }
        }
    }

    fn template(&mut self) -> Option<()> {
        self.take(1);
        loop {
            match *self.left.first()? {
                b'\\' => self.take(2),
                b'$' if self.left.starts_with(b"${") => {
                    self.take(2);
                    self.code(true)?;
                    self.take(1);
                }
                byte => {
                    self.take(1);
                    if byte == b'`' {
                        return Some(());
                    }
                }
            }
        }
    }

    /// Whether a slash begins a regular expression, and does not divide.
    fn begins_pattern(&self) -> bool {
        let code = self.out.trim_ascii_end();
        let Some(&last) = code.last() else { return true };
        if !is_word(last) {
            return !matches!(last, b')' | b']' | b'}' | b'"' | b'\'' | b'`');
        }
        let begin = code.iter().rposition(|byte| !is_word(*byte)).map_or(0, |at| at + 1);
        let is_member = begin > 0 && code.get(begin - 1) == Some(&b'.');
        !is_member && code.get(begin..).is_some_and(|word| BEFORE_PATTERN.contains(&word))
    }

    fn pattern(&mut self) -> Option<()> {
        self.take(1);
        let mut is_class = false;
        loop {
            match *self.left.first()? {
                b'\\' => self.take(2),
                b'\n' => return None,
                byte => {
                    self.take(1);
                    match byte {
                        b'[' => is_class = true,
                        b']' => is_class = false,
                        b'/' if !is_class => return Some(()),
                        _ => {}
                    }
                }
            }
        }
    }
}
