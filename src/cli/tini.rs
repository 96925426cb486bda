//! tini 0.19's command line, and docker-init's, which is the same program.

use std::fmt::Write;

use crate::cli::getopt::{Getopt, Opt, Order, Wrong};
use crate::cli::{Invocation, LICENSE, Request, Typed, shown};
use crate::core::Rewrites;
use crate::signal::Signal;

/// dockerd reads its init's version from the word behind `tini version `, and the commit from `git.`.
const VERSION: &str = "tini version 0.19.0 - git.rinit";

const OPTIONS: &[Opt] = &[
    Opt::short(b'p', true),
    Opt::short(b'h', false),
    Opt::short(b'v', false),
    Opt::short(b'w', false),
    Opt::short(b'g', false),
    Opt::short(b'l', false),
    Opt::short(b'e', true),
    Opt::short(b's', false),
];

/// Reads it as the glibc builds do (Debian's, Docker's, the released binaries): options may stand behind PROGRAM,
/// and one `--` there is swallowed. A line that these refuse for an option behind PROGRAM is read as the musl
/// build (Alpine's) reads it: PROGRAM ends the options. So every line that worked somewhere works.
pub(super) fn parse(invocation: Invocation) -> Request {
    let only = invocation.arguments.get(0).filter(|_| invocation.arguments.len() == 1);
    if only == Some(c"--version") {
        return Request::answer(format!("{VERSION}\n"));
    }
    let order =
        if invocation.environment.var("POSIXLY_CORRECT").is_some() { Order::Stop } else { Order::Permute };
    read(invocation, order)
        .or_else(|refusal| if refusal.behind_program { read(invocation, Order::Stop) } else { Err(refusal) })
        .unwrap_or_else(|refusal| Request::error(refusal.text, 1))
}

struct Refusal {
    text: String,
    behind_program: bool,
}

fn read(invocation: Invocation, order: Order) -> Result<Request, Refusal> {
    let mut getopt = Getopt::new(OPTIONS, order, invocation.arguments);
    let mut typed = Typed::nothing(invocation.arguments, 1, Rewrites::default());
    loop {
        let (index, value) = match getopt.next_option() {
            Ok(Some(found)) => found,
            Ok(None) => break,
            Err(wrong) => {
                let text = format!("{}{}", complaint(wrong, invocation), usage(invocation));
                let behind_program = getopt.has_passed_operand();
                return Err(Refusal { text, behind_program });
            }
        };
        let value = value.unwrap_or_default();
        let bad_value = |option: char| {
            let text = format!(
                "[FATAL tini ({})] Not a valid option for -{option}: {}\n",
                invocation.pid,
                shown(value)
            );
            Refusal { text, behind_program: getopt.has_passed_operand() }
        };
        match OPTIONS[index].letter {
            b'h' => return Ok(Request::answer(usage(invocation))),
            b'l' => return Ok(Request::answer(LICENSE.to_owned())),
            b's' => typed.subreaper = true,
            b'v' => typed.verbosity += 1,
            b'w' => typed.warn_on_reap = true,
            b'g' => typed.group = true,
            b'p' => typed.parent_death = Some(full_name(value).ok_or_else(|| bad_value('p'))?),
            _ => typed.zero.insert(c_number(value).ok_or_else(|| bad_value('e'))?),
        }
    }
    typed.command = getopt.rest();
    if typed.command.is_empty() {
        return Ok(Request::error(usage(invocation), 1));
    }
    let variable = |name: &str| invocation.environment.var(name);
    typed.subreaper |= variable("TINI_SUBREAPER").is_some();
    typed.group |= variable("TINI_KILL_PROCESS_GROUP").is_some();
    if let Some(level) = variable("TINI_VERBOSITY") {
        typed.verbosity = unsigned(leading_number(level));
    }
    Ok(Request::Run(typed))
}

/// `-p` takes full names in capitals only, and no real-time signal, SIGSTKFLT, SIGIO or SIGPWR.
fn full_name(value: &[u8]) -> Option<Signal> {
    let signal = Signal::parse(value)?;
    let name = signal.standard()?;
    (name.as_bytes() == value && !matches!(name, "SIGSTKFLT" | "SIGIO" | "SIGPWR")).then_some(signal)
}

/// strtol(3) of the whole text, 0 to 255; the empty text is 0.
fn c_number(value: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(value).ok()?;
    if text.is_empty() {
        return Some(0);
    }
    let text = text.trim_start();
    text.strip_prefix("-0").filter(|rest| rest.is_empty()).map_or_else(|| text.parse().ok(), |_| Some(0))
}

