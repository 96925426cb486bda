//! From the command line to what was typed. No side effect, no default filled in: that is the plan's work.

#![forbid(unsafe_code)]

mod catatonit;
mod dumb_init;
pub mod getopt;
mod native;
mod tini;

use std::time::Duration;

use crate::cli::getopt::{Opt, Wrong};
use crate::core::Rewrites;
use crate::signal::Signal;
use crate::status::CodeSet;
use crate::sys::Strings;

/// Which program rinit is, by the name it was started under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Personality {
    /// rinit itself.
    Native,
    /// tini 0.19, which is docker-init, too.
    Tini,
    /// dumb-init 1.2.5.
    DumbInit,
    /// catatonit 0.2.
    Catatonit,
}

impl Personality {
    /// The personality behind argv\[0\]. Release assets carry a suffix (`tini-static-amd64`, `dumb-init_1.2.5_x86_64`),
    /// and people do not always rename them.
    #[must_use]
    pub fn named(argv0: &[u8]) -> Self {
        let name = base_name(argv0);
        let is = |wanted: &str| {
            name.strip_prefix(wanted.as_bytes())
                .is_some_and(|rest| rest.first().is_none_or(|byte| matches!(byte, b'-' | b'_' | b'.')))
        };
        if is("tini") || is("docker-init") {
            Self::Tini
        } else if is("dumb-init") {
            Self::DumbInit
        } else if is("catatonit") || is("podman-init") {
            Self::Catatonit
        } else {
            Self::Native
        }
    }
}

/// The last component of a path.
fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// Everything that can be typed, and nothing that was decided.
#[derive(Clone, Debug)]
pub struct Typed {
    /// The command: what is left after the options.
    pub command: Strings,
    /// How much is said; each personality counts its own way.
    pub verbosity: i32,
    /// `-s`: become a subreaper.
    pub subreaper: bool,
    /// `-p`: the signal for ourselves when our parent ends.
    pub parent_death: Option<Signal>,
    /// `-w`: say so for each adopted child that is reaped.
    pub warn_on_reap: bool,
    /// `-g`: signals go to main's group.
    pub group: bool,
    /// `-c`: main stays in our group, and signals go to it alone.
    pub single_child: bool,
    /// `-e`: codes that become 0.
    pub zero: CodeSet,
    /// `-r`: signals that become others.
    pub rewrites: Rewrites,
    /// `--grace`.
    pub grace: Option<Duration>,
    /// `-P` of catatonit.
    pub pause: bool,
}

impl Typed {
    const fn nothing(command: Strings, verbosity: i32, rewrites: Rewrites) -> Self {
        Self {
            command,
            verbosity,
            subreaper: false,
            parent_death: None,
            warn_on_reap: false,
            group: false,
            single_child: false,
            zero: CodeSet::NONE,
            rewrites,
            grace: None,
            pause: false,
        }
    }
}

/// What a command line asks for.
#[derive(Clone, Debug)]
pub enum Request {
    /// Run a command.
    Run(Typed),
    /// Print this and end: help, a version, or what is wrong.
    Print {
        /// On standard output, else on standard error.
        stdout: bool,
        /// With its newline.
        text: String,
        /// The exit code.
        code: u8,
    },
}

impl Request {
    fn error(text: String, code: u8) -> Self {
        Self::Print { stdout: false, text, code }
    }

    fn answer(text: String) -> Self {
        Self::Print { stdout: true, text, code: 0 }
    }
}

/// What the process was started with, as far as a command line depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Invocation {
    /// argv\[0\]; empty where there is none.
    pub name: &'static [u8],
    /// The rest.
    pub arguments: Strings,
    /// The environment.
    pub environment: Strings,
    /// Our process id, which some of the peers print in front of their messages.
    pub pid: i32,
}

impl Invocation {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        String::from_utf8_lossy(self.name)
    }

    fn base_name(&self) -> std::borrow::Cow<'static, str> {
        String::from_utf8_lossy(base_name(self.name))
    }
}

