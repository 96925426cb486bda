//! rinit's own command line.

use std::fmt::Write;

use crate::cli::getopt::{Getopt, Opt, Order, Wrong};
use crate::cli::{Invocation, LICENSE, Request, Typed, shown};
use crate::core::Rewrites;
use crate::duration;
use crate::signal::Signal;

/// EX_USAGE of sysexits.h: a bad command line.
const USAGE: u8 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Group,
    SingleChild,
    Rewrite,
    RemapExit,
    Grace,
    Subreaper,
    ParentDeathSignal,
    WarnOnReap,
    Verbose,
    Quiet,
    License,
    Version,
    Help,
}

struct Entry {
    key: Key,
    opt: Opt,
    value: &'static str,
    help: &'static str,
}

const fn entry(key: Key, letter: u8, long: &'static str, value: &'static str, help: &'static str) -> Entry {
    Entry { key, opt: Opt { letter, long, takes_value: !value.is_empty() }, value, help }
}

/// The one table: parsing, help and suggestions come from it.
const ENTRIES: &[Entry] = &[
    entry(Key::Group, b'g', "group", "", "send signals to the whole process group of CMD"),
    entry(Key::SingleChild, b'c', "single-child", "", "leave CMD in rinit's own process group and session"),
    entry(
        Key::Rewrite,
        b'r',
        "rewrite",
        "S:R",
        "send R where S was received, nothing where R is 0; repeatable",
    ),
    entry(
        Key::RemapExit,
        b'e',
        "remap-exit",
        "CODE",
        "end with 0 where CMD ended with CODE (143, say); repeatable",
    ),
    entry(
        Key::Grace,
        0,
        "grace",
        "TIME",
        "after TERM, INT or QUIT, kill what is left after TIME (500ms, 9s, 1m)",
    ),
    entry(Key::Subreaper, b's', "subreaper", "", "adopt orphans; done by itself wherever rinit is not PID 1"),
    entry(
        Key::ParentDeathSignal,
        b'p',
        "parent-death-signal",
        "SIGNAL",
        "have SIGNAL sent to rinit when its own parent ends",
    ),
    entry(Key::WarnOnReap, b'w', "warn-on-reap", "", "say so for each orphan that is reaped"),
    entry(Key::Verbose, b'v', "verbose", "", "say what is done; -vv says more"),
    entry(Key::Quiet, b'q', "quiet", "", "say nothing but errors"),
    entry(Key::License, b'l', "license", "", "print the licence"),
    entry(Key::Version, b'V', "version", "", "print the version"),
    entry(Key::Help, b'h', "help", "", "print this page"),
];

/// Reads it: options, then the command, with or without `--` before it.
pub(super) fn parse(invocation: Invocation) -> Request {
    let options: [Opt; ENTRIES.len()] = std::array::from_fn(|index| ENTRIES[index].opt);
    let mut getopt = Getopt::new(&options, Order::Stop, invocation.arguments);
    let mut typed = Typed::nothing(invocation.arguments, 1, Rewrites::default());
    loop {
        let (index, value) = match getopt.next_option() {
            Ok(Some(found)) => found,
            Ok(None) => break,
            Err(wrong) => return refuse(&describe(wrong)),
        };
        let value = value.unwrap_or_default();
        match ENTRIES[index].key {
            Key::Group => typed.group = true,
            Key::SingleChild => typed.single_child = true,
            Key::Rewrite => match rewrite(value) {
                Some((from, to)) => typed.rewrites.set(from, to),
                None => {
                    return refuse(&format!(
                        "'{}' is no pair of signals for --rewrite: write TERM:QUIT, 15:3, or TERM:0 to drop it",
                        shown(value)
                    ));
                }
            },
            Key::RemapExit => match std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()) {
                Some(code) => typed.zero.insert(code),
                None => {
                    return refuse(&format!(
                        "'{}' is no exit code for --remap-exit: write 0 to 255",
                        shown(value)
                    ));
                }
            },
            Key::Grace => match duration::parse(value) {
                Some(grace) => typed.grace = Some(grace),
                None => {
                    return refuse(&format!(
                        "'{}' is no time for --grace: write 500ms, 10s, 5m or 1h",
                        shown(value)
                    ));
                }
            },
            Key::ParentDeathSignal => match Signal::parse(value) {
                Some(signal) => typed.parent_death = Some(signal),
                None => {
                    return refuse(&format!(
                        "'{}' is no signal for --parent-death-signal: write KILL, SIGTERM or 15",
                        shown(value)
                    ));
                }
            },
            Key::Subreaper => typed.subreaper = true,
            Key::WarnOnReap => typed.warn_on_reap = true,
            Key::Verbose => typed.verbosity += 1,
            Key::Quiet => typed.verbosity = 0,
            Key::License => return Request::answer(LICENSE.to_owned()),
            Key::Version => return Request::answer(format!("rinit {}\n", env!("CARGO_PKG_VERSION"))),
            Key::Help => return Request::answer(help()),
        }
    }
    typed.command = getopt.rest();
    if typed.single_child && typed.group {
        return refuse("--single-child and --group exclude each other: leave one out");
    }
    if typed.command.is_empty() {
        return refuse("no command: write rinit [OPTION...] -- CMD [ARG...], or rinit --help");
    }
    Request::Run(typed)
}

