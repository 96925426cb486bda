//! dumb-init 1.2.5's command line.

use crate::cli::getopt::{Getopt, Opt, Order};
use crate::cli::{Invocation, Request, Typed};
use crate::core::Rewrites;
use crate::signal::Signal;

const OPTIONS: &[Opt] = &[
    Opt { letter: b'h', long: "help", takes_value: false },
    Opt { letter: b'c', long: "single-child", takes_value: false },
    Opt { letter: b'r', long: "rewrite", takes_value: true },
    Opt { letter: b'v', long: "verbose", takes_value: false },
    Opt { letter: b'V', long: "version", takes_value: false },
];

/// The version that is reproduced; its tests compare the line.
const VERSION: &str = "dumb-init v1.2.5\n";

/// What a bad `-r` is told; dumb-init's tests compare it.
const REWRITE_USAGE: &str = "Usage: -r option takes <signum>:<signum>, where <signum> is between 1 and 31.\n\
                             This option can be specified multiple times.\n\
                             Use --help for full usage.\n";

/// Reads it: options end at the first word that is none.
pub(super) fn parse(invocation: Invocation) -> Request {
    let name = invocation.name();
    let mut getopt = Getopt::new(OPTIONS, Order::Stop, invocation.arguments);
    let mut typed = Typed::nothing(invocation.arguments, 0, Rewrites::default());
    loop {
        let (index, value) = match getopt.next_option() {
            Ok(Some(found)) => found,
            Ok(None) => break,
            Err(wrong) => return Request::error(super::getopt_message(wrong, &name, OPTIONS), 1),
        };
        match OPTIONS[index].letter {
            b'h' => return Request::error(help(&name), 0),
            b'V' => return Request::error(VERSION.to_owned(), 0),
            b'v' => typed.verbosity = 1,
            b'c' => typed.single_child = true,
            _ => match rewrite(value.unwrap_or_default()) {
                Some((from, to)) => typed.rewrites.set(from, to),
                None => return Request::error(REWRITE_USAGE.to_owned(), 1),
            },
        }
    }
    typed.command = getopt.rest();
    if typed.command.is_empty() {
        let text = format!("Usage: {name} [option] program [args]\nTry {name} --help for full usage.\n");
        return Request::error(text, 1);
    }
    if invocation.environment.var("DUMB_INIT_DEBUG") == Some(b"1") {
        typed.verbosity = 2;
    }
    if invocation.environment.var("DUMB_INIT_SETSID") == Some(b"0") {
        typed.single_child = true;
    }
    Request::Run(typed)
}

/// `sscanf("%d:%d")`: blanks before a number and anything behind the second are fine; 1 to 31, and 0 for nothing.
fn rewrite(value: &[u8]) -> Option<(Signal, Option<Signal>)> {
    let colon = value.iter().position(|byte| *byte == b':')?;
    let (from, rest) = number(&value[..colon])?;
    let (to, _) = number(&value[colon + 1..])?;
    let in_range = rest.is_empty() && (1..=31).contains(&from) && (0..=31).contains(&to);
    in_range.then(|| Signal::new(from).map(|from| (from, Signal::new(to))))?
}

/// The number at the front, as scanf reads `%d`, and what follows it.
fn number(text: &[u8]) -> Option<(i32, &[u8])> {
    let text = text.trim_ascii_start();
    let sign = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let digits = text[sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(sign + digits);
    Some((std::str::from_utf8(number).ok()?.parse().ok()?, rest))
}

/// dumb-init's tests compare this page byte for byte, so it is part of the interface.
fn help(name: &str) -> String {
    format!(
        "{VERSION}\
         Usage: {name} [option] command [[arg] ...]\n\
         \n\
         dumb-init is a simple process supervisor that forwards signals to children.\n\
         It is designed to run as PID1 in minimal container environments.\n\
         \n\
         Optional arguments:\n\
         \x20  -c, --single-child   Run in single-child mode.\n\
         \x20                       In this mode, signals are only proxied to the\n\
         \x20                       direct child and not any of its descendants.\n\
         \x20  -r, --rewrite s:r    Rewrite received signal s to new signal r before proxying.\n\
         \x20                       To ignore (not proxy) a signal, rewrite it to 0.\n\
         \x20                       This option can be specified multiple times.\n\
         \x20  -v, --verbose        Print debugging information to stderr.\n\
         \x20  -h, --help           Print this help message and exit.\n\
         \x20  -V, --version        Print the current version and exit.\n\
         \n\
         Full help is available online at https://github.com/Yelp/dumb-init\n"
    )
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;
    use crate::sys::Strings;

    fn parsed(arguments: Vec<&'static CStr>, environment: Vec<&'static CStr>) -> Request {
        parse(Invocation {
            name: b"dumb-init",
            arguments: Strings::leak(arguments),
            environment: Strings::leak(environment),
            pid: 1,
        })
    }

    fn run(arguments: Vec<&'static CStr>, environment: Vec<&'static CStr>) -> Typed {
        match parsed(arguments, environment) {
            Request::Run(typed) => typed,
            Request::Print { text, .. } => panic!("refused: {text}"),
        }
    }

    #[test]
    fn rewriting_reads_numbers_as_scanf_does() {
        for (value, wanted) in [
            ("15:3", Some((15, 3))),
            ("1:0", Some((1, 0))),
            (" 15: 3junk", Some((15, 3))),
            ("31:31", Some((31, 31))),
            ("15 :3", None),
            ("0:3", None),
            ("15:-1", None),
            ("32:3", None),
            ("15:32", None),
            ("15", None),
            ("herp:derp", None),
            ("15:", None),
            ("", None),
        ] {
            let found =
                rewrite(value.as_bytes()).map(|(from, to)| (from.number(), to.map_or(0, Signal::number)));
            assert_eq!(found, wanted, "{value}");
        }
    }

    #[test]
    fn the_environment_counts_only_with_these_values() {
        assert_eq!(run(vec![c"x"], vec![c"DUMB_INIT_DEBUG=1"]).verbosity, 2);
        assert_eq!(run(vec![c"x"], vec![c"DUMB_INIT_DEBUG=2"]).verbosity, 0);
        assert!(run(vec![c"x"], vec![c"DUMB_INIT_SETSID=0"]).single_child);
        assert!(!run(vec![c"x"], vec![c"DUMB_INIT_SETSID="]).single_child);
    }

    #[test]
    fn everything_it_prints_goes_to_standard_error() {
        for (arguments, wanted, wanted_code) in [
            (vec![c"-V"], "dumb-init v1.2.5\n", 0),
            (vec![c"--vers"], "dumb-init v1.2.5\n", 0),
            (vec![c"--help"], "-r, --rewrite s:r", 0),
            (vec![], "Usage: dumb-init [option] program [args]\nTry dumb-init --help for full usage.\n", 1),
            (vec![c"--yolo", c"x"], "dumb-init: unrecognized option '--yolo'\n", 1),
            (vec![c"-z", c"x"], "dumb-init: invalid option -- 'z'\n", 1),
            (vec![c"-r"], "dumb-init: option requires an argument -- 'r'\n", 1),
            (
                vec![c"--ver", c"x"],
                "dumb-init: option '--ver' is ambiguous; possibilities: '--verbose' '--version'\n",
                1,
            ),
            (vec![c"-r", c"x", c"x"], "Usage: -r option takes", 1),
        ] {
            match parsed(arguments, vec![]) {
                Request::Print { stdout: false, text, code } => {
                    assert!(text.contains(wanted), "{text}");
                    assert_eq!(code, wanted_code);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
