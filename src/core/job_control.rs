//! Ctrl-Z, `fg` and `bg`: what the machine does when main is stopped, and who has the terminal then.

use crate::core::{Action, Actions, Decision, Front, JobControl, Machine, Phase, Stop, Suspension, WAKE};
use crate::signal::Signal;

impl Machine {
    /// How the stop keys are dealt with in this run.
    pub(super) fn job_control(&self) -> JobControl {
        if self.terminal.shared { JobControl::SharedGroup } else { self.policy.job_control }
    }

    /// Whether main's group gets and loses the terminal together with ours.
    pub(super) fn lends_terminal(&self) -> bool {
        self.terminal.lent && self.job_control() == JobControl::Foreground
    }

    pub(super) fn suspend(how: Suspension, out: &mut Actions) {
        out.extend([Action::Tell(Decision::Suspending), Action::Suspend(how)]);
    }

    pub(super) fn main_stopped(&mut self, stop: Stop, out: &mut Actions) {
        let Stop { signal, front, job_control } = stop;
        if !matches!(self.phase, Phase::Running { .. }) {
            return;
        }
        if self.job_control() == JobControl::SharedGroup {
            // Below another init the kernel stops a group that nobody will continue.
            if signal == Signal::TSTP && !self.terminal.job_control {
                out.push(WAKE);
            }
            return;
        }
        // Asleep: we were continued, and the SIGCONT that says so is still to come.
        if !self.lends_terminal() || self.asleep.is_some() {
            return;
        }
        let wants_terminal = matches!(signal, Signal::TTIN | Signal::TTOU);
        match front {
            // It has what it wanted.
            Front::Mains if wants_terminal => out.push(WAKE),
            // It was started in the background, and `fg` of a job that runs tells nobody but the terminal.
            Front::Ours if wants_terminal => out.extend([Action::GiveTerminal, WAKE]),
            // A child of main's took the terminal and died with it.
            Front::Nobodys if wants_terminal && !job_control => {
                out.extend([Action::TakeTerminal, Action::GiveTerminal, WAKE]);
            }
            _ if job_control => {
                // SIGSTOP becomes SIGTSTP: where we are wrong about `job_control` the kernel then keeps us awake.
                let with = if wants_terminal { signal } else { Signal::TSTP };
                out.push(Action::TakeTerminal);
                self.asleep = Some(signal);
                Self::suspend(Suspension::Group(with), out);
            }
            // Nobody above us could ever say `fg`. The kernel does not let Ctrl-Z stop an orphaned group either
            // (setpgid(2)); main's group only is none because we are its parent.
            _ if signal == Signal::TSTP => out.push(WAKE),
            // Somebody meant it (SIGSTOP), or it would only read, and stop, again.
            _ => {}
        }
    }

    pub(super) fn stayed_awake(&mut self, out: &mut Actions) {
        if let (Some(signal), Phase::Running { .. }) = (self.asleep.take(), self.phase) {
            out.push(Action::GiveTerminal);
            if signal == Signal::TSTP {
                out.push(WAKE);
            }
        }
    }
}