fn refuse(what: &str) -> Request {
    Request::error(format!("rinit: {what}\n"), USAGE)
}

/// `S:R` with names or numbers; R may be 0.
fn rewrite(value: &[u8]) -> Option<(Signal, Option<Signal>)> {
    let colon = value.iter().position(|byte| *byte == b':')?;
    let (from, to) = (&value[..colon], &value[colon + 1..]);
    let to = if to == b"0" { None } else { Some(Signal::parse(to)?) };
    Some((Signal::parse(from)?, to))
}

fn describe(wrong: Wrong) -> String {
    let long =
        |letter: u8| ENTRIES.iter().find(|entry| entry.opt.letter == letter).map_or("", |e| e.opt.long);
    match wrong {
        Wrong::UnknownLetter(letter) => {
            // The slip of one key is the case.
            let other_case = if letter.is_ascii_lowercase() {
                letter.to_ascii_uppercase()
            } else {
                letter.to_ascii_lowercase()
            };
            let near = ENTRIES.iter().find(|entry| entry.opt.letter == other_case && other_case != letter);
            let hint = near.map_or_else(
                || "rinit --help lists them, and '--' ends them".to_owned(),
                |entry| format!("did you mean '-{}', --{}?", char::from(other_case), entry.opt.long),
            );
            format!("unknown option '-{}': {hint}", shown(&[letter]))
        }
        Wrong::UnknownLong(text) => {
            let name = text.split(|byte| *byte == b'=').next().unwrap_or_default();
            let name = shown(name);
            format!("unknown option '--{name}': did you mean '--{}'?", nearest(&name))
        }
        Wrong::Ambiguous(text) => {
            let text = shown(text);
            let mut message = format!("option '--{text}' is ambiguous: it could be");
            for entry in ENTRIES.iter().filter(|entry| entry.opt.long.starts_with(&*text)) {
                let _ = write!(message, " '--{}'", entry.opt.long);
            }
            message
        }
        Wrong::LetterWantsValue(letter) => wants_value(long(letter)),
        Wrong::LongWantsValue(long) => wants_value(long),
        Wrong::UnwantedValue(long) => format!("option '--{long}' takes no value"),
    }
}

fn wants_value(long: &str) -> String {
    let value = ENTRIES.iter().find(|entry| entry.opt.long == long).map_or("", |entry| entry.value);
    format!("option '--{long}' wants a value: --{long}={value}")
}

/// The known long name with the fewest edits between it and what was typed.
fn nearest(name: &str) -> &'static str {
    ENTRIES
        .iter()
        .map(|entry| entry.opt.long)
        .min_by_key(|long| strsim::levenshtein(name, long))
        .unwrap_or_default()
}

