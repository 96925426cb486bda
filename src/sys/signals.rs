//! Receiving signals: all of them blocked, and taken one at a time with rt_sigtimedwait(2).
//!
//! Nothing is ever handled by a handler, so nothing runs between two instructions of ours, no system call ends
//! early, and no disposition has to be restored in the child. The kernel queues a blocked signal even where it is
//! ignored, or where PID 1 has no handler for it (`sig_ignored` in kernel/signal.c).
//!
//! The raw system calls are used because both C libraries hide the signals that they keep for themselves (32 to 34)
//! from masks; main must get back exactly the mask that we were given.

use std::mem::MaybeUninit;
use std::time::Duration;

use nix::errno::Errno;

use super::image;
use crate::signal::{Signal, SignalSet};

/// The size of the kernel's signal set in bytes, which the raw calls ask for.
const SET_SIZE: usize = 8;

/// A signal with what the kernel says about where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Which.
    pub signal: Signal,
    /// `si_code` (sigaction(2)).
    pub code: i32,
    /// `si_pid`: the sender, 0 where it is outside of our pid namespace or the kernel.
    pub sender: i32,
    /// `si_value`, meaningful where `code` is `SI_QUEUE`.
    pub value: usize,
}

impl Received {
    /// Whether the kernel raised it: the terminal driver, for the signals of a terminal.
    #[must_use]
    pub const fn is_from_kernel(&self) -> bool {
        self.code == libc::SI_KERNEL
    }

    /// The same as if a process had sent it: it came before main was there to have it from a terminal.
    #[must_use]
    pub const fn meant_for_main(self) -> Self {
        let code = if self.is_from_kernel() { libc::SI_USER } else { self.code };
        Self { code, ..self }
    }

    /// Whether it was sent by sigqueue(3), with a value.
    #[must_use]
    pub const fn is_queued(&self) -> bool {
        self.code == libc::SI_QUEUE
    }
}

/// The signals that the loop waits for.
#[derive(Debug)]
pub struct Signals {
    wanted: SignalSet,
    has_waited: bool,
    /// When the last wait began, in seconds of the monotonic clock; 0 is not known, and long ago.
    last_wait: i64,
}

impl Signals {
    /// Blocks every signal that can be blocked and returns what was blocked before. It cannot fail.
    #[must_use]
    pub fn block_all() -> SignalSet {
        set_mask(SignalSet::ALL)
    }

    /// Signals to be waited for: all but `left_alone`, which get their default meaning for us back.
    #[must_use]
    pub fn new(left_alone: SignalSet) -> Self {
        let wanted = SignalSet::from_bits(!left_alone.bits());
        if left_alone != SignalSet::EMPTY {
            set_mask(wanted);
        }
        Self { wanted, has_waited: false, last_wait: 0 }
    }

    /// Waits for a signal, at most for `timeout`; `None` when the time is over, or for no reason at all (a stop and
    /// continue of ours makes the call end with EINTR).
    #[must_use]
    pub fn wait(&mut self, timeout: Option<Duration>) -> Option<Received> {
        let wanted = self.wanted.bits();
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        let number = match timeout {
            None if self.is_quiet() => image::rest(wanted, &mut info),
            _ => timed_wait(wanted, &mut info, timeout),
        };
        let signal = Signal::new(number as i32)?;
        // SAFETY: zeroed, and filled by the kernel; every bit pattern of a siginfo_t is one.
        let info = unsafe { info.assume_init() };
        // SAFETY: si_pid and si_value share their places with other members of the same size, all plain numbers.
        let (sender, value) = unsafe { (info.si_pid(), info.si_value().sival_ptr as usize) };
        Some(Received { signal, code: info.si_code, sender, value })
    }

    /// Whether this signal waits already; it stays where it is.
    #[must_use]
    pub fn is_pending(signal: Signal) -> bool {
        pending_set().contains(signal)
    }

