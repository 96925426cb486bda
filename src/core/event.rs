//! What happens to the machine.

use crate::signal::Signal;
use crate::status::Status;

/// Who raised a signal, as far as the machine cares (`si_code` of sigaction(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A process called kill(2), or we cannot tell.
    Process,
    /// A process called sigqueue(3) and sent this value with it.
    Queued(usize),
    /// The kernel: for terminal signals that means the whole foreground group has it.
    Kernel,
}

/// A signal that rinit received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caught {
    /// Which.
    pub signal: Signal,
    /// From whom.
    pub origin: Origin,
}

/// What a started main may expect of the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terminal {
    /// Main's group was made the foreground group; before, it was ours.
    pub handed_over: bool,
    /// Somebody above us does job control: if we stop, there is one who can continue us.
    pub can_suspend: bool,
    /// Letting go of the terminal (TIOCNOTTY) sent SIGHUP and SIGCONT to our own group.
    pub hung_up: bool,
}

/// One thing that happened. The driver tells the exits of processes before the signals that came with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A signal came.
    Signal(Caught),
    /// Main is stopped by this signal (it is not dead).
    MainStopped(Signal),
    /// Main is dead and reaped.
    MainEnded {
        /// How.
        status: Status,
        /// Children of ours are left (waitpid(2) did not say ECHILD).
        children_left: bool,
    },
    /// The last child is gone (ECHILD).
    NoChildren,
    /// The time that `deadline` named has come.
    Deadline,
}
