//! The only loop, and the only owner of process ids and descriptors: it waits for a signal or the machine's
//! deadline, tells the machine, and does what the machine says. Once main runs, nothing here returns an error, panics
//! or blocks anywhere but in that one wait.

#![forbid(unsafe_code)]

mod start;

use std::time::Instant;

use crate::core::{
    Action, Actions, Caught, Decision, Event, Front, Machine, Origin, Stop, Suspension, Target,
};
use crate::plan::Plan;
use crate::signal::{Signal, SignalSet};
use crate::sys::{self, Child, Errno, Pid, Pids, Received, Signals, Tty};
use crate::voice::{Note, Voice};

/// EX_SOFTWARE of sysexits.h: a fault in rinit itself.
const OWN_FAULT: u8 = 70;

/// Runs the plan to its end. Every signal must be blocked; `mask` is what was blocked before, `pid` our own id.
#[must_use]
pub(crate) fn run(plan: &Plan, mask: SignalSet, pid: Pid) -> u8 {
    let voice = Voice::new(plan.personality, plan.verbosity, plan.warn_on_reap, pid, plan.command.get(0));
    let mut driver = Driver {
        plan,
        voice,
        pid,
        signals: Signals::new(plan.left_alone),
        machine: Machine::new(plan.policy),
        main: None,
        main_group: None,
        tty: None,
        stops: false,
        early: Vec::new(),
    };
    match driver.start(mask) {
        Ok(()) => driver.serve(),
        Err(code) => code,
    }
}

struct Driver<'a> {
    plan: &'a Plan,
    voice: Voice,
    pid: Pid,
    signals: Signals,
    machine: Machine,
    /// Main, until it is reaped: a reaped pid is nobody's, and must never be signalled.
    main: Option<Pid>,
    /// Main's process group. It keeps its id after main's end, as long as it has a member.
    main_group: Option<Pid>,
    /// The terminal, if it concerns us.
    tty: Option<Tty>,
    /// We want to know when main is stopped.
    stops: bool,
    /// Signals taken before main existed, which it must get; the last one is the next.
    early: Vec<Received>,
}