fn help() -> String {
    let mut page = String::from(
        "rinit runs CMD as the init of a container: it reaps orphans, forwards every\n\
         signal, and ends with CMD's exit code.\n\n\
         usage: rinit [OPTION...] [--] CMD [ARG...]\n\n",
    );
    for Entry { opt, value, help, .. } in ENTRIES {
        let letter = if opt.letter == 0 { "    ".into() } else { format!("-{}, ", char::from(opt.letter)) };
        let names = format!("{letter}--{} {value}", opt.long);
        let _ = writeln!(page, "  {names:<34} {help}");
    }
    page.push_str(
        "\nStarted under the name tini, docker-init, dumb-init or catatonit, rinit is that\n\
         program, with that program's options.\n",
    );
    page
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;
    use std::time::Duration;

    use super::*;
    use crate::sys::Strings;

    fn parsed(arguments: Vec<&'static CStr>) -> Request {
        let empty = Strings::leak(Vec::new());
        parse(Invocation { name: b"rinit", arguments: Strings::leak(arguments), environment: empty, pid: 1 })
    }

    fn run(arguments: Vec<&'static CStr>) -> Typed {
        match parsed(arguments) {
            Request::Run(typed) => typed,
            Request::Print { text, .. } => panic!("refused: {text}"),
        }
    }

    fn refused(arguments: Vec<&'static CStr>) -> String {
        match parsed(arguments) {
            Request::Print { stdout: false, text, code: 64 } => text,
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn every_letter_of_tini_and_dumb_init_keeps_its_meaning() {
        let typed = run(vec![
            c"-s",
            c"-pSIGKILL",
            c"-vvwg",
            c"-e",
            c"143",
            c"-e7",
            c"-r",
            c"15:3",
            c"--",
            c"x",
            c"-c",
        ]);
        assert!(typed.subreaper && typed.warn_on_reap && typed.group && !typed.single_child);
        assert_eq!(typed.parent_death, Some(Signal::KILL));
        assert_eq!(typed.verbosity, 3);
        assert_eq!((typed.zero.remap(143), typed.zero.remap(7), typed.zero.remap(8)), (0, 0, 8));
        assert_eq!(typed.rewrites.apply(Signal::TERM), Some(Signal::QUIT));
        assert_eq!(typed.command.iter().collect::<Vec<_>>(), [c"x", c"-c"]);
        assert!(run(vec![c"-c", c"x"]).single_child);
    }

    #[test]
    fn long_names_do_the_same() {
        let typed = run(vec![
            c"--rewrite=TERM:0",
            c"--grace",
            c"1500ms",
            c"--parent-death-signal=term",
            c"--quiet",
            c"x",
        ]);
        assert_eq!(typed.rewrites.apply(Signal::TERM), None);
        assert_eq!(typed.grace, Some(Duration::from_millis(1500)));
        assert_eq!(typed.parent_death, Some(Signal::TERM));
        assert_eq!(typed.verbosity, 0);
    }

    #[test]
    fn a_mistake_gets_one_line_with_the_way_out() {
        for (arguments, wanted) in [
            (vec![c"--grce", c"1s", c"x"], "did you mean '--grace'?"),
            (vec![c"--rewrit3=1:2", c"x"], "did you mean '--rewrite'?"),
            (vec![c"-x"], "unknown option '-x': rinit --help"),
            (vec![c"-G"], "unknown option '-G': did you mean '-g', --group?"),
            (vec![c"--ver", c"x"], "'--verbose' '--version'"),
            (vec![c"--grace"], "--grace=TIME"),
            (vec![c"--grace", c"10", c"x"], "'10' is no time for --grace: write"),
            (vec![c"-e", c"256", c"x"], "'256' is no exit code"),
            (vec![c"-e", c"", c"x"], "'' is no exit code"),
            (vec![c"-r", c"TERM", c"x"], "'TERM' is no pair"),
            (vec![c"-r", c"0:1", c"x"], "'0:1' is no pair"),
            (vec![c"-r", c"1:99", c"x"], "'1:99' is no pair"),
            (vec![c"-p", c"NOPE", c"x"], "'NOPE' is no signal"),
            (vec![c"--help=1"], "takes no value"),
            (vec![c"-cg", c"x"], "exclude each other"),
            (vec![], "no command"),
            (vec![c"-v", c"--"], "no command"),
            (vec![c"-\xff"], "unknown option"),
        ] {
            let text = refused(arguments);
            assert!(text.contains(wanted), "{text}");
            assert!(
                text.starts_with("rinit: ") && text.ends_with('\n') && text.lines().count() == 1,
                "{text}"
            );
        }
    }

    #[test]
    fn answers_go_to_standard_output() {
        for (arguments, wanted) in [
            (vec![c"-h"], "--grace TIME"),
            (vec![c"-V"], "rinit 0."),
            (vec![c"-l"], "Permission is hereby granted"),
        ] {
            match parsed(arguments) {
                Request::Print { stdout: true, text, code: 0 } => assert!(text.contains(wanted), "{text}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn no_name_stands_twice_in_the_table() {
        for (index, entry) in ENTRIES.iter().enumerate() {
            for other in &ENTRIES[index + 1..] {
                assert_ne!(entry.opt.long, other.opt.long);
                assert!(entry.opt.letter == 0 || entry.opt.letter != other.opt.letter);
            }
        }
    }
}