/// atoi(3): the number that the text begins with, or 0.
fn leading_number(value: &[u8]) -> i32 {
    let text = value.trim_ascii_start();
    let sign = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let digits = text[sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&text[..sign + digits]).ok().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// tini's level has no sign: below 0 is more than everything.
const fn unsigned(level: i32) -> i32 {
    if level < 0 { i32::MAX } else { level }
}

/// getopt(3)'s own line.
fn complaint(wrong: Wrong, invocation: Invocation) -> String {
    super::getopt_message(wrong, &invocation.name(), OPTIONS)
}

fn usage(invocation: Invocation) -> String {
    let name = invocation.base_name();
    let mut page = format!("{name} ({VERSION})\nUsage: {name} [OPTIONS] PROGRAM -- [ARGS] | --version\n\n");
    let _ = writeln!(page, "Execute a program under the supervision of a valid init process ({name})\n");
    page.push_str(
        "Command line options:\n\n\
         \x20 --version: print the version\n\
         \x20 -h: print this page\n\
         \x20 -s: become a child subreaper, where not PID 1\n\
         \x20 -p SIGNAL: have SIGNAL (SIGKILL, say) sent to us when our parent dies\n\
         \x20 -v: more verbose; up to three times\n\
         \x20 -w: warn when an orphan is reaped\n\
         \x20 -g: send signals to the child's process group\n\
         \x20 -e EXIT_CODE: end with 0 where the child ended with EXIT_CODE; repeatable\n\
         \x20 -l: print the licence\n\n\
         Environment variables:\n\n\
         \x20 TINI_SUBREAPER: as -s\n\
         \x20 TINI_VERBOSITY: the level, 1 by default\n\
         \x20 TINI_KILL_PROCESS_GROUP: as -g\n\n",
    );
    page
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;
    use crate::sys::Strings;

    fn parsed(arguments: Vec<&'static CStr>, environment: Vec<&'static CStr>) -> Request {
        parse(Invocation {
            name: b"/sbin/tini",
            arguments: Strings::leak(arguments),
            environment: Strings::leak(environment),
            pid: 7,
        })
    }

    fn run(arguments: Vec<&'static CStr>, environment: Vec<&'static CStr>) -> Typed {
        match parsed(arguments, environment) {
            Request::Run(typed) => typed,
            Request::Print { text, .. } => panic!("refused: {text}"),
        }
    }

    fn command(arguments: Vec<&'static CStr>) -> Vec<&'static CStr> {
        run(arguments, vec![]).command.iter().collect()
    }

    #[test]
    fn options_behind_the_program_are_taken_as_glibc_does() {
        assert_eq!(command(vec![c"printf", c"-v"]), [c"printf"]);
        assert_eq!(command(vec![c"echo", c"--", c"-a"]), [c"echo", c"-a"]);
        assert_eq!(command(vec![c"--", c"echo", c"--", c"-a"]), [c"echo", c"--", c"-a"]);
        assert_eq!(command(vec![c"-g", c"--", c"--", c"x"]), [c"--", c"x"]);
    }

    #[test]
    fn options_that_are_not_tinis_are_left_to_the_program_as_musl_does() {
        assert_eq!(command(vec![c"sh", c"-c", c"exit 3"]), [c"sh", c"-c", c"exit 3"]);
        assert_eq!(command(vec![c"-g", c"node", c"--version"]), [c"node", c"--version"]);
        let posix = run(vec![c"sh", c"-v"], vec![c"POSIXLY_CORRECT=1"]);
        assert_eq!(posix.command.iter().collect::<Vec<_>>(), [c"sh", c"-v"]);
    }

    #[test]
    fn the_environment_counts_by_presence() {
        let typed = run(
            vec![c"-v", c"x"],
            vec![c"TINI_SUBREAPER=", c"TINI_KILL_PROCESS_GROUP=", c"TINI_VERBOSITY=4"],
        );
        assert!(typed.subreaper && typed.group);
        assert_eq!(typed.verbosity, 4);
        for (text, level) in [
            (c"TINI_VERBOSITY=abc", 0),
            (c"TINI_VERBOSITY=", 0),
            (c"TINI_VERBOSITY= +2x", 2),
            (c"TINI_VERBOSITY=1-", 1),
            (c"TINI_VERBOSITY=-1", i32::MAX),
        ] {
            assert_eq!(run(vec![c"-vv", c"x"], vec![text]).verbosity, level, "{text:?}");
        }
    }

    #[test]
    fn usage_errors_are_tinis() {
        for (arguments, wanted) in [
            (vec![], "Usage: tini [OPTIONS]"),
            (vec![c"-x"], "/sbin/tini: invalid option -- 'x'\n"),
            (vec![c"--help"], "/sbin/tini: invalid option -- '-'\n"),
            (vec![c"-e"], "/sbin/tini: option requires an argument -- 'e'\n"),
            (vec![c"-e", c"300", c"x"], "[FATAL tini (7)] Not a valid option for -e: 300\n"),
            (vec![c"-e", c"1x", c"x"], "[FATAL tini (7)] Not a valid option for -e: 1x\n"),
            (vec![c"-p", c"KILL", c"x"], "[FATAL tini (7)] Not a valid option for -p: KILL\n"),
            (vec![c"-p", c"SIGPWR", c"x"], "Not a valid option for -p: SIGPWR\n"),
        ] {
            match parsed(arguments, vec![]) {
                Request::Print { stdout: false, text, code: 1 } => {
                    assert!(text.starts_with(wanted) || text.contains(wanted), "{text}");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn an_empty_exit_code_is_zero_as_strtol_has_it() {
        assert_eq!(run(vec![c"-e", c"", c"x"], vec![]).zero.remap(0), 0);
        assert_eq!(run(vec![c"-e", c" +7", c"x"], vec![]).zero.remap(7), 0);
    }

    #[test]
    fn the_version_stands_alone_and_dockerd_can_read_it() {
        match parsed(vec![c"--version"], vec![]) {
            Request::Print { stdout: true, text, code: 0 } => {
                assert!(text.strip_prefix("tini version ").is_some_and(|rest| rest.starts_with("0.19.0")));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(parsed(vec![c"--version", c"x"], vec![]), Request::Print { code: 1, .. }));
    }
}
