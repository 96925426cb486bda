//! The state machine: it alone decides who gets which signal, when waiting is over, and the exit code.
//!
//! Pure: no clock, no process, no file. The driver says what happened and when; the machine answers with actions
//! and with the time by which it wants to be asked again. Time is an argument, so tests turn the clock.

#![forbid(unsafe_code)]

mod action;
mod event;
mod job_control;
mod policy;

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

pub use action::{Action, Actions, Decision, Suspension, Target};
pub use event::{Caught, Event, Front, Origin, Stop, Terminal};
pub use policy::{End, JobControl, Policy, Rewrites};

use crate::signal::{Signal, SignalSet};
use crate::status::Status;

/// Signals that ask for the end.
const STOPS: SignalSet = SignalSet::of(&[Signal::TERM, Signal::INT, Signal::QUIT]);

/// Signals by which a terminal (or a program, on its own account) stops a job.
const JOB_STOPS: SignalSet = SignalSet::of(&[Signal::TSTP, Signal::TTIN, Signal::TTOU]);

/// Signals that a terminal sends to its whole foreground group (termios(3), tty_ioctl(4)).
const FROM_TERMINAL: SignalSet =
    SignalSet::of(&[Signal::INT, Signal::QUIT, Signal::TSTP, Signal::TTIN, Signal::TTOU, Signal::WINCH]);

/// Signals that a terminal sends to main without our hearing of it, and that end programs.
const KEYS: SignalSet = SignalSet::of(&[Signal::HUP, Signal::INT, Signal::QUIT]);

/// Main was stopped as a whole job, and so it is continued.
const WAKE: Action = Action::Kill { to: Target::Group, signal: Signal::CONT };

/// How long we wait for processes that were sent SIGKILL. Only one that is stuck in the kernel, or that we may not
/// signal, outlives it, and then our own end must not hang on it.
const KILL_WAIT: Duration = Duration::from_secs(1);

const KILL_ALL: [Action; 2] =
    [Action::Tell(Decision::GraceOver), Action::Kill { to: Target::Everyone, signal: Signal::KILL }];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Main is not there yet.
    Starting,
    /// There will be no main (`pause`).
    Paused,
    /// Main runs. `kill_at`: a stop was asked for; `killed`: SIGKILL has been sent.
    Running { kill_at: Option<Instant>, killed: bool },
    /// Main has ended with `code`; descendants are left, and `until` then is the next step against them.
    Ending { code: u8, until: Instant, killed: bool },
    /// `Exit` was said.
    Ended,
}

/// One run from the start of main to the exit code.
#[derive(Debug)]
pub struct Machine {
    policy: Policy,
    phase: Phase,
    terminal: Terminal,
    /// Signals to swallow once each, because letting go of the terminal raised them.
    hand_off: SignalSet,
    /// Signals that main, or everybody, was sent.
    sent: SignalSet,
    /// We have stopped ourselves because this signal stopped main.
    asleep: Option<Signal>,
}

