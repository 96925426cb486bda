//! rinit's own words: `rinit: subject: what failed: cause`, on standard error only.

use std::fmt;

use crate::core::Decision;
use crate::status::Status;
use crate::sys::{Obstacle, Stage, describe_error};
use crate::voice::{Note, Voice, shown, write_line};

const ERROR: i32 = 0;
const WARNING: i32 = 1;
const INFO: i32 = 2;
const DEBUG: i32 = 3;

pub(super) fn say(voice: &Voice, note: &Note<'_>) {
    let out = |level: i32, text: fmt::Arguments<'_>| {
        if voice.verbosity >= level {
            write_line(2, format_args!("rinit: {text}"));
        }
    };
    match note {
        Note::Subreaper => out(INFO, format_args!("not PID 1 but {}: a child subreaper", voice.pid)),
        Note::NoSubreaper(errno) => {
            out(
                WARNING,
                format_args!(
                    "cannot become a child subreaper, orphans go to PID 1: {}",
                    describe_error(*errno)
                ),
            );
        }
        Note::NoParentDeathSignal(errno) => {
            out(ERROR, format_args!("cannot set the parent death signal: {}", describe_error(*errno)));
        }
        Note::Started { name, pid, .. } => out(INFO, format_args!("{}: started as pid {pid}", shown(name))),
        Note::StartFailed { name, stage, errno, obstacle, .. } => match stage {
            Stage::Clone | Stage::Session => out(
                ERROR,
                format_args!(
                    "cannot start '{}': {}{}",
                    shown(name),
                    describe_error(*errno),
                    match *errno {
                        nix::errno::Errno::EAGAIN =>
                            " (a limit on processes is reached: --pids-limit, ulimit -u)",
                        _ => "",
                    }
                ),
            ),
            Stage::Execute => out(ERROR, format_args!("cannot execute '{}': {}", shown(name), Why(obstacle))),
        },
        Note::NoChdir(errno) => out(DEBUG, format_args!("cannot change to '/': {}", describe_error(*errno))),
        Note::Received(signal) => out(DEBUG, format_args!("{signal} received")),
        Note::Forwarded { signal, result: Ok(()), .. } => out(INFO, format_args!("{signal} sent on")),
        Note::Forwarded { signal, result: Err(errno), .. } => {
            out(
                WARNING,
                format_args!("{signal} not sent on to '{}': {}", shown(voice.name), describe_error(*errno)),
            );
        }
        Note::Reaped { pid, status, main: true } => {
            out(INFO, format_args!("{} (pid {pid}) {}", shown(voice.name), Ended(*status)));
        }
        Note::Reaped { pid, status, main: false } => {
            let level = if voice.warn_on_reap { WARNING } else { DEBUG };
            out(level, format_args!("reaped orphan {pid}, which {}", Ended(*status)));
        }
        Note::Decided(decision) => match decision {
            Decision::Rewritten { from, to: Some(to) } => out(DEBUG, format_args!("{from} becomes {to}")),
            Decision::Dropped(signal) => out(INFO, format_args!("{signal} dropped, as --rewrite says")),
            Decision::Suspending => out(DEBUG, format_args!("stopping with {}", shown(voice.name))),
            Decision::GraceOver => {
                out(WARNING, format_args!("the grace is over: SIGKILL to all that is left"));
            }
            Decision::LeftBehind => {
                out(
                    WARNING,
                    format_args!(
                        "processes are left that SIGKILL did not end, or that are not ours to signal"
                    ),
                );
            }
            Decision::Rewritten { to: None, .. } | Decision::HandOff(_) => {}
        },
        Note::Ending { code } => out(DEBUG, format_args!("ending with {code}")),
        Note::NotReaping
        | Note::DebugMode
        | Note::SingleChild
        | Note::Released { .. }
        | Note::Drained { .. } => {}
    }
}

/// A status as the end of a sentence.
struct Ended(Status);

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Status::Exited(code) => write!(f, "ended with {code}"),
            Status::Killed(signal) => write!(f, "was killed by {signal}"),
        }
    }
}

/// The reason and, where there is one, the way out.
struct Why<'a>(&'a Obstacle);

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Obstacle::NotFound => f.write_str("No such file or directory"),
            Obstacle::NotInPath => f.write_str("not found in PATH"),
            Obstacle::Directory => f.write_str("it is a directory"),
            Obstacle::NotExecutable => f.write_str("Permission denied: it is not executable (chmod +x)"),
            Obstacle::MissingInterpreter(name) => {
                let shown = String::from_utf8_lossy(name);
                match shown.strip_suffix('\r') {
                    Some(name) => {
                        write!(f, "its #! line ends in a carriage return: '{name}\\r' is no interpreter")
                    }
                    None => write!(f, "its interpreter '{shown}' does not exist"),
                }
            }
            Obstacle::MissingLoader(name) => write!(
                f,
                "its loader '{}' does not exist (a program for another C library or a larger image)",
                String::from_utf8_lossy(name)
            ),
            Obstacle::WrongArchitecture(machine) => {
                write!(f, "it is a program for {machine}, and this is {}", std::env::consts::ARCH)
            }
            Obstacle::NoShell => f.write_str("a script without a #! line, and no /bin/sh to run it"),
            Obstacle::NotAProgram => f.write_str("Exec format error: neither a program nor a script"),
            Obstacle::Other(errno) => f.write_str(describe_error(*errno)),
        }
    }
}
