//! From a plan to a running main, or to the exit code that says why there is none.

#![forbid(unsafe_code)]

use std::ffi::CStr;

use super::{Driver, OWN_FAULT};
use crate::cli::Personality;
use crate::core::{JobControl, Target, Terminal};
use crate::plan::{FailureCodes, Leave, Subreaper, TerminalUse};
use crate::signal::{Signal, SignalSet};
use crate::sys::{self, Child, Errno, Failure, Folder, Group, Obstacle, Spawn, Stage, Tty};
use crate::voice::Note;

impl Driver<'_> {
    /// Up to a running main. An error is the exit code.
    pub(super) fn start(&mut self, mask: SignalSet) -> Result<(), u8> {
        self.announce();
        self.adopt_orphans()?;
        if self.plan.policy.pause {
            self.settle();
            return Ok(());
        }
        let terminal = self.prepare_terminal();
        let group = if terminal.shared { Group::Inherit } else { self.plan.group };
        let ignore_children = sys::receive_child_ends(self.stops);
        // What ended before we were executed (a script that ends in `exec rinit`) has sent its SIGCHLD already.
        while let Child::Ended(pid, status) = sys::next_child(false) {
            self.voice.trace(&Note::Reaped { pid, status, main: false });
        }
        let folder = if self.plan.leave == Leave::BeforeMain { Folder::leave_for_now() } else { None };
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
                self.early.push(received.meant_for_main());
            }
            self.early.reverse();
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
        let by_shell = Spawn { command, folder: None, ..*spawn };
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
        // Perhaps again: after a failed start we may have come back to it.
        if self.plan.leave != Leave::Never
            && let Err(errno) = sys::leave_working_directory()
        {
            self.voice.trace(&Note::NoChdir(errno));
        }
        if self.plan.close_inherited {
            sys::close_inherited(self.tty.as_ref().map(Tty::raw));
        }
    }
}