impl Machine {
    /// A machine that waits for main to start (or, with `pause`, for its end).
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        let phase = if policy.pause { Phase::Paused } else { Phase::Starting };
        Self {
            policy,
            phase,
            terminal: Terminal::default(),
            hand_off: SignalSet::EMPTY,
            sent: SignalSet::EMPTY,
            asleep: None,
        }
    }

    /// Main runs, and this is what became of the terminal.
    pub fn started(&mut self, terminal: Terminal) {
        self.terminal = terminal;
        if terminal.hung_up {
            self.hand_off = SignalSet::of(&[Signal::HUP, Signal::CONT]);
        }
        if self.phase == Phase::Starting {
            self.phase = Phase::Running { kill_at: None, killed: false };
        }
    }

    /// Main could not be started: the exit code. `code` says why it could not; `waiting` is a deadly signal that
    /// came for it meanwhile.
    #[must_use]
    pub fn start_failed(&mut self, code: u8, waiting: Option<Signal>) -> u8 {
        self.phase = Phase::Ended;
        match waiting {
            Some(signal) if self.policy.waiting_signal_decides => Status::Killed(signal).code(),
            _ if self.policy.zero_covers_failures => self.policy.zero.remap(code),
            _ => code,
        }
    }

    /// The time at which the machine wants `Deadline`, if any. An early or late one is harmless.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running { kill_at, .. } => kill_at,
            Phase::Ending { until, .. } => Some(until),
            Phase::Starting | Phase::Paused | Phase::Ended => None,
        }
    }

    /// Takes one event and appends what is to be done about it, in order. `now` is asked for the time only where the
    /// time decides something: most signals are just passed on.
    pub fn step(&mut self, now: impl FnOnce() -> Instant, event: Event, out: &mut Actions) {
        match event {
            Event::Signal(caught) => self.signal(now, caught, out),
            Event::MainStopped(stop) => self.main_stopped(stop, out),
            Event::StayedAwake => self.stayed_awake(out),
            Event::MainEnded { status, children_left } => self.main_ended(now, status, children_left, out),
            Event::NoChildren => self.no_children(out),
            Event::Deadline => self.time_passed(now(), out),
        }
    }

    fn signal(&mut self, now: impl FnOnce() -> Instant, caught: Caught, out: &mut Actions) {
        let signal = caught.signal;
        match self.phase {
            Phase::Running { kill_at, killed } => {
                let forwarded = self.forward(caught, out);
                if let (true, Some(grace), None) =
                    (forwarded && STOPS.contains(signal), self.policy.grace, kill_at)
                    && !killed
                {
                    self.phase = Phase::Running { kill_at: Some(now() + grace), killed };
                }
            }
            // Main is gone: only a wish to end still has somebody to reach.
            Phase::Ending { killed: false, .. } if STOPS.contains(signal) => {
                out.push(Action::Kill { to: Target::Everyone, signal });
            }
            Phase::Paused if matches!(signal, Signal::TERM | Signal::INT) => self.exit(0, out),
            Phase::Starting | Phase::Paused | Phase::Ending { .. } | Phase::Ended => {}
        }
    }

    /// Whether the signal went to main, or main already has it.
    fn forward(&mut self, caught: Caught, out: &mut Actions) -> bool {
        let Caught { signal, origin } = caught;
        if self.hand_off.remove(signal) {
            out.push(Action::Tell(Decision::HandOff(signal)));
            return false;
        }
        if self.policy.deaf.contains(signal) {
            return false;
        }
        let from_terminal = origin == Origin::Kernel && FROM_TERMINAL.contains(signal);
        if self.job_control() == JobControl::SharedGroup && from_terminal {
            self.sent.insert(signal);
            if JOB_STOPS.contains(signal) && self.terminal.job_control {
                Self::suspend(Suspension::Own(signal), out);
            }
            return false;
        }
        if self.lends_terminal() && signal == Signal::CONT {
            // `fg` and `bg` of a shell: the terminal first, if it is ours again.
            out.push(Action::GiveTerminal);
            if self.asleep.take().is_some() {
                out.push(WAKE);
                return false;
            }
        }
        let sent = self.policy.rewrites.apply(signal);
        if self.policy.rewrites.changes(signal) {
            out.push(Action::Tell(Decision::Rewritten { from: signal, to: sent }));
        }
        match sent {
            Some(signal) => {
                self.sent.insert(signal);
                let value = match origin {
                    Origin::Queued(value) => Some(value),
                    Origin::Process | Origin::Kernel => None,
                };
                let to =
                    if self.lends_terminal() && from_terminal { Target::Group } else { self.policy.target };
                out.push(Action::Forward { to, signal, value });
            }
            None => out.push(Action::Tell(Decision::Dropped(signal))),
        }
        match self.job_control() {
            // The terminal meant its foreground group, and that was ours: a shell's `fg` of a job that already ran
            // says nothing. From now on it is main's.
            JobControl::Foreground if self.terminal.lent && from_terminal => out.push(Action::GiveTerminal),
            JobControl::AfterForwarding if JOB_STOPS.contains(signal) => Self::suspend(Suspension::Hard, out),
            _ => {}
        }
        sent.is_some()
    }

    fn main_ended(
        &mut self,
        now: impl FnOnce() -> Instant,
        status: Status,
        children_left: bool,
        out: &mut Actions,
    ) {
        let Phase::Running { kill_at, killed } = self.phase else { return };
        let code = self.policy.zero.remap(status.code());
        if let Status::Killed(signal) = status
            && !self.sent.contains(signal)
            && !(self.terminal.lent && KEYS.contains(signal))
        {
            out.push(Action::Tell(Decision::Killed(signal)));
        }
        if children_left && self.terminal.lent {
            out.push(Action::TakeTerminal);
        }
        match self.policy.end {
            End::Leftovers(_) if !children_left => self.exit(code, out),
            End::Leftovers(_) if killed => {
                out.push(Action::Kill { to: Target::Everyone, signal: Signal::KILL });
                self.phase = Phase::Ending { code, until: now() + KILL_WAIT, killed };
            }
            End::Leftovers(grace) => {
                // SIGCONT after it: a stopped process takes SIGTERM only when it runs again.
                for signal in [Signal::TERM, Signal::CONT] {
                    out.push(Action::Kill { to: Target::Everyone, signal });
                }
                let until = now() + self.policy.grace.unwrap_or(grace);
                let until = kill_at.map_or(until, |kill_at| until.min(kill_at));
                self.phase = Phase::Ending { code, until, killed };
            }
            End::TermGroup => {
                let term = Caught { signal: Signal::TERM, origin: Origin::Process };
                self.forward(term, out);
                self.exit(code, out);
            }
            End::AtOnce => self.exit(code, out),
        }
    }

    fn no_children(&mut self, out: &mut Actions) {
        if let Phase::Ending { code, .. } = self.phase {
            self.exit(code, out);
        }
    }

    fn time_passed(&mut self, now: Instant, out: &mut Actions) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.phase {
            Phase::Running { .. } => {
                self.phase = Phase::Running { kill_at: None, killed: true };
                self.sent.insert(Signal::KILL);
                out.extend(KILL_ALL);
            }
            Phase::Ending { code, killed: false, .. } => {
                self.phase = Phase::Ending { code, until: now + KILL_WAIT, killed: true };
                out.extend(KILL_ALL);
            }
            Phase::Ending { code, killed: true, .. } => {
                out.push(Action::Tell(Decision::LeftBehind));
                self.exit(code, out);
            }
            Phase::Starting | Phase::Paused | Phase::Ended => {}
        }
    }

    fn exit(&mut self, code: u8, out: &mut Actions) {
        if self.phase != Phase::Ended {
            self.phase = Phase::Ended;
            // Now that the last of main's jobs is gone, too.
            if self.terminal.lent || self.terminal.shared {
                out.push(Action::TakeTerminal);
            }
            out.push(Action::Exit(code));
        }
    }
}
