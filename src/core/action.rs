//! What the machine wants done.

use crate::signal::Signal;

/// Whom a signal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The main process alone.
    Main,
    /// Main's process group.
    Group,
    /// Every descendant that is left, main too if it lives.
    Everyone,
}

/// A decision of the machine that a reader of the log wants to know, and that no action shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The rewriting table has another signal for this one; 0 drops it.
    Rewritten {
        /// What came.
        from: Signal,
        /// What goes on, or nothing.
        to: Option<Signal>,
    },
    /// The signal was dropped by the rewriting table.
    Dropped(Signal),
    /// The SIGHUP or SIGCONT that letting go of the terminal brought; main never hears of it.
    HandOff(Signal),
    /// We stop ourselves because main's job was stopped.
    Suspending,
    /// Main was killed by a signal that did not come through us: a crash, or somebody else, or the kernel.
    Killed(Signal),
    /// The grace is over and SIGKILL follows.
    GraceOver,
    /// Processes outlived SIGKILL (another user's, or stuck in the kernel); we do not wait for them.
    LeftBehind,
}

/// How we stop ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspension {
    /// By SIGSTOP, which nothing but SIGCONT ends.
    Hard,
    /// By a stop signal of the terminal, which the kernel drops where nobody could continue us (an orphaned process
    /// group, setpgid(2)).
    Own(Signal),
    /// The same, for our whole process group: the job that our caller knows is all of it.
    Group(Signal),
}

/// One thing for the driver to do, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a received signal on to main or its group; with its sigqueue(3) value, if it had one.
    Forward {
        /// To whom.
        to: Target,
        /// Which.
        signal: Signal,
        /// The value of sigqueue(3).
        value: Option<usize>,
    },
    /// Send a signal of our own.
    Kill {
        /// To whom.
        to: Target,
        /// Which.
        signal: Signal,
    },
    /// Make our own group the foreground group again, where main's is.
    TakeTerminal,
    /// Make main's group the foreground group, where ours is.
    GiveTerminal,
    /// Stop ourselves with this signal. Where the kernel refuses, the machine wants `StayedAwake`; else SIGCONT
    /// will be among the signals that are waiting.
    Suspend(Suspension),
    /// Tell the log.
    Tell(Decision),
    /// End with this code.
    Exit(u8),
}

/// The actions of one step, in order, without heap: an init at rest should not own a page for them.
#[derive(Clone, Copy, Debug)]
pub struct Actions {
    list: [Action; Self::MOST],
    len: usize,
}

impl Default for Actions {
    fn default() -> Self {
        Self { list: [Action::TakeTerminal; Self::MOST], len: 0 }
    }
}

impl Actions {
    /// More than any step, or any one reaping of children, can ask for.
    const MOST: usize = 12;

    /// Appends one. There is room: see `MOST`, and the test that drives the machine with anything.
    pub(super) fn push(&mut self, action: Action) {
        debug_assert!(self.len < Self::MOST, "a step with more than {} actions", Self::MOST);
        if let Some(place) = self.list.get_mut(self.len) {
            *place = action;
            self.len += 1;
        }
    }

    /// Appends some.
    pub(super) fn extend(&mut self, actions: impl IntoIterator<Item = Action>) {
        actions.into_iter().for_each(|action| self.push(action));
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All of them, which are then gone from here. Read in place: to move the list is more work than most steps are.
    pub fn take(&mut self) -> impl Iterator<Item = Action> + use<'_> {
        let len = std::mem::take(&mut self.len);
        self.list.iter().take(len).copied()
    }
}
