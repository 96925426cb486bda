//! Our own few lines of output, one write(2) each. They never panic, never block and never end us.

use std::fmt;

/// The longest line; what is beyond is cut. A pipe takes a write up to PIPE_BUF (4096) whole.
const CAPACITY: usize = 1024;

/// A line under construction, without heap.
pub struct Line {
    bytes: [u8; CAPACITY],
    len: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self { bytes: [0; CAPACITY], len: 0 }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes[..self.len]))
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = CAPACITY - 1 - self.len;
        let part = &text.as_bytes()[..text.len().min(room)];
        self.bytes[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len();
        Ok(())
    }
}

impl Line {
    /// Ends the line and writes it to `fd`, or drops it where the reader is slow, gone, or was never there.
    pub fn write_to(mut self, fd: i32) {
        self.bytes[self.len] = b'\n';
        let bytes = &self.bytes[..=self.len];
        let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
        // SAFETY: one pollfd; a timeout of 0 does not wait. `bytes` is alive during the write. Every error is
        // fine: EBADF (closed), ENOSPC (/dev/full), EPIPE (its SIGPIPE is blocked, and told apart by the driver).
        unsafe {
            if libc::poll(&raw mut poll, 1, 0) == 1 && poll.revents & libc::POLLOUT != 0 {
                libc::write(fd, bytes.as_ptr().cast(), bytes.len());
            }
        }
    }
}

/// Writes a text that was asked for (help, version) whole, as far as the descriptor takes it.
pub fn write_all(fd: i32, text: &str) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        // SAFETY: `rest` is alive during the call.
        let written = unsafe { libc::write(fd, rest.as_ptr().cast(), rest.len()) };
        let Ok(written @ 1..) = usize::try_from(written) else { return };
        rest = &rest[written..];
    }
}
