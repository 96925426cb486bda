//! catatonit's messages, all on standard error.

use std::fmt;

use crate::signal::Signal;
use crate::status::Status;
use crate::sys::{Stage, describe_error};
use crate::voice::{Note, Voice, shown, write_line};

pub(super) fn say(voice: &Voice, note: &Note<'_>) {
    let error = |pid: i32, text: fmt::Arguments<'_>| {
        write_line(2, format_args!("ERROR (catatonit:{pid}): {text}"));
    };
    let detail = |level: &str, text: fmt::Arguments<'_>| {
        if voice.verbosity > 0 {
            write_line(2, format_args!("{level} (catatonit:{}): {text}", voice.pid));
        }
    };
    match note {
        Note::NoSubreaper(errno) => {
            error(
                voice.pid,
                format_args!("failed to set child-reaper as non-pid1: {}", describe_error(*errno)),
            );
        }
        Note::Started { name, pid, .. } => {
            detail("DEBUG", format_args!("pid1 ({pid}) spawned: {}", shown(name)));
        }
        Note::StartFailed { pid, stage, errno, .. } => match stage {
            Stage::Clone | Stage::Session => {
                error(voice.pid, format_args!("failed to fork child: {}", describe_error(*errno)));
                error(voice.pid, format_args!("failed to spawn pid1: {}", describe_error(*errno)));
            }
            Stage::Execute => error(*pid, format_args!("failed to exec pid1: {}", describe_error(*errno))),
        },
        Note::Received(Signal::TSTP | Signal::TTIN | Signal::TTOU) => {
            detail("DEBUG", format_args!("ignoring kernel attempting to stop us: tty has TOSTOP set"));
        }
        Note::Forwarded { signal, result: Err(errno), .. } => {
            detail(
                "WARN",
                format_args!(
                    "forwarding of signal {} to pid1 failed: {}",
                    signal.number(),
                    describe_error(*errno)
                ),
            );
        }
        Note::Reaped { pid, status, main: false } => match status {
            Status::Exited(code) => {
                detail("DEBUG", format_args!("child process {pid} exited with code {code}"));
            }
            Status::Killed(signal) => {
                detail("DEBUG", format_args!("child process {pid} exited due to signal {}", signal.number()));
            }
        },
        Note::Drained { children_left: false } => {
            detail("DEBUG", format_args!("got ECHILD: no children left to monitor"));
        }
        Note::Subreaper
        | Note::NotReaping
        | Note::NoParentDeathSignal(_)
        | Note::DebugMode
        | Note::SingleChild
        | Note::Released { .. }
        | Note::NoChdir(_)
        | Note::Received(_)
        | Note::Forwarded { result: Ok(()), .. }
        | Note::Reaped { main: true, .. }
        | Note::Drained { children_left: true }
        | Note::Decided(_)
        | Note::Ending { .. } => {}
    }
}
