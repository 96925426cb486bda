//! dumb-init's messages, all on standard error. Its own tests compare them.

use std::fmt;

use crate::core::Decision;
use crate::signal::Signal;
use crate::status::Status;
use crate::sys::{Stage, describe_error};
use crate::voice::{Note, Voice, shown, write_line};

pub(super) fn say(voice: &Voice, note: &Note<'_>) {
    let error = |text: fmt::Arguments<'_>| write_line(2, format_args!("[dumb-init] {text}"));
    let debug = |text: fmt::Arguments<'_>| {
        if voice.verbosity > 0 {
            error(text);
        }
    };
    match note {
        Note::DebugMode => debug(format_args!("Running in debug mode.")),
        Note::SingleChild => debug(format_args!("Not running in setsid mode.")),
        Note::Released { result: Err(errno), .. } => debug(format_args!(
            "Unable to detach from controlling tty (errno={} {}).",
            *errno as i32,
            describe_error(*errno)
        )),
        Note::Released { leader: true, .. } => debug(format_args!(
            "Detached from controlling tty, ignoring the first SIGHUP and SIGCONT we receive."
        )),
        Note::Released { leader: false, .. } => {
            debug(format_args!("Detached from controlling tty, but was not session leader."));
        }
        Note::Started { pid, claim, .. } => {
            if let Some(claim) = claim {
                if let Err(errno) = claim {
                    debug(format_args!(
                        "Unable to attach to controlling tty (errno={} {}).",
                        *errno as i32,
                        describe_error(*errno)
                    ));
                }
                debug(format_args!("setsid complete."));
            }
            debug(format_args!("Child spawned with PID {pid}."));
        }
        Note::StartFailed { name, stage, errno, .. } => match stage {
            Stage::Clone => error(format_args!("Unable to fork. Exiting.")),
            Stage::Session => {
                error(format_args!(
                    "Unable to setsid (errno={} {}). Exiting.",
                    *errno as i32,
                    describe_error(*errno)
                ));
            }
            Stage::Execute => error(format_args!("{}: {}", shown(name), describe_error(*errno))),
        },
        Note::NoChdir(errno) => {
            debug(format_args!(
                "Unable to chdir(\"/\") (errno={} {})",
                *errno as i32,
                describe_error(*errno)
            ));
        }
        Note::Received(signal) => debug(format_args!("Received signal {}.", signal.number())),
        // kill's result is not looked at, as there.
        Note::Forwarded { signal, .. } => {
            debug(format_args!("Forwarded signal {} to children.", signal.number()));
        }
        Note::Reaped { pid, status: Status::Exited(code), .. } => {
            debug(format_args!("A child with PID {pid} exited with exit status {code}."));
        }
        Note::Reaped { pid, status: Status::Killed(signal), .. } => {
            debug(format_args!("A child with PID {pid} was terminated by signal {}.", signal.number()));
        }
        Note::Decided(decision) => match decision {
            Decision::Rewritten { from, to } => {
                let to = to.map_or(0, Signal::number);
                debug(format_args!("Translating signal {} to {to}.", from.number()));
            }
            Decision::Dropped(_) => debug(format_args!("Not forwarding signal 0 to children (ignored).")),
            Decision::HandOff(signal) => {
                debug(format_args!("Ignoring tty hand-off signal {}.", signal.number()));
            }
            Decision::Suspending => debug(format_args!("Suspending self due to TTY signal.")),
            Decision::GraceOver | Decision::LeftBehind => {}
        },
        Note::Ending { code } => debug(format_args!("Child exited with status {code}. Goodbye.")),
        Note::Subreaper
        | Note::NoSubreaper(_)
        | Note::NotReaping
        | Note::NoParentDeathSignal(_)
        | Note::Drained { .. } => {}
    }
}
