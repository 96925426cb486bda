//! A pseudo-terminal with a program on it: what was typed goes in, what is shown comes out, and the kernel's line
//! discipline between the two makes the signals, as for a user at a keyboard.

#![allow(dead_code, unreachable_pub)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::{PATIENCE, descendants_of, ends_in_time};

pub const CTRL_C: &[u8] = b"\x03";
pub const CTRL_D: &[u8] = b"\x04";
pub const CTRL_Z: &[u8] = b"\x1a";
pub const CTRL_BACKSLASH: &[u8] = b"\x1c";

/// What was shown so far.
#[derive(Default)]
struct Screen {
    text: Vec<u8>,
    /// Nothing more will come.
    closed: bool,
}

/// A terminal and the program that was started on it, which leads its session.
pub struct Pty {
    /// `None` once it was closed.
    master: Option<Arc<OwnedFd>>,
    screen: Arc<(Mutex<Screen>, Condvar)>,
    reader: Option<JoinHandle<()>>,
    /// Closing it ends the reader.
    stop: Option<OwnedFd>,
    /// How much of the screen `expect` has passed.
    seen: usize,
    child: Child,
}

/// What the program gets of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// It is its controlling terminal, as a shell's in a terminal window.
    Controlling,
    /// Only its standard streams: whoever wants to be controlled by it says so.
    Streams,
}

impl Pty {
    /// Starts the command at a terminal of 24 lines and 80 columns that shows nothing of what is typed.
    #[track_caller]
    pub fn spawn(command: &mut Command) -> Self {
        Self::spawn_with(command, Control::Controlling)
    }

    /// As `spawn`.
    #[track_caller]
    pub fn spawn_with(command: &mut Command, control: Control) -> Self {
        let (master, slave) = open_pair();
        resize(&master, 24, 80);
        echo(&slave, false);
        for (name, value) in
            [("TERM", "dumb"), ("LC_ALL", "C"), ("HISTFILE", "/dev/null"), ("INPUTRC", "/dev/null")]
        {
            command.env(name, value);
        }
        command.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap());
        command.stderr(slave.try_clone().unwrap());
        // SAFETY: only system calls.
        unsafe {
            command.pre_exec(move || {
                // The runner may have been started with signals ignored (nohup, a background job of sh).
                for signal in 1..32 {
                    libc::signal(signal, libc::SIG_DFL);
                }
                if libc::setsid() == -1
                    || control == Control::Controlling && libc::ioctl(0, libc::TIOCSCTTY, 0) == -1
                {
                    return Err(io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        // Its streams, which `command` holds, too: as long as one is open here, the terminal has no end.
        command.stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::null());
        command.stderr(std::process::Stdio::null());
        drop(slave);
        let master = Arc::new(master);
        let screen = Arc::new((Mutex::new(Screen::default()), Condvar::new()));
        let (stop, stopped) = pipe();
        let reader = std::thread::spawn({
            let (master, screen) = (Arc::clone(&master), Arc::clone(&screen));
            move || {
                read_all(&master, &stopped, &screen);
                screen.0.lock().unwrap().closed = true;
                screen.1.notify_all();
            }
        });
        Self { master: Some(master), screen, reader: Some(reader), stop: Some(stop), seen: 0, child }
    }

    /// The pid of the program, which is the number of its session, too.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Waits until `text` is shown, behind what was expected before. Returns what stands between.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        self.find(text, PATIENCE).unwrap_or_else(|| {
            let screen = self.screen.0.lock().unwrap();
            let (seen, rest) = screen.text.split_at(self.seen);
            let (seen, rest) =
                (String::from_utf8_lossy(seen).into_owned(), String::from_utf8_lossy(rest).into_owned());
            let why = if screen.closed { "the end came" } else { "nothing came" };
            drop(screen);
            panic!("{why} before '{text}'; seen: {seen:?}; then: {rest:?}");
        })
    }

    /// Whether `text` is shown within a moment, for a user who would else press the key again.
    pub fn expect_soon(&mut self, text: &str) -> bool {
        self.find(text, Duration::from_millis(200)).is_some()
    }

    /// What stands before `text`, if it comes within this time.
    fn find(&mut self, text: &str, patience: Duration) -> Option<String> {
        let start = Instant::now();
        let mut screen = self.screen.0.lock().unwrap();
        loop {
            let new = &screen.text[self.seen..];
            if let Some(at) = new.windows(text.len()).position(|window| window == text.as_bytes()) {
                let before = String::from_utf8_lossy(&new[..at]).into_owned();
                self.seen += at + text.len();
                return Some(before);
            }
            let left = patience.saturating_sub(start.elapsed());
            if screen.closed || left.is_zero() {
                return None;
            }
            screen = self.screen.1.wait_timeout(screen, left).unwrap().0;
        }
    }

    /// The rest of the line.
    #[track_caller]
    pub fn rest_of_line(&mut self) -> String {
        self.expect("\r\n")
    }

