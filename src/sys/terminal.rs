//! The controlling terminal and its foreground process group (tcsetpgrp(3), tty_ioctl(4)).
//!
//! Every call here is made with SIGTTOU blocked, so that it never stops us (tcsetpgrp(3)).

use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{self, Pid as NixPid};

use super::Pid;
use super::process::{group_exists, own_group};

/// Our controlling terminal.
#[derive(Debug)]
pub struct Tty {
    fd: OwnedFd,
    own_group: Pid,
    /// The foreground was ours at some time, so that it can come back to us.
    ours: Cell<bool>,
}

impl Tty {
    /// The controlling terminal, if we have one.
    #[must_use]
    pub fn open() -> Option<Self> {
        let tty = Self { fd: open_terminal()?, own_group: own_group(), ours: Cell::new(false) };
        let front = tty.front()?;
        tty.ours.set(front == tty.own_group);
        Some(tty)
    }

    /// The descriptor, for the child to use before it executes.
    #[must_use]
    pub fn raw(&self) -> i32 {
        self.fd.as_raw_fd()
    }

    /// The descriptor, if our own process group is in the foreground: only then is the foreground ours to give.
    /// A background job must not grab the terminal.
    #[must_use]
    pub fn to_give(&self) -> Option<i32> {
        (self.front() == Some(self.own_group)).then(|| self.raw())
    }

    /// Makes `group` the foreground group where ours is; otherwise the terminal has moved on and is left alone.
    pub fn give_to(&self, group: Pid) {
        if self.hand(self.own_group, group) {
            self.ours.set(true);
        }
    }

    /// Makes our group the foreground group again where it is `group`, or, if it was ours before, one that no longer
    /// exists: a job of main's, say, that died with the terminal in its hands.
    pub fn take_back_from(&self, group: Option<Pid>) {
        let lost = || self.ours.get() && self.front().is_some_and(|front| !group_exists(front));
        if !group.is_some_and(|group| self.hand(group, self.own_group)) && lost() {
            self.set_front(self.own_group);
        }
    }

    fn hand(&self, from: Pid, to: Pid) -> bool {
        let holds = self.front() == Some(from);
        if holds {
            self.set_front(to);
        }
        holds
    }

    /// The foreground group (tcgetpgrp(3)).
    #[must_use]
    pub fn front(&self) -> Option<Pid> {
        unistd::tcgetpgrp(&self.fd).ok().map(NixPid::as_raw)
    }

    fn set_front(&self, group: Pid) {
        // EPERM (a group of another session or gone), EIO (hung up): the terminal is lost to us, and main with it.
        let _ = unistd::tcsetpgrp(&self.fd, NixPid::from_raw(group));
    }
}

/// /dev/tty, or standard input where the image has no /dev/tty; never a descriptor below 3, where a closed
/// stdin, stdout or stderr would make it look like one of those.
fn open_terminal() -> Option<OwnedFd> {
    // SAFETY: only borrowed for the duplication; a closed one gives EBADF.
    let stdin = || unsafe { BorrowedFd::borrow_raw(0) };
    match open(c"/dev/tty", OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_NOCTTY, Mode::empty()) {
        Ok(fd) if fd.as_raw_fd() > 2 => Some(fd),
        Ok(fd) => duplicate(fd.as_fd()),
        Err(Errno::ENOENT | Errno::EACCES) => duplicate(stdin()).filter(|fd| unistd::isatty(fd) == Ok(true)),
        // ENXIO: there is no controlling terminal.
        Err(_) => None,
    }
}

pub(super) fn duplicate(fd: BorrowedFd<'_>) -> Option<OwnedFd> {
    // SAFETY: fcntl with numbers; the descriptor that it makes is ours alone.
    let copy = Errno::result(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3) }).ok()?;
    // SAFETY: as above.
    Some(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Lets go of the controlling terminal on standard input (TIOCNOTTY). Where we lead the session, the kernel sends
/// SIGHUP and SIGCONT to the foreground group, hence to us.
///
/// # Errors
/// ENOTTY where standard input is not our controlling terminal; EBADF where it is closed.
pub fn release_controlling_terminal() -> Result<(), Errno> {
    // SAFETY: TIOCNOTTY takes no argument.
    Errno::result(unsafe { libc::ioctl(0, libc::TIOCNOTTY) }).map(drop)
}
