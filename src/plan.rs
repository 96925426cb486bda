//! What was decided: every default filled in, every personality turned into plain settings.

#![forbid(unsafe_code)]

use std::time::Duration;

use crate::cli::{Personality, Typed};
use crate::core::{End, JobControl, Policy, Target};
use crate::signal::{FAULTS, Signal, SignalSet};
use crate::sys::{Group, Strings};

/// How long descendants get after main's end, where nobody said.
const LEFTOVERS: Duration = Duration::from_secs(2);

/// When rinit becomes a child subreaper. As PID 1 it adopts orphans anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subreaper {
    /// Wherever it is not PID 1; if the kernel has none, that is only worth a warning.
    Auto,
    /// As `Auto`, and without it there is no run (catatonit).
    Required,
    /// Always, and without it there is no run (`tini -s`).
    Asked,
    /// Never; warn where orphans will go elsewhere (tini).
    Warn,
    /// Never (dumb-init).
    Never,
}

/// What happens to the controlling terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminalUse {
    /// Nothing.
    Leave,
    /// Main's group gets the foreground, if it was ours.
    Foreground,
    /// We let go of it, so that main's new session can take it (dumb-init).
    Release,
}

/// When we leave the folder that we were started in, which somebody may want to unmount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Never (tini).
    Never,
    /// Before main is started in it, so that main never finds its init there: programs look for that (dumb-init,
    /// catatonit).
    BeforeMain,
    /// Once main is there, which is a few system calls less before it.
    AfterMain,
}

/// One run, decided.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Who we are to the user.
    pub personality: Personality,
    /// How much is said.
    pub verbosity: i32,
    /// The command.
    pub command: Strings,
    /// Its environment.
    pub environment: Strings,
    /// Say so for each adopted child that is reaped.
    pub warn_on_reap: bool,
    /// The signal for ourselves when our parent ends.
    pub parent_death: Option<Signal>,
    /// Adoption.
    pub subreaper: Subreaper,
    /// Main's process group.
    pub group: Group,
    /// The terminal.
    pub terminal: TerminalUse,
    /// Signals that keep their meaning for ourselves.
    pub left_alone: SignalSet,
    /// Main begins with no signal ignored or blocked, whatever we were given (dumb-init).
    pub clean_signals: bool,
    /// Close what we inherited above 2 once main has it.
    pub close_inherited: bool,
    /// When we leave the working directory.
    pub leave: Leave,
    /// LISTEN_PID follows main.
    pub pass_listen_pid: bool,
    /// The exit codes for failures before main.
    pub codes: FailureCodes,
    /// The behaviour over time.
    pub policy: Policy,
}

/// The codes for a main that cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureCodes {
    /// 127 and 126 as sh, env and docker have them; 70 for a failure of our own.
    Native,
    /// 127 for ENOENT, 126 for EACCES, 1 for the rest (tini).
    Tini,
    /// 2 for execve, 1 for the rest (dumb-init).
    DumbInit,
    /// 1 (catatonit).
    One,
}

impl Plan {
    /// Decides.
    #[must_use]
    pub fn new(personality: Personality, typed: &Typed, environment: Strings) -> Self {
        let own = Self::native(typed, environment);
        match personality {
            Personality::Native => own,
            Personality::Tini => own.into_tini(typed),
            Personality::DumbInit => own.into_dumb_init(typed),
            Personality::Catatonit => own.into_catatonit(typed),
        }
    }

    fn native(typed: &Typed, environment: Strings) -> Self {
        let (group, terminal, job_control) = if typed.single_child {
            (Group::Inherit, TerminalUse::Leave, JobControl::SharedGroup)
        } else {
            (Group::Own, TerminalUse::Foreground, JobControl::Foreground)
        };
        Self {
            personality: Personality::Native,
            verbosity: typed.verbosity,
            command: typed.command,
            environment,
            warn_on_reap: typed.warn_on_reap,
            parent_death: typed.parent_death,
            subreaper: if typed.subreaper { Subreaper::Asked } else { Subreaper::Auto },
            group,
            terminal,
            left_alone: SignalSet::EMPTY,
            clean_signals: false,
            close_inherited: true,
            leave: Leave::AfterMain,
            pass_listen_pid: true,
            codes: FailureCodes::Native,
            policy: Policy {
                target: if typed.group { Target::Group } else { Target::Main },
                rewrites: typed.rewrites,
                deaf: SignalSet::EMPTY,
                grace: typed.grace,
                end: End::Leftovers(typed.grace.unwrap_or(LEFTOVERS)),
                zero: typed.zero,
                zero_covers_failures: false,
                waiting_signal_decides: true,
                job_control,
                pause: false,
            },
        }
    }

    fn into_tini(mut self, typed: &Typed) -> Self {
        self.personality = Personality::Tini;
        self.subreaper = if typed.subreaper { Subreaper::Asked } else { Subreaper::Warn };
        self.left_alone = FAULTS;
        self.close_inherited = false;
        self.leave = Leave::Never;
        self.pass_listen_pid = false;
        self.codes = FailureCodes::Tini;
        self.policy.deaf = SignalSet::of(&[Signal::TTIN, Signal::TTOU]);
        self.policy.end = End::AtOnce;
        self.policy.zero_covers_failures = true;
        self.policy.waiting_signal_decides = false;
        self.policy.job_control = JobControl::None;
        self
    }

    fn into_dumb_init(mut self, typed: &Typed) -> Self {
        let session = !typed.single_child;
        self.personality = Personality::DumbInit;
        self.subreaper = Subreaper::Never;
        self.leave = Leave::BeforeMain;
        self.group = if session { Group::Session } else { Group::Inherit };
        self.terminal = if session { TerminalUse::Release } else { TerminalUse::Leave };
        self.clean_signals = true;
        self.close_inherited = false;
        self.pass_listen_pid = false;
        self.codes = FailureCodes::DumbInit;
        let policy = &mut self.policy;
        policy.target = if session { Target::Group } else { Target::Main };
        policy.end = End::TermGroup;
        policy.waiting_signal_decides = false;
        policy.job_control = JobControl::AfterForwarding;
        if session {
            // A new session has no parent that could continue it: the kernel drops Ctrl-Z for such a group, so that
            // SIGSTOP has to stand in (signal(7), setpgid(2)).
            for signal in [Signal::TSTP, Signal::TTOU, Signal::TTIN] {
                policy.rewrites.set_default(signal, Signal::STOP);
            }
        }
        self
    }

    fn into_catatonit(mut self, typed: &Typed) -> Self {
        self.personality = Personality::Catatonit;
        self.subreaper = Subreaper::Required;
        self.leave = Leave::BeforeMain;
        self.left_alone = FAULTS;
        self.codes = FailureCodes::One;
        let policy = &mut self.policy;
        policy.deaf = SignalSet::of(&[Signal::TSTP, Signal::TTIN, Signal::TTOU]);
        policy.end = End::AtOnce;
        policy.waiting_signal_decides = false;
        policy.job_control = JobControl::None;
        policy.pause = typed.pause;
        self
    }
}
