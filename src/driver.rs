//! The only loop, and the only owner of process ids and descriptors: it waits for a signal or the machine's
//! deadline, tells the machine, and does what the machine says. Once main runs, nothing here returns an error, panics
//! or blocks anywhere but in that one wait.

#![forbid(unsafe_code)]

use std::ffi::CStr;
use std::time::Instant;

use crate::cli::Personality;
use crate::core::{
    Action, Actions, Caught, Decision, Event, Front, JobControl, Machine, Origin, Stop, Suspension, Target,
    Terminal,
};
use crate::plan::{FailureCodes, Plan, Subreaper, TerminalUse};
use crate::signal::{Signal, SignalSet};
use crate::sys::{
    self, Child, Errno, Failure, Folder, Group, Obstacle, Pid, Pids, Received, Signals, Spawn, Stage, Tty,
};
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
    /// Signals taken before main existed, which it must get.
    early: Vec<Received>,
}

impl Driver<'_> {
    /// Up to a running main. An error is the exit code.
    fn start(&mut self, mask: SignalSet) -> Result<(), u8> {
        self.announce();
        self.adopt_orphans()?;
        if self.plan.policy.pause {
            self.settle();
            return Ok(());
        }
        let terminal = self.prepare_terminal();
        let group = if terminal.shared { Group::Inherit } else { self.plan.group };
        let ignore_children = sys::receive_child_ends(self.stops);
        let folder = if self.plan.leave_directory { Folder::leave_for_now() } else { None };
        let spawn = Spawn {
            command: self.plan.command,
            environment: self.plan.environment,
            mask: if self.plan.clean_signals { SignalSet::EMPTY } else { mask },
            group,
            folder: folder.as_ref().map(Folder::raw),
            foreground: self.tty.as_ref().filter(|_| terminal.lent).and_then(Tty::to_give),
            ignore_children: ignore_children && !self.plan.clean_signals,
            default_dispositions: self.plan.clean_signals,
            pass_listen_pid: self.plan.pass_listen_pid,
        };
        let name = self.plan.command.get(0).unwrap_or_default();
        match Self::spawn(&spawn, folder) {
            Ok(report) => {
                self.main = Some(report.pid);
                self.main_group = (group != Group::Inherit).then_some(report.pid);
                let claim = (self.plan.group == Group::Session).then_some(report.claim);
                self.voice.trace(&Note::Started { name, pid: report.pid, claim });
                self.settle();
                self.machine.started(terminal);
                Ok(())
            }
            Err(failure) => Err(self.cannot_start(name, failure)),
        }
    }

    fn announce(&self) {
        if self.plan.personality == Personality::DumbInit {
            if self.plan.verbosity > 1 {
                self.voice.say(&Note::DebugMode);
            }
            if self.plan.environment.var("DUMB_INIT_SETSID") == Some(b"0") {
                self.voice.say(&Note::SingleChild);
            }
        }
    }

    /// Makes orphans ours, where they are not already.
    fn adopt_orphans(&self) -> Result<(), u8> {
        if let Some(signal) = self.plan.parent_death
            && let Err(errno) = sys::set_parent_death_signal(signal)
        {
            self.voice.say(&Note::NoParentDeathSignal(errno));
            return Err(self.own_fault());
        }
        let first = self.pid == 1;
        let (wanted, needed) = match self.plan.subreaper {
            Subreaper::Auto => (!first, false),
            Subreaper::Required => (!first, true),
            Subreaper::Asked => (true, self.plan.personality == Personality::Tini),
            Subreaper::Warn => {
                if !first && !sys::is_subreaper() {
                    self.voice.say(&Note::NotReaping);
                }
                (false, false)
            }
            Subreaper::Never => (false, false),
        };
        match wanted.then(sys::become_subreaper) {
            Some(Ok(())) => self.voice.trace(&Note::Subreaper),
            Some(Err(errno)) => {
                self.voice.say(&Note::NoSubreaper(errno));
                if needed {
                    return Err(self.own_fault());
                }
            }
            None => {}
        }
        Ok(())
    }

    fn prepare_terminal(&mut self) -> Terminal {
        let job_control = self.plan.policy.job_control;
        let mut terminal = Terminal::default();
        match self.plan.terminal {
            TerminalUse::Leave => {}
            TerminalUse::Foreground => {
                self.tty = Tty::open();
                // Who does not lead its group is not alone in it: a script, a pipeline, or a caller outside of our
                // pid namespace lives by its foreground, and may not even have a number to give it back to.
                // So main stays in it, as it would without us.
                if job_control == JobControl::Foreground
                    && self.plan.policy.target == Target::Main
                    && self.tty.is_some()
                    && !sys::is_group_leader()
                {
                    terminal.shared = true;
                }
                terminal.lent = self.tty.is_some() && !terminal.shared;
            }
            TerminalUse::Release => {
                let result = sys::release_controlling_terminal();
                let leader = result.is_ok() && sys::is_session_leader();
                terminal.hung_up = leader;
                self.voice.say(&Note::Released { result, leader });
            }
        }
        let shares_group = job_control == JobControl::SharedGroup || terminal.shared;
        terminal.job_control = shares_group && (!sys::is_group_leader() || sys::is_under_job_control());
        let lent = job_control == JobControl::Foreground && terminal.lent;
        self.stops = if shares_group { !terminal.job_control } else { lent };
        if shares_group {
            // Later, a signal of the terminal is one that main has, too, being in our group. These came too early.
            while let Some(received) = self
                .signals
                .pending(|_| true)
                .and_then(|_| self.signals.wait(Some(std::time::Duration::ZERO)))
            {
                self.early.push(received);
            }
        }
        terminal
    }

    /// Starts main; a script without `#!` is tried again with /bin/sh, as execvp(3) has it.
    fn spawn(spawn: &Spawn, folder: Option<Folder>) -> Result<sys::Report, Failure> {
        let failure = match sys::spawn(spawn) {
            Ok(report) => return Ok(report),
            Err(failure) => failure,
        };
        // To look at the files, which may have relative names.
        if let Some(folder) = folder {
            folder.return_to();
        }
        if failure.errno != Errno::ENOEXEC || failure.stage != Stage::Execute {
            return Err(failure);
        }
        let Some(command) = sys::shell_form(spawn.command, spawn.environment, failure.candidate) else {
            return Err(failure);
        };
        let by_shell = Spawn {
            command,
            environment: spawn.environment,
            mask: spawn.mask,
            group: spawn.group,
            folder: None,
            foreground: spawn.foreground,
            ignore_children: spawn.ignore_children,
            default_dispositions: spawn.default_dispositions,
            pass_listen_pid: spawn.pass_listen_pid,
        };
        // A missing shell says nothing about the command: what stands is the first failure.
        sys::spawn(&by_shell).map_err(|second| if second.stage == Stage::Execute { failure } else { second })
    }

    fn cannot_start(&mut self, name: &CStr, failure: Failure) -> u8 {
        let Failure { stage, errno, candidate, pid } = failure;
        let obstacle = match stage {
            Stage::Execute => sys::obstacle(name, self.plan.environment, candidate, errno),
            Stage::Clone | Stage::Session => Obstacle::Other(errno),
        };
        self.voice.say(&Note::StartFailed { name, pid, stage, errno, obstacle: &obstacle });
        if let (Some(tty), true) = (&self.tty, pid != 0) {
            tty.take_back_from(Some(pid));
        }
        let code = match (self.plan.codes, stage, errno) {
            (FailureCodes::Native, Stage::Execute, _) => obstacle.code(),
            (FailureCodes::Native, Stage::Clone | Stage::Session, _) => OWN_FAULT,
            (FailureCodes::Tini, Stage::Execute, Errno::ENOENT) => 127,
            (FailureCodes::Tini, Stage::Execute, Errno::EACCES) => 126,
            (FailureCodes::DumbInit, Stage::Execute, _) => 2,
            (FailureCodes::Tini | FailureCodes::DumbInit | FailureCodes::One, ..) => 1,
        };
        let early = self.early.iter().map(|received| received.signal).find(|signal| signal.ends_by_default());
        let waiting = early.or_else(|| self.signals.pending(Signal::ends_by_default));
        self.machine.start_failed(code, waiting)
    }

    /// The code for a failure of our own before main.
    fn own_fault(&self) -> u8 {
        if self.plan.codes == FailureCodes::Native { OWN_FAULT } else { 1 }
    }

    /// Lets go of what only main needs.
    fn settle(&self) {
        // Again: we may have come back to it, or not have left it yet.
        if self.plan.leave_directory
            && let Err(errno) = sys::leave_working_directory()
        {
            self.voice.trace(&Note::NoChdir(errno));
        }
        if self.plan.close_inherited {
            sys::close_inherited(self.tty.as_ref().map(Tty::raw));
        }
    }

    /// The loop. Not inlined: what runs for hours must not share its pages with what runs once.
    #[inline(never)]
    fn serve(&mut self) -> u8 {
        let mut actions = Actions::default();
        if !self.early.is_empty() {
            self.take_early(&mut actions);
        }
        loop {
            while !actions.is_empty() {
                if let Some(code) = self.perform(&mut actions) {
                    return code;
                }
            }
            let timeout = self.machine.deadline().map(|at| at.saturating_duration_since(Instant::now()));
            match self.signals.wait(timeout) {
                Some(received) if received.signal == Signal::CHLD => {
                    self.voice.trace(&Note::Received(Signal::CHLD));
                    self.reap(&mut actions);
                }
                Some(received) if received.sender == self.pid && self.is_our_own(received.signal) => {}
                Some(received) => self.take_signal(received, origin(&received), &mut actions),
                None => self.machine.step(Instant::now, Event::Deadline, &mut actions),
            }
        }
    }

    /// Whether a signal that we raised ourselves is not for main: a write to a pipe that nobody reads, or what we sent
    /// to main's group where that is ours, too.
    fn is_our_own(&self, signal: Signal) -> bool {
        signal == Signal::PIPE || signal == Signal::CONT && self.main_group.is_none()
    }

    /// What came for main before it existed. In a group of its own it could not have had it from anybody else.
    #[cold]
    #[inline(never)]
    fn take_early(&mut self, actions: &mut Actions) {
        for received in std::mem::take(&mut self.early) {
            self.take_signal(received, Origin::Process, actions);
        }
    }

    fn take_signal(&mut self, received: Received, origin: Origin, actions: &mut Actions) {
        self.voice.trace(&Note::Received(received.signal));
        let caught = Caught { signal: received.signal, origin };
        self.machine.step(Instant::now, Event::Signal(caught), actions);
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
