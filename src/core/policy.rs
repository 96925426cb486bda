//! What the machine was told to do: the part of the plan that is about behaviour over time.

use std::time::Duration;

use crate::core::Target;
use crate::signal::{Signal, SignalSet};
use crate::status::CodeSet;

/// What a received signal becomes before it is forwarded (`-r`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrites([u8; 65]);

impl Default for Rewrites {
    fn default() -> Self {
        Self([Self::SAME; 65])
    }
}

impl Rewrites {
    const SAME: u8 = u8::MAX;

    /// From now on `from` becomes `to`; `None` drops it.
    pub fn set(&mut self, from: Signal, to: Option<Signal>) {
        self.0[from.number() as usize] = to.map_or(0, |signal| signal.number() as u8);
    }

    /// As `set`, unless something was set for `from` already.
    pub fn set_default(&mut self, from: Signal, to: Signal) {
        if !self.changes(from) {
            self.set(from, Some(to));
        }
    }

    /// Whether there is an entry for `signal`, even one that maps it to itself.
    #[must_use]
    pub fn changes(&self, signal: Signal) -> bool {
        self.0[signal.number() as usize] != Self::SAME
    }

    /// What `signal` becomes.
    #[must_use]
    pub fn apply(&self, signal: Signal) -> Option<Signal> {
        match self.0[signal.number() as usize] {
            Self::SAME => Some(signal),
            number => Signal::new(i32::from(number)),
        }
    }
}

/// What happens to the rest once main has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing: we end at once (tini, catatonit).
    AtOnce,
    /// SIGTERM, rewritten, to main's group, then we end at once (dumb-init).
    TermGroup,
    /// SIGTERM to every descendant left; we end when the last is gone, and use SIGKILL after this time.
    Leftovers(Duration),
}

/// How the stop keys of a terminal are dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobControl {
    /// Not at all: a stopped main stays stopped (tini, catatonit).
    None,
    /// A stop signal is forwarded, and then we stop ourselves (dumb-init).
    AfterForwarding,
    /// Main has the foreground: when the terminal stops it, we stop too, and bring it back with us.
    Foreground,
    /// Main is in our own group: the terminal's signals are there already, and are not sent again.
    SharedGroup,
}

/// The behaviour of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whom received signals are for: `Main` or `Group`.
    pub target: Target,
    /// Signals that become other signals.
    pub rewrites: Rewrites,
    /// Signals that are taken and never forwarded.
    pub deaf: SignalSet,
    /// Time from a stop signal to SIGKILL for all; none: wait for ever.
    pub grace: Option<Duration>,
    /// What happens after main.
    pub end: End,
    /// Codes of main that count as 0.
    pub zero: CodeSet,
    /// Whether `zero` also holds for a main that could not be started (tini: the failed child's code is a code).
    pub zero_covers_failures: bool,
    /// Whether a deadly signal that came for a main that could not be started decides the code.
    pub waiting_signal_decides: bool,
    /// The stop keys.
    pub job_control: JobControl,
    /// There is no main: reap until SIGTERM or SIGINT comes, then end with 0 (`catatonit -P`).
    pub pause: bool,
}
