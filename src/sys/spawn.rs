//! Starting main: clone(2) with CLONE_VM and CLONE_VFORK, as posix_spawn does.
//!
//! The child borrows our memory and we stand still until it has executed main or failed. So there is no page table
//! to copy, a failure comes back through memory and needs no pipe, and above all: no instruction of ours runs
//! between the birth of main and the moment when it has its process group, its terminal and its own signal state.
//! A signal that arrives in between waits in our queue and finds main whole.

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_int, c_void};
use std::mem::MaybeUninit;

use nix::errno::Errno;

use super::exec::{Directories, directories};
use super::{Pid, Strings};
use crate::signal::SignalSet;

/// The process group that main gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Ours.
    Inherit,
    /// One of its own.
    Own,
    /// A session of its own, and the terminal on standard input with it where that is free (TIOCSCTTY).
    Session,
}

/// All that a start of main needs, prepared before the child exists.
#[derive(Clone, Copy, Debug)]
pub struct Spawn {
    /// The command; its first word is searched for in PATH unless it has a slash.
    pub command: Strings,
    /// The environment.
    pub environment: Strings,
    /// The signals that are blocked when main begins.
    pub mask: SignalSet,
    /// Its process group.
    pub group: Group,
    /// The folder that main is started in, where it is not ours any more.
    pub folder: Option<i32>,
    /// The terminal whose foreground main gets.
    pub foreground: Option<i32>,
    /// SIGCHLD is to be ignored again.
    pub ignore_children: bool,
    /// Ignored signals become default ones (dumb-init).
    pub default_dispositions: bool,
    /// Where LISTEN_PID names us, it names main afterwards (sd_listen_fds(3)).
    pub pass_listen_pid: bool,
}

/// How far the child came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// clone(2) itself: there is no child.
    Clone,
    /// setsid(2).
    Session,
    /// execve(2).
    Execute,
}

/// Main could not be started; nothing of it is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What failed.
    pub stage: Stage,
    /// Why.
    pub errno: Errno,
    /// Which candidate of PATH it was, for `Execute`.
    pub candidate: usize,
    /// The id that the child had.
    pub pid: Pid,
}

/// Main runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its process id.
    pub pid: Pid,
    /// What TIOCSCTTY said, with `Group::Session`.
    pub claim: Result<(), Errno>,
}

/// What the child reads, and where it writes what happened.
struct Shared<'a> {
    spawn: &'a Spawn,
    environment: Strings,
    listen_pid: Option<*mut u8>,
    directories: Directories,
    failure: Option<(Stage, i32, usize)>,
    claim: i32,
}

/// Room for the child: one path, and its few frames. In .bss, so that only the pages it touches ever exist; aligned as
/// the ABI wants it and no more, so that its top shares a page with what else is there.
#[repr(align(16))]
struct Stack(UnsafeCell<MaybeUninit<[u8; STACK_SIZE]>>);

const STACK_SIZE: usize = 16 * 1024;

// SAFETY: one thread, and one child at a time, during which we stand still.
unsafe impl Sync for Stack {}

/// The child's stack is done with: gives the pages back that are its alone.
pub(super) fn forget_stack() {
    const PAGE: usize = 4096;
    let start = STACK.0.get().addr();
    let (first, end) = (start.next_multiple_of(PAGE), (start + STACK_SIZE) & !(PAGE - 1));
    // SAFETY: nobody runs on it any more, and every child begins with what it writes there itself. Where pages are
    // larger than ours the kernel says EINVAL.
    unsafe { libc::madvise(first as *mut libc::c_void, end.saturating_sub(first), libc::MADV_DONTNEED) };
}

static STACK: Stack = Stack(UnsafeCell::new(MaybeUninit::uninit()));

/// The longest path that the kernel takes, with its NUL (limits.h).
const PATH_MAX: usize = libc::PATH_MAX as usize;

/// Digits of a pid, and a NUL.
const PID_ROOM: usize = 12;

