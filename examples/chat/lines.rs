//! Lines from a client, of a bounded length.

use std::io;
use std::mem;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// The most bytes that a line may have, its end not counted.
pub(crate) const LINE: usize = 512;

/// Reads lines.
pub(crate) struct Lines<R> {
    from: BufReader<R>,
    /// The line so far; never more than one byte too long.
    line: Vec<u8>,
}

/// A line that was too long, and is gone.
pub(crate) struct TooLong;

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(crate) fn new(from: R) -> Self {
        Self { from: BufReader::new(from), line: Vec::new() }
    }

    /// The next line; `None` when there are no more. Nothing is lost if it is dropped while it waits.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Result<String, TooLong>>> {
        loop {
            let read = self.from.fill_buf().await?;
            if read.is_empty() {
                return Ok(None);
            }
            let end = read.iter().position(|byte| *byte == b'\n');
            let part = &read[..end.unwrap_or(read.len())];
            let fits = part.len().min(LINE + 1 - self.line.len());
            self.line.extend_from_slice(&part[..fits]);
            let used = part.len() + usize::from(end.is_some());
            self.from.consume(used);
            if end.is_some() {
                let mut line = mem::take(&mut self.line);
                line.pop_if(|last| *last == b'\r');
                return Ok(Some(if line.len() > LINE { Err(TooLong) } else { Ok(text(&line)) }));
            }
        }
    }
}

/// Without control characters: the terminals that it will be shown on would obey them.
fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).chars().filter(|c| !c.is_control()).collect()
}
