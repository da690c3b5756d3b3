//! The command line (`spec/core.md` 1.1): clap's forms and go2rtc's.

use std::ffi::OsString;

use clap::Parser;

/// What stands below the options.
const EXAMPLES: &str = "\
Without -c the configuration is rs2rtc.yaml, or else go2rtc.yaml, in the current folder.
Without both a test camera `demo` plays.

Examples:
  rs2rtc                                  then open http://localhost:1984/
  rs2rtc -c /etc/cameras.yaml             the file that the API writes back to
  rs2rtc -c cameras.yaml -c log.level=debug -c api.listen=127.0.0.1:1984
  rs2rtc -c '{streams: {porch: \"rtsp://192.168.1.10/stream1\"}}'
  rs2rtc --check-config -c cameras.yaml   says what is wrong and where

Signals: TERM and INT end it, HUP reads the configuration again.
Started under the name go2rtc it behaves as that program.";

/// A camera gateway: any camera in, any viewer out.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "rs2rtc", disable_version_flag = true, after_help = EXAMPLES)]
pub struct Args {
    /// File, `section.key=value` or a YAML/JSON text; repeatable, later ones win
    #[arg(short = 'c', long = "config", value_name = "ITEM", allow_hyphen_values = true)]
    pub config: Vec<String>,
    /// Run in the background
    #[arg(short = 'd', long = "daemon")]
    pub daemon: bool,
    /// Print the version and exit
    #[arg(short = 'v', long = "version")]
    pub version: bool,
    /// Check the configuration, print what is wrong in it and exit
    #[arg(long = "check-config")]
    pub check_config: bool,
    /// Words that go2rtc would ignore.
    #[arg(hide = true)]
    pub ignored: Vec<String>,
}

impl Args {
    /// Reads the arguments of this process; prints usage and exits if they are wrong.
    pub fn from_process() -> Self {
        Self::parse_from(normalised(std::env::args_os()))
    }

    /// Reads arguments, the first one is the program.
    ///
    /// # Errors
    /// clap's, with usage.
    pub fn try_from_words<I, W>(words: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = W>,
        W: Into<OsString>,
    {
        Self::try_parse_from(normalised(words.into_iter().map(Into::into)))
    }
}

/// go2rtc's `-config X` would be read as `-c onfig`, its `--c X` as unknown.
fn normalised(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut value_follows = false;
    words
        .enumerate()
        .map(|(index, word)| {
            let text = word.to_string_lossy().into_owned();
            if index == 0 || std::mem::take(&mut value_follows) {
                return word;
            }
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (text.as_str(), None),
            };
            let long = match name {
                "-c" | "--c" | "-config" | "--config" => "--config",
                "-d" | "--d" | "-daemon" | "--daemon" => "--daemon",
                "-v" | "--v" | "-version" | "--version" => "--version",
                "-help" | "--h" => "--help",
                _ => return word,
            };
            match value {
                Some(value) => format!("{long}={value}").into(),
                None => {
                    value_follows = long == "--config";
                    long.into()
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(words: &[&str]) -> Vec<String> {
        let all = ["rs2rtc"].iter().chain(words).copied();
        Args::try_from_words(all).unwrap().config
    }

    #[test]
    fn forms_of_both_programs() {
        for form in [
            &["-config", "a"][..],
            &["-config=a"],
            &["--config", "a"],
            &["--config=a"],
            &["-c", "a"],
            &["-c=a"],
            &["--c", "a"],
            &["--c=a"],
        ] {
            assert_eq!(items(form), ["a"], "{form:?}");
        }
        assert_eq!(items(&["-c", "log.level=trace", "-config", "-c"]), ["log.level=trace", "-c"]);
        assert_eq!(items(&["-c", "{api: {listen: \"\"}}"]), ["{api: {listen: \"\"}}"]);
        for form in ["-v", "--v", "-version", "--version"] {
            assert!(Args::try_from_words(["rs2rtc", form]).unwrap().version);
        }
        assert!(Args::try_from_words(["rs2rtc", "-daemon", "x"]).unwrap().daemon);
        assert!(Args::try_from_words(["rs2rtc", "--conifg", "x"]).is_err());
    }
}
