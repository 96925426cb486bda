//! catatonit 0.2's command line.

use crate::cli::getopt::{Getopt, Opt, Order};
use crate::cli::{Invocation, LICENSE, Request, Typed};
use crate::core::Rewrites;

const OPTIONS: &[Opt] = &[
    Opt::short(b'g', false),
    Opt::short(b'h', false),
    Opt::short(b'L', false),
    Opt::short(b'P', false),
    Opt { letter: b'V', long: "version", takes_value: false },
];

const USAGE: &str = "usage: catatonit [-ghLPV] [--] <progname> [<arguments>...]\n";

/// The word behind `tini version` is what dockerd and podman read.
const VERSION: &str = "tini version 0.2.1_catatonit\n";

/// Reads it: options may stand behind the program's name, as getopt_long(3) takes them.
pub(super) fn parse(invocation: Invocation) -> Request {
    let debug = invocation.environment.var("CATATONIT_DEBUG").is_some();
    if invocation.environment.var("CATATONIT_LOG").is_some() {
        let text =
            format!("ERROR (catatonit:{}): CATATONIT_LOG is reserved for future use\n", invocation.pid);
        return Request::error(text, 1);
    }
    let order =
        if invocation.environment.var("POSIXLY_CORRECT").is_some() { Order::Stop } else { Order::Permute };
    let mut getopt = Getopt::new(OPTIONS, order, invocation.arguments);
    let mut typed = Typed::nothing(invocation.arguments, i32::from(debug), Rewrites::default());
    loop {
        let index = match getopt.next_option() {
            Ok(Some((index, _))) => index,
            Ok(None) => break,
            Err(wrong) => {
                let text = format!("{}{USAGE}", super::getopt_message(wrong, &invocation.name(), OPTIONS));
                return Request::error(text, 1);
            }
        };
        match OPTIONS[index].letter {
            b'g' => typed.group = true,
            b'P' => typed.pause = true,
            b'h' => return Request::error(help(), 0),
            b'L' => return Request::answer(LICENSE.to_owned()),
            _ => return Request::answer(VERSION.to_owned()),
        }
    }
    typed.command = getopt.rest();
    if typed.command.is_empty() && !typed.pause {
        let text = format!("ERROR (catatonit:{}): missing program name\n{USAGE}", invocation.pid);
        return Request::error(text, 1);
    }
    Request::Run(typed)
}

fn help() -> String {
    format!(
        "{USAGE}\n\
         options:\n\
         \x20 -g              send signals to the process group of the program\n\
         \x20 -h              print this page\n\
         \x20 -L              print the licence\n\
         \x20 -P              pause: run no program, reap, and end on SIGTERM or SIGINT\n\
         \x20 -V, --version   print the version\n"
    )
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;
    use crate::sys::Strings;

    fn parsed(arguments: Vec<&'static CStr>, environment: Vec<&'static CStr>) -> Request {
        parse(Invocation {
            name: b"catatonit",
            arguments: Strings::leak(arguments),
            environment: Strings::leak(environment),
            pid: 9,
        })
    }

    #[test]
    fn a_program_or_a_pause_is_needed() {
        let Request::Run(typed) = parsed(vec![c"x", c"-g"], vec![]) else { panic!("refused") };
        assert!(typed.group && !typed.pause);
        assert_eq!(typed.command.len(), 1);
        assert!(matches!(parsed(vec![c"-P"], vec![]), Request::Run(typed) if typed.pause));
        for (arguments, environment, wanted) in [
            (vec![], vec![], "ERROR (catatonit:9): missing program name\nusage: catatonit"),
            (vec![c"x"], vec![c"CATATONIT_LOG="], "CATATONIT_LOG is reserved for future use"),
            (vec![c"-x"], vec![], "catatonit: invalid option -- 'x'\nusage: "),
        ] {
            match parsed(arguments, environment) {
                Request::Print { stdout: false, text, code: 1 } => assert!(text.contains(wanted), "{text}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn the_version_goes_to_standard_output_and_help_to_standard_error() {
        for (argument, to_stdout) in [(c"-V", true), (c"--version", true), (c"-L", true), (c"-h", false)] {
            match parsed(vec![argument], vec![]) {
                Request::Print { stdout, code: 0, .. } => assert_eq!(stdout, to_stdout),
                other => panic!("{other:?}"),
            }
        }
    }
}
