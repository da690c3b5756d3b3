//! What a program says on its error output (and on its standard output if that
//! carries no media): always read, so that it never blocks, kept in part, logged
//! line by line, as far as a [`Quota`] allows.

mod quota;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rs2rtc_base::Redacted;
use rs2rtc_streams::Tasks;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use quota::Quota;

/// Bytes shown of the beginning, as error texts have them.
const FIRST: usize = 512;
/// Bytes kept from the beginning: secrets are masked before it is cut.
const BEGINNING: usize = 2 * FIRST;
/// Bytes kept from the end.
const LAST: usize = 16 * 1024;
/// Of a longer line the rest is left out of the log.
const MAX_LINE: usize = 1024;

/// The beginning and the end of a program's words.
#[derive(Debug)]
pub struct Output {
    kept: Mutex<Kept>,
    quota: Mutex<Quota>,
    /// Pipes still open.
    open: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Kept {
    first: Vec<u8>,
    last: VecDeque<u8>,
    total: usize,
}

impl Output {
    pub(super) fn new() -> Arc<Self> {
        let quota = Mutex::new(Quota::new(Instant::now()));
        Arc::new(Self { kept: Mutex::default(), quota, open: watch::Sender::new(0) })
    }

    /// Reads a pipe to its end.
    pub(super) fn drain<R>(self: &Arc<Self>, tasks: &Tasks, pid: u32, mut pipe: R)
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        let output = Arc::clone(self);
        output.open.send_modify(|open| *open += 1);
        tasks.spawn("output of a program", async move {
            let mut lines = Lines::default();
            let mut buffer = [0; 4096];
            loop {
                let due = output.quota().due();
                let read = tokio::select! {
                    read = pipe.read(&mut buffer) => read,
                    () = until(due) => {
                        output.tell(pid);
                        continue;
                    }
                };
                let Ok(length @ 1..) = read else { break };
                let bytes = buffer.get(..length).unwrap_or_default();
                output.keep(bytes);
                lines.take(bytes, |line| output.log(pid, line));
                // One that never pauses does not let the timer fire.
                if due.is_some_and(|due| due <= Instant::now()) {
                    output.tell(pid);
                }
            }
            lines.end(|line| output.log(pid, line));
            output.tell(pid);
            output.open.send_modify(|open| *open -= 1);
        });
    }

    /// Waits until every pipe is closed. Give it a deadline: a process that
    /// inherited one may live on.
    pub async fn ended(&self) {
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn quota(&self) -> MutexGuard<'_, Quota> {
        self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.kept();
        let room = BEGINNING.saturating_sub(kept.first.len());
        kept.first.extend(bytes.iter().take(room));
        kept.total = kept.total.saturating_add(bytes.len());
        let bytes = bytes.get(bytes.len().saturating_sub(LAST)..).unwrap_or_default();
        kept.last.extend(bytes);
        let excess = kept.last.len().saturating_sub(LAST);
        kept.last.drain(..excess);
    }

    /// Logs a line, or counts it.
    fn log(&self, pid: u32, line: &Line) {
        let is_wanted = tracing::enabled!(target: "exec", tracing::Level::DEBUG);
        if is_wanted && self.quota().admit(Instant::now()) {
            tracing::debug!(target: "exec", pid, "[exec] {}", line.text());
        }
    }

    /// Tells how many lines are missing.
    fn tell(&self, pid: u32) {
        let left_out = self.quota().take();
        if left_out > 0 {
            tracing::debug!(target: "exec", pid, "[exec] {left_out} lines left out");
        }
    }

    /// The first 512 bytes, `...` if there were more; credentials masked.
    pub fn beginning(&self) -> String {
        let kept = self.kept();
        let is_cut = kept.total > kept.first.len();
        let text =
            String::from_utf8_lossy(if is_cut { whole_words(&kept.first) } else { &kept.first });
        let mut text = Redacted(&text).to_string();
        if kept.total > FIRST {
            text.truncate(text.floor_char_boundary(FIRST));
            text.push_str("...");
        }
        text
    }

