//! A pseudo terminal with a program on it, and a user before it who types and reads.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use crate::support::{PATIENCE, send, wait_with_patience};

/// The user's side.
pub struct Terminal {
    master: File,
    child: Child,
    text: Receiver<Vec<u8>>,
    /// What was shown and nobody has asked for yet.
    unread: String,
}

impl Terminal {
    /// Starts the command as the leader of a session on a new terminal.
    #[track_caller]
    pub fn start(mut command: Command) -> Self {
        let (mut master, mut slave) = (-1, -1);
        // SAFETY: two places for descriptors, which are ours alone then; no name, the default settings, a size.
        let (master, slave) = unsafe {
            let (name, settings) = (std::ptr::null_mut(), std::ptr::null_mut());
            let mut size = libc::winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
            let result = libc::openpty(&raw mut master, &raw mut slave, name, settings, &raw mut size);
            assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
            libc::fcntl(master, libc::F_SETFD, libc::FD_CLOEXEC);
            (File::from_raw_fd(master), File::from_raw_fd(slave))
        };
        command.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap()).stderr(slave);
        // SAFETY: only system calls.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY, 0);
                Ok(())
            });
        }
        let child = command.spawn().unwrap();
        // Reading must end with the program: no descriptor of the other side may stay here.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let (sender, text) = channel();
        let mut reader = master.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(len @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..len].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { master, child, text, unread: String::new() }
    }

    /// Types; `\x03` is Ctrl-C, `\x1a` Ctrl-Z.
    #[track_caller]
    pub fn keys(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads until this is shown; all that was shown up to and with it.
    #[track_caller]
    pub fn shows(&mut self, wanted: &str) -> String {
        loop {
            if let Some(at) = self.unread.find(wanted) {
                let rest = self.unread.split_off(at + wanted.len());
                return std::mem::replace(&mut self.unread, rest);
            }
            match self.text.recv_timeout(PATIENCE) {
                Ok(text) => self.unread.push_str(&String::from_utf8_lossy(&text)),
                Err(error) => panic!("'{wanted}' is not shown ({error}): {:?}", self.unread),
            }
        }
    }

    /// Whether this is shown within a moment.
    #[track_caller]
    pub fn shows_soon(&mut self, wanted: &str) -> bool {
        while let Ok(text) = self.text.recv_timeout(std::time::Duration::from_millis(200)) {
            self.unread.push_str(&String::from_utf8_lossy(&text));
            if self.unread.contains(wanted) {
                return true;
            }
        }
        false
    }

    /// Sends a signal to the program.
    #[track_caller]
    pub fn kill(&self, signal: i32) {
        send(self.child.id() as i32, signal);
    }

    /// Reads the rest of the line.
    #[track_caller]
    pub fn line(&mut self) -> String {
        self.shows("\n").trim_end().to_owned()
    }

    /// Changes the size of the window.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: a terminal and a size to read.
        let result = unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    }

    /// Waits for the end: the exit code, and what nobody had read.
    #[track_caller]
    pub fn wait(mut self) -> (i32, String) {
        let status = wait_with_patience(&mut self.child);
        while let Ok(text) = self.text.recv_timeout(PATIENCE) {
            self.unread.push_str(&String::from_utf8_lossy(&text));
        }
        (status.code().unwrap_or_else(|| panic!("{status}")), std::mem::take(&mut self.unread))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