    /// Whether the wait before this one began long ago, or never did: then this one may be long, too, and is worth a
    /// few page faults after it. In a storm of signals nothing is given back that is needed again at once.
    fn is_quiet(&mut self) -> bool {
        // Seconds, of which one may be almost over.
        const LONG: i64 = 2;
        // The first wait needs no clock, whose code is not mapped yet.
        if !std::mem::replace(&mut self.has_waited, true) {
            return true;
        }
        let now = coarse_seconds();
        now - std::mem::replace(&mut self.last_wait, now) >= LONG
    }

    /// A signal that waits already and that `wanted` accepts; it stays where it is.
    #[must_use]
    pub fn pending(&self, wanted: impl FnMut(Signal) -> bool) -> Option<Signal> {
        pending_set().and(self.wanted).find(wanted)
    }
}

/// The signals that wait for us (rt_sigpending(2)).
fn pending_set() -> SignalSet {
    let mut pending = 0u64;
    // SAFETY: a set of SET_SIZE bytes to fill.
    unsafe { libc::syscall(libc::SYS_rt_sigpending, &raw mut pending, SET_SIZE) };
    SignalSet::from_bits(pending)
}

/// The clock of the last timer tick: read without asking the hardware, and fine for seconds (clock_gettime(2)).
fn coarse_seconds() -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a timespec to fill.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut now) };
    now.tv_sec as _
}

/// rt_sigtimedwait(2): the signal, or something negative.
pub(super) fn timed_wait(
    set: u64,
    info: &mut MaybeUninit<libc::siginfo_t>,
    timeout: Option<Duration>,
) -> isize {
    let limit = timeout.map(|timeout| libc::timespec {
        tv_sec: timeout.as_secs() as _,
        tv_nsec: timeout.subsec_nanos().into(),
    });
    let limit = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: a set of SET_SIZE bytes, a siginfo_t to fill and a timespec or NULL, all alive during the call.
    let result = unsafe {
        libc::syscall(libc::SYS_rt_sigtimedwait, &raw const set, info.as_mut_ptr(), limit, SET_SIZE)
    };
    result as isize
}

/// Puts `mask` in force for this process and returns the one before.
pub(super) fn set_mask(mask: SignalSet) -> SignalSet {
    let new = mask.bits();
    let mut old = 0u64;
    // SAFETY: two sets of SET_SIZE bytes, alive during the call. With valid addresses it cannot fail.
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const new, &raw mut old, SET_SIZE);
    }
    SignalSet::from_bits(old)
}

/// Gives SIGCHLD its default meaning, without word of stopped children unless `stops`. True if it was ignored.
///
/// With an inherited `SIG_IGN` the kernel would reap behind our back and main's status would be lost (wait(2)).
#[must_use]
pub fn receive_child_ends(stops: bool) -> bool {
    // SAFETY: a zeroed sigaction is SIG_DFL with no flags and an empty mask.
    let mut new: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    new.sa_flags = if stops { 0 } else { libc::SA_NOCLDSTOP };
    let mut old = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: both point to a sigaction; SIG_DFL installs no code.
    unsafe {
        libc::sigaction(libc::SIGCHLD, &raw const new, old.as_mut_ptr());
        old.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

/// Sends `signal` to a process, or to a group where `to` is negative, or to all where it is −1 (kill(2)).
///
/// # Errors
/// ESRCH: nobody there; EPERM: not ours to signal.
pub fn send(to: i32, signal: Signal) -> Result<(), Errno> {
    // SAFETY: kill takes two numbers.
    Errno::result(unsafe { libc::kill(to, signal.number()) }).map(drop)
}

/// Sends `signal` with a value to one process (sigqueue(3)).
///
/// # Errors
/// As `send`; EAGAIN when the queue of the receiver is full.
pub fn send_value(to: i32, signal: Signal, value: usize) -> Result<(), Errno> {
    let value = libc::sigval { sival_ptr: value as *mut libc::c_void };
    // SAFETY: sigqueue takes numbers; the pointer is carried as a number and never followed.
    Errno::result(unsafe { libc::sigqueue(to, signal.number(), value) }).map(drop)
}