/// Starts main. All signals must be blocked.
///
/// # Errors
/// `Clone`: EAGAIN (no more processes allowed), ENOMEM; `Session` or `Execute`: what the child met. The failed child
/// has been reaped.
pub fn spawn(spawn: &Spawn) -> Result<Report, Failure> {
    let patched = if spawn.pass_listen_pid { patch_listen_pid(spawn.environment) } else { None };
    let (environment, listen_pid) = match patched {
        Some((environment, digits)) => (environment, Some(digits)),
        None => (spawn.environment, None),
    };
    let directories = directories(spawn.environment.var("PATH"));
    let mut shared = Shared { spawn, environment, listen_pid, directories, failure: None, claim: 0 };
    // SAFETY: STACK is 16-aligned and nobody else's; the child runs `child` on it with `shared`, which outlives it,
    // since CLONE_VFORK keeps us here until the child has executed or ended.
    let result = unsafe {
        let top = STACK.0.get().cast::<u8>().add(STACK_SIZE).cast::<c_void>();
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        libc::clone(child, top, flags, (&raw mut shared).cast())
    };
    let pid = Errno::result(result).map_err(|errno| Failure {
        stage: Stage::Clone,
        errno,
        candidate: 0,
        pid: 0,
    })?;
    // SAFETY: our own variables; volatile, since the child wrote them behind the compiler's back.
    let (failure, claim) =
        unsafe { ((&raw const shared.failure).read_volatile(), (&raw const shared.claim).read_volatile()) };
    match failure {
        None => {
            let claim = if claim == 0 { Ok(()) } else { Err(Errno::from_raw(claim)) };
            Ok(Report { pid, claim })
        }
        Some((stage, errno, candidate)) => {
            // SAFETY: our own child, which has ended.
            unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
            Err(Failure { stage, errno: Errno::from_raw(errno), candidate, pid })
        }
    }
}

/// The child's way in, on its own stack.
extern "C" fn child(shared: *mut c_void) -> c_int {
    // SAFETY: `spawn` passed a pointer to its `Shared` and does not touch it while we run.
    let shared = unsafe { &mut *shared.cast::<Shared<'_>>() };
    let failure = shared.become_main();
    shared.failure = Some(failure);
    // The code is read only where the memory is not shared after all: qemu's user mode makes a plain fork of this.
    let code = if failure.1 == libc::ENOENT { 127 } else { 126 };
    // SAFETY: _exit, not exit: the memory and its exit handlers are our parent's.
    unsafe { libc::_exit(code) }
}

impl Shared<'_> {
    /// Only system calls that are safe after fork, no allocation, no message. Returns only when it failed.
    fn become_main(&mut self) -> (Stage, i32, usize) {
        let spawn = self.spawn;
        // SAFETY: system calls with numbers. setpgid(0, 0) in a fresh child that leads no session cannot fail; a
        // terminal that is lost meanwhile (EIO, ENOTTY) is no reason not to run.
        unsafe {
            match spawn.group {
                Group::Inherit => {}
                Group::Own => {
                    libc::setpgid(0, 0);
                    if let Some(fd) = spawn.foreground {
                        libc::tcsetpgrp(fd, libc::getpid());
                    }
                }
                Group::Session => {
                    if libc::setsid() == -1 {
                        return (Stage::Session, Errno::last_raw(), 0);
                    }
                    if libc::ioctl(0, libc::TIOCSCTTY, 0) == -1 {
                        self.claim = Errno::last_raw();
                    }
                }
            }
            if let Some(fd) = spawn.folder
                && libc::fchdir(fd) == -1
            {
                return (Stage::Execute, Errno::last_raw(), 0);
            }
            if spawn.ignore_children {
                libc::signal(libc::SIGCHLD, libc::SIG_IGN);
            }
            if spawn.default_dispositions {
                for number in 1..32 {
                    libc::signal(number, libc::SIG_DFL);
                }
            }
            if let Some(digits) = self.listen_pid {
                write_number(digits, libc::getpid());
            }
        }
        super::signals::set_mask(spawn.mask);
        self.execute()
    }

    /// execvp(3), but for its fallback to a shell, which the caller does after it has looked at the file.
    fn execute(&self) -> (Stage, i32, usize) {
        let Some(name) = self.spawn.command.get(0) else { return (Stage::Execute, libc::ENOENT, 0) };
        let bytes = name.to_bytes();
        if bytes.is_empty() || bytes.contains(&b'/') {
            return (Stage::Execute, self.try_one(name), 0);
        }
        self.search(name)
    }

    /// Apart, so that its buffer takes a page of the stack only where PATH is searched.
    #[inline(never)]
    fn search(&self, name: &CStr) -> (Stage, i32, usize) {
        let mut buffer = [MaybeUninit::<u8>::uninit(); PATH_MAX];
        let mut denied = None;
        let mut last = libc::ENOENT;
        for (index, directory) in self.directories.clone().enumerate() {
            let Some(path) = join(&mut buffer, directory, name) else { continue };
            match self.try_one(path) {
                // As execvp(3): go on with the next folder, and remember that a file could not be executed.
                libc::EACCES => denied = denied.or(Some(index)),
                error @ (libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT) => {
                    last = error;
                }
                error => return (Stage::Execute, error, index),
            }
        }
        match denied {
            Some(index) => (Stage::Execute, libc::EACCES, index),
            None => (Stage::Execute, last, 0),
        }
    }

    fn try_one(&self, path: &CStr) -> i32 {
        // SAFETY: a path, and two NULL-terminated arrays of C strings that live for ever.
        unsafe { libc::execve(path.as_ptr(), self.spawn.command.as_ptr(), self.environment.as_ptr()) };
        Errno::last_raw()
    }
}

