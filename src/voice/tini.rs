//! tini's messages: FATAL and WARN on standard error, the rest on standard output. Scripts and tests grep for them.

use std::fmt;

use crate::core::Decision;
use crate::signal::Signal;
use crate::status::Status;
use crate::sys::{Errno, Stage, describe_error, describe_signal};
use crate::voice::{Note, Voice, shown, write_line};

/// A level's name and the verbosity from which on it is heard.
type Level = (&'static str, i32);

const FATAL: Level = ("FATAL", i32::MIN);
const WARN: Level = ("WARN ", 1);
const INFO: Level = ("INFO ", 2);
const DEBUG: Level = ("DEBUG", 3);
const TRACE: Level = ("TRACE", 4);

const NOT_REAPING: &str = "Tini is not running as PID 1 and isn't registered as a child subreaper.\n\
    Zombie processes will not be re-parented to Tini, so zombie reaping won't work.\n\
    To fix the problem, use the -s option or set the environment variable TINI_SUBREAPER to register Tini as a child \
    subreaper, or run Tini as PID 1.";

pub(super) fn say(voice: &Voice, note: &Note<'_>) {
    let out_as = |pid: i32, (name, level): Level, text: fmt::Arguments<'_>| {
        if voice.verbosity >= level {
            let fd = if level <= WARN.1 { 2 } else { 1 };
            write_line(fd, format_args!("[{name} tini ({pid})] {text}"));
        }
    };
    let out = |level: Level, text: fmt::Arguments<'_>| out_as(voice.pid, level, text);
    match note {
        Note::Subreaper => out(TRACE, format_args!("Registered as child subreaper")),
        Note::NoSubreaper(Errno::EINVAL) => out(
            FATAL,
            format_args!(
                "PR_SET_CHILD_SUBREAPER is unavailable on this platform. Are you using Linux >= 3.4?"
            ),
        ),
        Note::NoSubreaper(errno) => {
            out(FATAL, format_args!("Failed to register as child subreaper: {}", describe_error(*errno)));
        }
        Note::NotReaping => out(WARN, format_args!("{NOT_REAPING}")),
        Note::NoParentDeathSignal(_) => out(FATAL, format_args!("Failed to set up parent death signal")),
        Note::Started { name, pid, .. } => {
            out(INFO, format_args!("Spawned child process '{}' with pid '{pid}'", shown(name)));
        }
        Note::StartFailed { name, pid, stage, errno, .. } => match stage {
            Stage::Clone | Stage::Session => {
                out(FATAL, format_args!("fork failed: {}", describe_error(*errno)));
            }
            Stage::Execute => {
                out_as(*pid, FATAL, format_args!("exec {} failed: {}", shown(name), describe_error(*errno)));
            }
        },
        Note::Received(Signal::CHLD) => out(DEBUG, format_args!("Received SIGCHLD")),
        Note::Received(signal) => out(DEBUG, format_args!("Passing signal: '{}'", describe_signal(*signal))),
        Note::Forwarded { result: Err(Errno::ESRCH), .. } => {
            out(WARN, format_args!("Child was dead when forwarding signal"));
        }
        Note::Forwarded { result: Err(errno), .. } => {
            out(FATAL, format_args!("Unexpected error when forwarding signal: '{}'", describe_error(*errno)));
        }
        Note::Reaped { pid, status, main } => {
            out(DEBUG, format_args!("Reaped child with pid: '{pid}'"));
            match (main, status) {
                (true, Status::Exited(code)) => {
                    out(INFO, format_args!("Main child exited normally (with status '{code}')"));
                }
                (true, Status::Killed(signal)) => out(
                    INFO,
                    format_args!(
                        "Main child exited with signal (with signal '{}')",
                        describe_signal(*signal)
                    ),
                ),
                (false, _) if voice.warn_on_reap => {
                    out(WARN, format_args!("Reaped zombie process with pid={pid}"));
                }
                (false, _) => {}
            }
        }
        Note::Drained { children_left: true } => out(TRACE, format_args!("No child to reap")),
        Note::Drained { children_left: false } => out(TRACE, format_args!("No child to wait")),
        Note::Ending { .. } => out(TRACE, format_args!("Exiting: child has exited")),
        Note::Forwarded { result: Ok(()), .. }
        | Note::Decided(
            Decision::Rewritten { .. }
            | Decision::Dropped(_)
            | Decision::HandOff(_)
            | Decision::Suspending
            | Decision::GraceOver
            | Decision::LeftBehind,
        )
        | Note::DebugMode
        | Note::SingleChild
        | Note::Released { .. }
        | Note::NoChdir(_) => {}
    }
}