/// Reads the command line as `personality` does.
#[must_use]
pub fn parse(personality: Personality, invocation: Invocation) -> Request {
    match personality {
        Personality::Native => native::parse(invocation),
        Personality::Tini => tini::parse(invocation),
        Personality::DumbInit => dumb_init::parse(invocation),
        Personality::Catatonit => catatonit::parse(invocation),
    }
}

/// Bytes of an argument, for a message.
fn shown(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// What getopt(3) or getopt_long(3) prints itself (glibc's wording), in front of the program's own usage.
fn getopt_message(wrong: Wrong, name: &str, options: &[Opt]) -> String {
    match wrong {
        Wrong::UnknownLetter(letter) => format!("{name}: invalid option -- '{}'\n", shown(&[letter])),
        Wrong::UnknownLong(text) => format!("{name}: unrecognized option '--{}'\n", shown(text)),
        Wrong::LetterWantsValue(letter) => {
            format!("{name}: option requires an argument -- '{}'\n", shown(&[letter]))
        }
        Wrong::LongWantsValue(long) => format!("{name}: option '--{long}' requires an argument\n"),
        Wrong::UnwantedValue(long) => format!("{name}: option '--{long}' doesn't allow an argument\n"),
        Wrong::Ambiguous(text) => {
            let text = shown(text);
            let possible: String = options
                .iter()
                .filter(|option| option.long.starts_with(&*text))
                .map(|option| format!(" '--{}'", option.long))
                .collect();
            format!("{name}: option '--{text}' is ambiguous; possibilities:{possible}\n")
        }
    }
}

/// The licence that rinit itself is under.
const LICENSE: &str = include_str!("../../LICENSE-MIT");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A word of a command line: anything, or something near an option.
    fn word() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            any::<Vec<u8>>(),
            "-{0,2}[a-zA-Z]{0,3}(=.{0,6})?".prop_map(String::into_bytes),
            "--(rewrite|grace|remap-exit|version|help)(=[0-9:msh]{0,5})?".prop_map(String::into_bytes),
            "[0-9]{0,3}:?[0-9A-Z]{0,3}".prop_map(String::into_bytes),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// No command line and no environment ends in a panic, and each has one of the documented codes.
        #[test]
        fn any_bytes_are_a_command_or_an_error(
            words in proptest::collection::vec(word(), 0..6),
            values in proptest::collection::vec(any::<Vec<u8>>(), 4),
        ) {
            let names = ["TINI_VERBOSITY=", "DUMB_INIT_DEBUG=", "DUMB_INIT_SETSID=", "PATH="];
            let environment = names.iter().zip(values).map(|(name, value)| [name.as_bytes(), &value].concat());
            let (arguments, environment) = (Strings::leak_bytes(words), Strings::leak_bytes(environment));
            for (personality, code_of_misuse) in [
                (Personality::Native, 64),
                (Personality::Tini, 1),
                (Personality::DumbInit, 1),
                (Personality::Catatonit, 1),
            ] {
                match parse(personality, Invocation { name: b"name", arguments, environment, pid: 1 }) {
                    Request::Run(typed) => prop_assert!(!typed.command.is_empty() || typed.pause),
                    Request::Print { text, code, .. } => {
                        prop_assert!(code == 0 || code == code_of_misuse);
                        prop_assert!(text.ends_with('\n'));
                    }
                }
            }
        }
    }

    #[test]
    fn the_name_decides_who_we_are() {
        for (name, personality) in [
            ("tini", Personality::Tini),
            ("/sbin/tini-static", Personality::Tini),
            ("/usr/local/bin/tini-static-amd64", Personality::Tini),
            ("/sbin/docker-init", Personality::Tini),
            ("./dumb-init", Personality::DumbInit),
            ("dumb-init_1.2.5_x86_64", Personality::DumbInit),
            ("/usr/libexec/podman/catatonit", Personality::Catatonit),
            ("/run/podman-init", Personality::Catatonit),
            ("/rinit", Personality::Native),
            ("init", Personality::Native),
            ("tinier", Personality::Native),
            ("/tini/rinit", Personality::Native),
            ("", Personality::Native),
        ] {
            assert_eq!(Personality::named(name.as_bytes()), personality, "{name}");
        }
    }
}
