//! Splits a command line into words (`spec/protocols-standard.md` 5).
//!
//! No shell is involved. A word that begins with `"` or `'` reaches to the next
//! such quote, whatever is between; elsewhere quotes are ordinary characters.

/// Why a text is not a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A quote without its counterpart.
    #[error("a quote is not closed")]
    OpenQuote,
    /// `""` or `''`.
    #[error("there is nothing between two quotes")]
    EmptyQuote,
    /// No word at all.
    #[error("there is no command")]
    Empty,
}

/// The words of a command line, at least one.
///
/// # Errors
/// No word, or a quote that is empty or not closed.
pub fn split(text: &str) -> Result<Vec<String>, Error> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, tail) = if matches!(first, '"' | '\'') {
            let quoted = rest.strip_prefix(first).unwrap_or_default();
            let (word, tail) = quoted.split_once(first).ok_or(Error::OpenQuote)?;
            if word.is_empty() {
                return Err(Error::EmptyQuote);
            }
            (word, tail)
        } else {
            rest.split_once(char::is_whitespace).unwrap_or((rest, ""))
        };
        words.push(word.to_owned());
        rest = tail.trim_start();
    }
    if words.is_empty() { Err(Error::Empty) } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_count_at_the_start_of_a_word() {
        let python = "\npython \"-c\" 'import time\nprint(\"time\", time.time())'\n";
        let expected = ["python", "-c", "import time\nprint(\"time\", time.time())"];
        assert_eq!(split(python).unwrap(), expected);
        let ffmpeg = r#"ffmpeg -i "video=FaceTime HD Camera" -i "DeckLink SDI (2)""#;
        let expected = ["ffmpeg", "-i", "video=FaceTime HD Camera", "-i", "DeckLink SDI (2)"];
        assert_eq!(split(ffmpeg).unwrap(), expected);
        assert_eq!(split("a b=\"c d\"").unwrap(), ["a", "b=\"c", "d\""]);
        assert_eq!(split("a 'b'c").unwrap(), ["a", "b", "c"]);
    }

    #[test]
    fn bad_quotes_are_errors() {
        assert_eq!(split("a \"b"), Err(Error::OpenQuote));
        assert_eq!(split("a ''"), Err(Error::EmptyQuote));
        assert_eq!(split(" \n"), Err(Error::Empty));
    }
}
