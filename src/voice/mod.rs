//! What rinit says, in the words of the program it was started as. One line a note; nothing here decides anything.

#![forbid(unsafe_code)]

mod catatonit;
mod dumb_init;
mod native;
mod tini;

use std::borrow::Cow;
use std::ffi::CStr;
use std::fmt::{self, Write};

use crate::cli::Personality;
use crate::core::Decision;
use crate::signal::Signal;
use crate::status::Status;
use crate::sys::{Errno, Line, Obstacle, Pid, Stage};

/// Something that a user may want to read.
#[derive(Debug)]
pub(crate) enum Note<'a> {
    /// We are a subreaper, not being PID 1.
    Subreaper,
    /// The kernel did not make us one.
    NoSubreaper(Errno),
    /// We are neither PID 1 nor a subreaper: orphans go elsewhere.
    NotReaping,
    /// PR_SET_PDEATHSIG failed.
    NoParentDeathSignal(Errno),
    /// The environment asked for debug output (dumb-init).
    DebugMode,
    /// Main stays in our session (dumb-init).
    SingleChild,
    /// What TIOCNOTTY said; `leader`: we lead the session.
    Released {
        /// The result.
        result: Result<(), Errno>,
        /// Whether the kernel then signals us.
        leader: bool,
    },
    /// Main runs.
    Started {
        /// Its name.
        name: &'a CStr,
        /// Its id.
        pid: Pid,
        /// What TIOCSCTTY said in a new session.
        claim: Option<Result<(), Errno>>,
    },
    /// Main could not be started.
    StartFailed {
        /// Its name.
        name: &'a CStr,
        /// The id that the child had.
        pid: Pid,
        /// How far it came.
        stage: Stage,
        /// Why.
        errno: Errno,
        /// What a look at the file says.
        obstacle: &'a Obstacle,
    },
    /// chdir failed.
    NoChdir(Errno),
    /// A signal came.
    Received(Signal),
    /// It was sent on.
    Forwarded {
        /// Which.
        signal: Signal,
        /// What kill(2) said.
        result: Result<(), Errno>,
    },
    /// A child was reaped.
    Reaped {
        /// Its id.
        pid: Pid,
        /// How it ended.
        status: Status,
        /// Whether it was main.
        main: bool,
    },
    /// Nothing more to reap now; with or without children left.
    Drained {
        /// Whether there are.
        children_left: bool,
    },
    /// The machine decided something.
    Decided(Decision),
    /// We end.
    Ending {
        /// With this code.
        code: u8,
    },
}

/// The speaker.
#[derive(Debug)]
pub(crate) struct Voice {
    personality: Personality,
    verbosity: i32,
    warn_on_reap: bool,
    pid: Pid,
    name: &'static CStr,
    /// Somebody wants to follow what happens, step by step.
    followed: bool,
}

impl Voice {
    /// A speaker for this run; `pid` is ours, `name` the command's.
    #[must_use]
    pub(crate) fn new(
        personality: Personality,
        verbosity: i32,
        warn_on_reap: bool,
        pid: Pid,
        name: Option<&'static CStr>,
    ) -> Self {
        let quiet = match personality {
            Personality::Native | Personality::Tini => 1,
            Personality::DumbInit | Personality::Catatonit => 0,
        };
        let followed = verbosity > quiet || warn_on_reap;
        Self { personality, verbosity, warn_on_reap, pid, name: name.unwrap_or_default(), followed }
    }

    /// Says what only somebody who follows each step wants to hear. For everybody else it costs one test.
    pub(crate) fn trace(&self, note: &Note<'_>) {
        if self.followed {
            self.say(note);
        }
    }

    /// Says it, if this run wants to hear it.
    #[cold]
    #[inline(never)]
    pub(crate) fn say(&self, note: &Note<'_>) {
        match self.personality {
            Personality::Native => native::say(self, note),
            Personality::Tini => tini::say(self, note),
            Personality::DumbInit => dumb_init::say(self, note),
            Personality::Catatonit => catatonit::say(self, note),
        }
    }
}

fn write_line(fd: i32, text: fmt::Arguments<'_>) {
    let mut line = Line::default();
    // A Line never fails; it cuts.
    let _ = line.write_fmt(text);
    line.write_to(fd);
}

fn shown(name: &CStr) -> Cow<'_, str> {
    name.to_string_lossy()
}
