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
    /// There is one, and it is for main's group whenever it is for ours.
    pub lent: bool,
    /// Main stays in our own group after all, which shares the terminal with others.
    pub shared: bool,
    /// Who stops our group continues it, too (said only where main is in it).
    pub job_control: bool,
    /// Letting go of the terminal (TIOCNOTTY) sent SIGHUP and SIGCONT to our own group.
    pub hung_up: bool,
}

/// Whose the foreground of the terminal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// Our own group's.
    Ours,
    /// That of main's group.
    Mains,
    /// That of a group that no longer exists.
    Nobodys,
    /// Another's, or we cannot tell.
    Others,
}

/// Main is stopped (not dead), and this is how things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The signal that stopped it.
    pub signal: Signal,
    /// Where the terminal is.
    pub front: Front,
    /// Somebody above us does job control: if we stop, there is one who can continue us.
    pub job_control: bool,
}

/// One thing that happened. The driver tells the exits of processes before the signals that came with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A signal came.
    Signal(Caught),
    /// Main is stopped.
    MainStopped(Stop),
    /// `Suspend` was asked for, and the kernel did not let it happen.
    StayedAwake,
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
