//! What a program says on its error output (and on its standard output if that
//! carries no media): always read, so that it never blocks, kept in part, logged
//! line by line.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rs2rtc_base::Redacted;
use rs2rtc_streams::Tasks;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::watch;

/// Bytes kept from the beginning, as error texts show them.
const FIRST: usize = 512;
/// Bytes kept from the end.
const LAST: usize = 16 * 1024;
/// A longer line is logged in pieces.
const MAX_LINE: usize = 1024;

/// The beginning and the end of a program's words.
#[derive(Debug)]
pub struct Output {
    kept: Mutex<Kept>,
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
        Arc::new(Self { kept: Mutex::default(), open: watch::Sender::new(0) })
    }

    /// Reads a pipe to its end.
    pub(super) fn drain<R>(self: &Arc<Self>, tasks: &Tasks, pid: u32, mut pipe: R)
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        let output = Arc::clone(self);
        output.open.send_modify(|open| *open += 1);
        tasks.spawn("output of a program", async move {
            let mut lines = Lines { pid, partial: Vec::new() };
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
                let bytes = buffer.get(..length).unwrap_or_default();
                output.keep(bytes);
                lines.take(bytes);
            }
            lines.flush();
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

    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.kept();
        let room = FIRST.saturating_sub(kept.first.len());
        kept.first.extend(bytes.iter().take(room));
        kept.total = kept.total.saturating_add(bytes.len());
        kept.last.extend(bytes);
        let excess = kept.last.len().saturating_sub(LAST);
        kept.last.drain(..excess);
    }

    /// The first 512 bytes, `...` if there were more; credentials masked.
    pub fn beginning(&self) -> String {
        let kept = self.kept();
        let text = String::from_utf8_lossy(&kept.first);
        let more = if kept.total > kept.first.len() { "..." } else { "" };
        format!("{}{more}", Redacted(&text))
    }

    /// The last lines, at most so many; credentials masked.
    pub fn last_lines(&self, count: usize) -> String {
        let bytes: Vec<u8> = self.kept().last.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.split(['\n', '\r']).filter(|l| !l.trim().is_empty()).collect();
        let from = lines.len().saturating_sub(count);
        Redacted(&lines.get(from..).unwrap_or_default().join("\n")).to_string()
    }
}

/// Splits bytes into lines for the log.
struct Lines {
    pid: u32,
    partial: Vec<u8>,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if matches!(byte, b'\n' | b'\r') {
                self.flush();
            } else {
                self.partial.push(*byte);
                if self.partial.len() >= MAX_LINE {
                    self.flush();
                }
            }
        }
    }

    fn flush(&mut self) {
        let text = String::from_utf8_lossy(&self.partial);
        if !text.trim().is_empty() {
            tracing::debug!(target: "exec", pid = self.pid, "[exec] {}", Redacted(text.trim_end()));
        }
        self.partial.clear();
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

    #[tokio::test]
    async fn ends_when_the_pipe_does() {
        let (tasks, output) = (Tasks::new(), Output::new());
        output.drain(&tasks, 1, &b"one\ntwo"[..]);
        output.ended().await;
        assert_eq!(output.last_lines(9), "one\ntwo");
    }
}