    /// The number behind this text, up to the end of its line or word.
    #[track_caller]
    pub fn number_after(&mut self, text: &str) -> i32 {
        self.expect(text);
        let line = self.rest_of_line();
        let word = line.split(' ').next().unwrap_or_default();
        word.parse().unwrap_or_else(|_| panic!("'{text}{line}' has no number"))
    }

    /// The probe's signals up to this one, and this one.
    #[track_caller]
    pub fn signals_until(&mut self, last: i32) -> Vec<i32> {
        let mut before = self.expect(&format!("signal {last} "));
        before.push_str(&self.rest_of_line());
        let numbers = before.split("signal ").skip(1);
        let mut all: Vec<i32> =
            numbers.map(|text| text.split(' ').next().unwrap().parse().unwrap()).collect();
        all.push(last);
        all
    }

    /// Types.
    #[track_caller]
    pub fn send(&self, bytes: impl AsRef<[u8]>) {
        let mut bytes = bytes.as_ref();
        while !bytes.is_empty() {
            // SAFETY: a live buffer.
            let written = unsafe { libc::write(self.raw(), bytes.as_ptr().cast(), bytes.len()) };
            assert!(written > 0, "typing: {}", io::Error::last_os_error());
            bytes = &bytes[written as usize..];
        }
    }

    /// The foreground process group, as it is seen from here.
    pub fn foreground(&self) -> i32 {
        // SAFETY: a number; a master answers for its slave.
        unsafe { libc::tcgetpgrp(self.raw()) }
    }

    /// Changes the window.
    pub fn resize(&self, rows: u16, columns: u16) {
        resize(self.master.as_ref().unwrap(), rows, columns);
    }

    /// Whether keys are shown.
    pub fn echo(&self, on: bool) {
        echo(self.master.as_ref().unwrap(), on);
    }

    /// Closes the terminal, as a window or a lost connection does.
    pub fn hang_up(&mut self) {
        self.stop = None;
        self.reader.take().map(JoinHandle::join);
        self.master = None;
    }

    /// Waits for the end of the program.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        assert!(ends_in_time(self.child.id()), "it does not end; shown: {:?}", self.shown());
        self.child.wait().unwrap()
    }

    /// The exit code; a death by signal fails the test.
    #[track_caller]
    pub fn code(&mut self) -> i32 {
        let status = self.wait();
        status.code().unwrap_or_else(|| panic!("{status:?}; shown: {:?}", self.shown()))
    }

    /// All that was shown.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.screen.0.lock().unwrap().text).into_owned()
    }

    fn raw(&self) -> i32 {
        self.master.as_ref().expect("it was hung up").as_raw_fd()
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        for pid in descendants_of(self.pid()) {
            // SAFETY: numbers.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.hang_up();
    }
}

/// None of the two is for children that other threads start meanwhile: a master that lives on in one would never
/// hang up.
fn open_pair() -> (OwnedFd, OwnedFd) {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: numbers; the descriptors are fresh, and ours.
    unsafe {
        let master = libc::posix_openpt(flags);
        assert!(master >= 0, "posix_openpt: {}", io::Error::last_os_error());
        assert_eq!(libc::unlockpt(master), 0);
        let slave = libc::ioctl(master, libc::TIOCGPTPEER, flags);
        assert!(slave >= 0, "TIOCGPTPEER: {}", io::Error::last_os_error());
        (OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave))
    }
}

fn pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = io::pipe().unwrap();
    (writer.into(), reader.into())
}

fn resize(master: &OwnedFd, rows: u16, columns: u16) {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: a live winsize.
    let result = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    assert_eq!(result, 0, "TIOCSWINSZ: {}", io::Error::last_os_error());
}

/// Without, what a test reads is what a program wrote.
fn echo(side: &OwnedFd, on: bool) {
    // SAFETY: a termios to fill and to read.
    unsafe {
        let mut modes: libc::termios = std::mem::zeroed();
        assert_eq!(libc::tcgetattr(side.as_raw_fd(), &raw mut modes), 0);
        modes.c_lflag = if on { modes.c_lflag | libc::ECHO } else { modes.c_lflag & !libc::ECHO };
        assert_eq!(libc::tcsetattr(side.as_raw_fd(), libc::TCSANOW, &raw const modes), 0);
    }
}

/// Reads until the other side has closed (EIO, once the last slave is gone) or `stopped` says so.
fn read_all(master: &OwnedFd, stopped: &OwnedFd, screen: &(Mutex<Screen>, Condvar)) {
    loop {
        let wanted = |fd: &OwnedFd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let mut polls = [wanted(master), wanted(stopped)];
        let mut buffer = [0u8; 4096];
        // SAFETY: two pollfds and a buffer, all live.
        let count = unsafe {
            libc::poll(polls.as_mut_ptr(), 2, -1);
            if polls[1].revents != 0 {
                return;
            }
            libc::read(master.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len())
        };
        if count <= 0 {
            return;
        }
        screen.0.lock().unwrap().text.extend_from_slice(&buffer[..count as usize]);
        screen.1.notify_all();
    }
}
