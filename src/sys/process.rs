//! What rinit asks the kernel about itself, or sets for itself.

use std::ffi::c_int;

use nix::errno::Errno;
use nix::unistd;

pub use super::signals::{receive_child_ends, send, send_value};
use super::{Pid, Signals};
use crate::signal::{Signal, SignalSet};

/// Our process id (getpid(2)).
#[must_use]
pub fn own_pid() -> Pid {
    unistd::getpid().as_raw()
}

/// Whether we lead our session (getsid(2)).
#[must_use]
pub fn is_session_leader() -> bool {
    unistd::getsid(None) == Ok(unistd::getpid())
}

/// Our process group (getpgrp(2)); 0 where it lives outside of our pid namespace.
#[must_use]
pub fn own_group() -> Pid {
    unistd::getpgrp().as_raw()
}

/// Whether we lead our process group, as a job that a shell started does, and a session's leader.
#[must_use]
pub fn is_group_leader() -> bool {
    unistd::getpgrp() == unistd::getpid()
}

/// Whether a process group has a member; an unreaped one counts.
#[must_use]
pub fn group_exists(group: Pid) -> bool {
    // SAFETY: signal 0 sends nothing, it only asks.
    let answer = Errno::result(unsafe { libc::kill(-group, 0) });
    answer != Err(Errno::ESRCH)
}

/// Whether somebody can continue us once we are stopped: our parent is in our session, but in another process
/// group (the kernel's test for a group that is not orphaned, setpgid(2)). An init that is PID 1 passes that test, too.
#[must_use]
pub fn is_under_job_control() -> bool {
    let parent = unistd::getppid();
    parent.as_raw() != 0
        && unistd::getsid(Some(parent)) == unistd::getsid(None)
        && unistd::getpgid(Some(parent)) != unistd::getpgid(None)
        && (parent.as_raw() != 1
            || std::fs::read_to_string("/proc/1/status").map_or(true, |status| minds_tstp(&status)))
}

/// Whether this process ignores or catches SIGTSTP. Every job-control shell does, or Ctrl-Z would stop the shell; an
/// init (docker-init, say) does not, and would let us lie for ever.
fn minds_tstp(status: &str) -> bool {
    status.lines().any(|line| {
        let mask = line.strip_prefix("SigIgn:").or_else(|| line.strip_prefix("SigCgt:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .is_some_and(|bits| SignalSet::from_bits(bits).contains(Signal::TSTP))
    })
}

/// Stops ourselves, or with 0 our whole process group, with a stop signal; returns once we are continued. False: we
/// were not stopped, because the kernel stops neither PID 1 of a namespace (signal(7)) nor, but with SIGSTOP,
/// an orphaned group (setpgid(2)).
#[must_use]
pub fn suspend(whom: Pid, signal: Signal) -> bool {
    // A stop signal takes a SIGCONT that waits with it, and the other way round (`prepare_signal` in kernel/signal.c):
    // whoever has continued us already must not be undone. And PID 1 of a namespace would lose it for nothing.
    if Signals::is_pending(Signal::CONT) {
        return true;
    }
    if own_pid() == 1 {
        return false;
    }
    // SAFETY: SIG_DFL installs no code. Main has its own dispositions by now.
    unsafe { libc::signal(signal.number(), libc::SIG_DFL) };
    // An error cannot happen: the process is our own.
    let _ = send(whom, signal);
    // It is blocked, and acts when it no longer is. SIGCONT ends the stop although it is blocked, and then waits.
    let blocked = super::signals::set_mask(SignalSet::from_bits(!SignalSet::of(&[signal]).bits()));
    super::signals::set_mask(blocked);
    Signals::is_pending(Signal::CONT)
}

/// Becomes the one to whom orphans below us are given (`PR_SET_CHILD_SUBREAPER`, Linux 3.4).
///
/// # Errors
/// EINVAL on an older kernel.
pub fn become_subreaper() -> Result<(), Errno> {
    nix::sys::prctl::set_child_subreaper(true)
}

/// Whether we are a subreaper already (an inherited one is not: the attribute ends at fork).
#[must_use]
pub fn is_subreaper() -> bool {
    nix::sys::prctl::get_child_subreaper() == Ok(true)
}

/// The kernel sends us `signal` when our parent ends (`PR_SET_PDEATHSIG`).
///
/// # Errors
/// EINVAL for a signal that does not exist.
pub fn set_parent_death_signal(signal: Signal) -> Result<(), Errno> {
    // SAFETY: prctl with numbers only. nix's wrapper takes its own type, which has no real-time signals.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal.number() as libc::c_ulong) }).map(drop)
}

/// Closes every descriptor from 3 up, except `keep`: a pipe or socket that main was given must be main's alone,
/// or its other end never sees the end (close_range(2), Linux 5.9; one by one on older kernels).
pub fn close_inherited(keep: Option<i32>) {
    let keep = keep.filter(|fd| *fd >= 3);
    let ranges = match keep {
        Some(fd) => [(3, fd - 1), (fd + 1, c_int::MAX)],
        None => [(3, c_int::MAX), (1, 0)],
    };
    for (first, last) in ranges.into_iter().filter(|(first, last)| first <= last) {
        // SAFETY: three numbers; nothing of ours is open in the range.
        let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        if result != 0 {
            close_one_by_one(first, last);
        }
    }
}

/// For kernels without close_range, and sandboxes that answer ENOSYS: ask for the limit and try each.
fn close_one_by_one(first: c_int, last: c_int) {
    // SAFETY: sysconf and close take numbers; EBADF is what most of these say.
    unsafe {
        let limit = libc::sysconf(libc::_SC_OPEN_MAX).clamp(256, 65536) as c_int;
        for fd in first..=last.min(limit) {
            libc::close(fd);
        }
    }
}

/// The name that signal descriptions go by in messages (strsignal(3)): `Terminated`.
#[must_use]
pub fn describe_signal(signal: Signal) -> &'static str {
    // SAFETY: strsignal returns a static string, or a buffer of the one thread; we use it before the next call.
    unsafe {
        let text = libc::strsignal(signal.number());
        if text.is_null() { "Unknown signal" } else { std::ffi::CStr::from_ptr(text).to_str().unwrap_or("") }
    }
}

/// The words for an error (strerror(3)), as the C programs have them: nix's own differ for some.
#[must_use]
pub fn describe_error(errno: Errno) -> &'static str {
    // SAFETY: as above; the text of a known error is static.
    unsafe { std::ffi::CStr::from_ptr(libc::strerror(errno as c_int)).to_str().unwrap_or("") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_mind_sigtstp_and_inits_do_not() {
        let status = |ignored, caught| {
            format!("Name:\tx\nSigBlk:\t{:016x}\nSigIgn:\t{ignored:016x}\nSigCgt:\t{caught:016x}\n", !0u64)
        };
        let tstp = 1u64 << (libc::SIGTSTP - 1);
        assert!(minds_tstp(&status(tstp | 4, 2)));
        assert!(minds_tstp(&status(0, tstp)));
        // tini ignores SIGTTIN and SIGTTOU alone.
        let tini = 1u64 << (libc::SIGTTIN - 1) | 1 << (libc::SIGTTOU - 1);
        assert!(!minds_tstp(&status(tini, 0)));
        assert!(!minds_tstp(""));
    }
}