/// `directory/name` in the buffer; just `name` for an empty folder, which means the current one.
fn join<'a>(buffer: &'a mut [MaybeUninit<u8>], directory: &[u8], name: &CStr) -> Option<&'a CStr> {
    let slash: &[u8] = if directory.is_empty() { b"" } else { b"/" };
    let parts = directory.iter().chain(slash).chain(name.to_bytes_with_nul());
    let len = directory.len() + slash.len() + name.to_bytes_with_nul().len();
    for (place, byte) in buffer.get_mut(..len)?.iter_mut().zip(parts) {
        place.write(*byte);
    }
    // SAFETY: `len` bytes were written, the last of them the NUL of `name`.
    let path = unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), len) };
    CStr::from_bytes_with_nul(path).ok()
}

/// An environment whose LISTEN_PID is a buffer for the child to write its pid into, if LISTEN_PID is our pid.
fn patch_listen_pid(environment: Strings) -> Option<(Strings, *mut u8)> {
    const NAME: &[u8] = b"LISTEN_PID=";
    let ours = environment.var("LISTEN_PID")?;
    let ours: Pid = std::str::from_utf8(ours).ok()?.parse().ok()?;
    if ours != super::own_pid() {
        return None;
    }
    let mut entry = NAME.to_vec();
    entry.resize(NAME.len() + PID_ROOM, 0);
    let entry = entry.leak();
    let digits = entry.as_mut_ptr().wrapping_add(NAME.len());
    // SAFETY: it ends in NULs, and lives for ever.
    let entry = unsafe { CStr::from_ptr(entry.as_ptr().cast()) };
    let entries = environment.iter().map(|old| if old.to_bytes().starts_with(NAME) { entry } else { old });
    Some((Strings::leak(entries.collect()), digits))
}

/// # Safety
/// `place` has room for PID_ROOM bytes.
unsafe fn write_number(place: *mut u8, mut number: i32) {
    let mut digits = [0u8; PID_ROOM];
    let mut len = 0;
    while number > 0 && len < PID_ROOM - 1 {
        digits[len] = b'0' + (number % 10) as u8;
        number /= 10;
        len += 1;
    }
    for (offset, digit) in digits[..len].iter().rev().enumerate() {
        // SAFETY: fewer than PID_ROOM digits; the bytes behind them are NUL already.
        unsafe { place.add(offset).write(*digit) };
    }
}