    /// The last lines, at most so many; credentials masked.
    pub fn last_lines(&self, count: usize) -> String {
        let kept = self.kept();
        let mut bytes: Vec<u8> = kept.last.iter().copied().collect();
        if kept.total > bytes.len() {
            // Half a word may be half an address, whose password nobody recognises.
            let end = bytes.iter().position(u8::is_ascii_whitespace).unwrap_or(bytes.len());
            bytes.drain(..end);
        }
        drop(kept);
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.split(['\n', '\r']).filter(|l| !l.trim().is_empty()).collect();
        let from = lines.len().saturating_sub(count);
        Redacted(&lines.get(from..).unwrap_or_default().join("\n")).to_string()
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Cut bytes without the word that was cut: what is left of an address may be half a
/// password, which nobody recognises.
fn whole_words(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(u8::is_ascii_whitespace).unwrap_or(0);
    bytes.get(..end).unwrap_or_default()
}

/// Splits bytes into lines for the log.
#[derive(Debug, Default)]
struct Lines {
    line: Line,
}

/// A line, or the beginning of one.
#[derive(Debug, Default)]
struct Line {
    /// At most [`MAX_LINE`] bytes.
    bytes: Vec<u8>,
    /// Bytes behind them.
    more: usize,
}

impl Lines {
    fn take(&mut self, bytes: &[u8], mut log: impl FnMut(&Line)) {
        let mut pieces = bytes.split(|byte| matches!(byte, b'\n' | b'\r'));
        self.line.extend(pieces.next().unwrap_or_default());
        for piece in pieces {
            self.end(&mut log);
            self.line.extend(piece);
        }
    }

    fn end(&mut self, mut log: impl FnMut(&Line)) {
        if !self.line.bytes.trim_ascii().is_empty() {
            log(&self.line);
        }
        self.line.bytes.clear();
        self.line.more = 0;
    }
}

impl Line {
    fn extend(&mut self, bytes: &[u8]) {
        let room = MAX_LINE.saturating_sub(self.bytes.len());
        let (kept, rest) = bytes.split_at(room.min(bytes.len()));
        self.bytes.extend_from_slice(kept);
        self.more = self.more.saturating_add(rest.len());
    }

    /// The text; credentials masked.
    fn text(&self) -> String {
        if self.more == 0 {
            return Redacted(String::from_utf8_lossy(&self.bytes).trim_end()).to_string();
        }
        let shown = whole_words(&self.bytes);
        let more = self.more + self.bytes.len() - shown.len();
        format!("{} ... and {more} bytes more", Redacted(&String::from_utf8_lossy(shown)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_beginning_and_the_last_lines() {
        let output = Output::new();
        output.keep(b"rtsp://u:p@h failed\n");
        assert_eq!(output.beginning(), "rtsp://***@h failed\n");
        for n in 0..5000 {
            output.keep(format!("line {n}\r\n").as_bytes());
        }
        assert_eq!(output.beginning().len(), 512 + 3);
        assert!(output.beginning().ends_with("..."));
        assert_eq!(output.last_lines(2), "line 4998\nline 4999");
        assert_eq!(output.kept().last.len(), LAST);
    }

    #[test]
    fn what_is_cut_shows_no_half_of_a_password() {
        for length in 0..2 * BEGINNING {
            let output = Output::new();
            output.keep(
                &[&b"x "[..], &vec![b'-'; length], b" rtsp://u:geheim@h/", &[b'a'; LAST]].concat(),
            );
            assert!(!output.beginning().contains("gehe"), "{length}");
        }
        for length in 0..40 {
            let output = Output::new();
            output.keep(&[&b"rtsp://u:geheim@h/"[..], &vec![b'a'; LAST - length]].concat());
            assert!(!output.last_lines(9).contains("heim"), "{length}");
        }
    }

    fn logged(pieces: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut all) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.take(piece, |line| all.push(line.text()));
        }
        lines.end(|line| all.push(line.text()));
        all
    }

    #[test]
    fn lines_of_any_length_in_any_pieces() {
        assert_eq!(logged(&[b"one\r\ntw", b"o\n\n \nthree"]), ["one", "two", "three"]);
        assert_eq!(logged(&[b"a rtsp://u:p", b"@h\n"]), ["a rtsp://***@h"]);
        let long =
            [&[b'x'; MAX_LINE - 20][..], b" rtsp://u:", &[b'p'; 5000], b"@h y\nnext\n"].concat();
        let lines = logged(&long.chunks(7).collect::<Vec<_>>());
        let shown = "x".repeat(MAX_LINE - 20);
        assert_eq!(
            lines,
            [format!("{shown} ... and {} bytes more", 1 + 9 + 5000 + 4), "next".into()]
        );
        let word = logged(&[&[b'x'; 9000]]);
        assert_eq!(word, [" ... and 9000 bytes more"]);
    }

    #[tokio::test]
    async fn ends_when_the_pipe_does() {
        let (tasks, output) = (Tasks::new(), Output::new());
        output.drain(&tasks, 1, &b"one\ntwo"[..]);
        output.ended().await;
        assert_eq!(output.last_lines(9), "one\ntwo");
    }
}