impl Driver<'_> {
    /// The loop. Not inlined: what runs for hours must not share its pages with what runs once.
    #[inline(never)]
    fn serve(&mut self) -> u8 {
        let mut actions = Actions::default();
        loop {
            while !actions.is_empty() {
                if let Some(code) = self.perform(&mut actions) {
                    return code;
                }
            }
            let timeout = self.machine.deadline().map(|at| at.saturating_duration_since(Instant::now()));
            match self.early.pop().or_else(|| self.signals.wait(timeout)) {
                Some(received) if received.signal == Signal::CHLD => {
                    self.voice.trace(&Note::Received(Signal::CHLD));
                    self.reap(&mut actions);
                }
                Some(received) if received.sender == self.pid && self.is_our_own(received.signal) => {}
                Some(received) => {
                    self.voice.trace(&Note::Received(received.signal));
                    let caught = Caught { signal: received.signal, origin: origin(&received) };
                    self.machine.step(Instant::now, Event::Signal(caught), &mut actions);
                }
                None => self.machine.step(Instant::now, Event::Deadline, &mut actions),
            }
        }
    }

    /// Whether a signal that we raised ourselves is not for main: a write to a pipe that nobody reads, or what we sent
    /// to main's group where that is ours, too.
    fn is_our_own(&self, signal: Signal) -> bool {
        signal == Signal::PIPE || signal == Signal::CONT && self.main_group.is_none()
    }

    /// Reaps all that has ended: SIGCHLD stands for any number of children (signal(7)).
    fn reap(&mut self, actions: &mut Actions) {
        let mut main_ended = None;
        let mut stopped = None;
        let children_left = loop {
            match sys::next_child(self.stops) {
                Child::Ended(pid, status) => {
                    let main = self.main == Some(pid);
                    self.voice.trace(&Note::Reaped { pid, status, main });
                    if main {
                        self.main = None;
                        main_ended = Some(status);
                    }
                }
                Child::Stopped(pid, signal) => {
                    if self.main == Some(pid) {
                        stopped = Some(signal);
                    }
                }
                Child::Running => break true,
                Child::None => break false,
            }
        };
        self.voice.trace(&Note::Drained { children_left });
        if let (Some(main), Some(signal)) = (self.main, stopped) {
            let (front, job_control) = (self.front(main), sys::is_under_job_control());
            let stop = Stop { signal, front, job_control };
            self.machine.step(Instant::now, Event::MainStopped(stop), actions);
        }
        if let Some(status) = main_ended {
            self.machine.step(Instant::now, Event::MainEnded { status, children_left }, actions);
        } else if !children_left {
            self.machine.step(Instant::now, Event::NoChildren, actions);
        }
    }

    /// Does it, in order. `Some` is the exit code.
    fn perform(&mut self, actions: &mut Actions) -> Option<u8> {
        let mut stayed_awake = false;
        for action in actions.take() {
            match action {
                Action::Forward { to, signal, value } => {
                    let result = match (self.resolve(to), value) {
                        (Some(target), Some(value)) if target > 0 => {
                            match sys::send_value(target, signal, value) {
                                // Main's queue is full (RLIMIT_SIGPENDING); kill(2) gets through all the same, and
                                // the signal without its value is better than none.
                                Err(Errno::EAGAIN) => sys::send(target, signal),
                                result => result,
                            }
                        }
                        (Some(target), _) => sys::send(target, signal),
                        (None, _) => Err(Errno::ESRCH),
                    };
                    let note = Note::Forwarded { signal, result };
                    if result.is_ok() { self.voice.trace(&note) } else { self.voice.say(&note) }
                }
                Action::Kill { to: Target::Everyone, signal } => self.send_to_everyone(signal),
                Action::Kill { to, signal } => {
                    if let Some(target) = self.resolve(to) {
                        // ESRCH: gone meanwhile, which is what was wanted.
                        let _ = sys::send(target, signal);
                    }
                }
                Action::TakeTerminal => {
                    if let Some(tty) = &self.tty {
                        tty.take_back_from(self.main_group);
                    }
                }
                Action::GiveTerminal => {
                    if let (Some(tty), Some(group)) = (&self.tty, self.main_group) {
                        tty.give_to(group);
                    }
                }
                Action::Suspend(how) => {
                    let stopped = match how {
                        Suspension::Hard => sys::suspend(self.pid, Signal::STOP),
                        Suspension::Own(signal) => sys::suspend(self.pid, signal),
                        Suspension::Group(signal) => sys::suspend(0, signal),
                    };
                    stayed_awake |= !stopped;
                }
                Action::Tell(
                    decision @ (Decision::Killed(_) | Decision::GraceOver | Decision::LeftBehind),
                ) => {
                    self.voice.say(&Note::Decided(decision));
                }
                Action::Tell(decision) => self.voice.trace(&Note::Decided(decision)),
                Action::Exit(code) => {
                    self.voice.trace(&Note::Ending { code });
                    return Some(code);
                }
            }
        }
        if stayed_awake {
            self.machine.step(Instant::now, Event::StayedAwake, actions);
        }
        None
    }

    fn front(&self, main: Pid) -> Front {
        match self.tty.as_ref().and_then(Tty::front) {
            Some(group) if group == main => Front::Mains,
            Some(group) if group == sys::own_group() => Front::Ours,
            Some(group) if !sys::group_exists(group) => Front::Nobodys,
            _ => Front::Others,
        }
    }

    /// The number for kill(2).
    fn resolve(&self, to: Target) -> Option<i32> {
        match to {
            Target::Main => self.main,
            // 0 is our own group, where main has none of its own (kill(2)).
            Target::Group => Some(self.main_group.map_or(0, |group| -group)),
            Target::Everyone => None,
        }
    }

    /// To all below us. kill(-1) only as PID 1: there, and only there, "all" is what we are the init of.
    fn send_to_everyone(&self, signal: Signal) {
        if self.pid == 1 {
            // ESRCH: there is nobody but us.
            let _ = sys::send(-1, signal);
        } else {
            Pids::send_to_all(signal, self.main_group);
        }
    }
}

fn origin(received: &Received) -> Origin {
    if received.is_from_kernel() {
        Origin::Kernel
    } else if received.is_queued() {
        Origin::Queued(received.value)
    } else {
        Origin::Process
    }
}
