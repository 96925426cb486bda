//! Who is tested, and how two of them are compared.

use std::path::{Path, PathBuf};

use crate::support::{Rinit, lacks};

/// One program under one name: rinit, or the real one.
#[derive(Clone, Debug)]
pub struct Who {
    pub name: &'static str,
    pub real: Option<PathBuf>,
}

impl Who {
    /// A start of it, through a link of its name in both cases, so that argv\[0\] looks alike.
    pub fn start(&self) -> Rinit {
        match &self.real {
            Some(path) => Rinit::new().instead(path).named(self.name),
            None => Rinit::new().named(self.name),
        }
    }
}

/// rinit under this name.
pub fn rinit_as(name: &'static str) -> Who {
    Who { name, real: None }
}

/// The real program of this name, where there is one: not rinit itself, installed in its place.
pub fn real(name: &'static str) -> Option<Who> {
    if name == "rinit" {
        return None;
    }
    let path = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .map(|folder| folder.join(name))
        .find(|path| path.is_file() && !is_rinit(path));
    if lacks(&format!("Debian's {name}, to compare with"), path.is_some()) {
        return None;
    }
    path.map(|path| Who { name, real: Some(path) })
}

fn is_rinit(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.windows(9).any(|window| window == b"git.rinit"))
}

/// Runs `look` on rinit under this name and on the real one; what they show must be the same, and `check` is told
/// what rinit shows.
#[track_caller]
pub fn alike<T: PartialEq + std::fmt::Debug>(name: &'static str, what: &str, look: impl Fn(&Who) -> T) -> T {
    let ours = look(&rinit_as(name));
    if let Some(real) = real(name) {
        let theirs = look(&real);
        assert_eq!(ours, theirs, "{name}: {what}: rinit's on the left, the real one's on the right");
    }
    ours
}

/// As `alike`, for an intended difference: rinit's is returned, and whether the real one still differs is said.
pub fn different<T: PartialEq + std::fmt::Debug>(
    name: &'static str,
    what: &str,
    reason: &str,
    look: impl Fn(&Who) -> T,
) -> T {
    let ours = look(&rinit_as(name));
    if let Some(real) = real(name) {
        let theirs = look(&real);
        let verdict = if ours == theirs { "no difference any more" } else { "differs, as intended" };
        eprintln!("{name}: {what}: {verdict} ({reason}): rinit {ours:?}, the real one {theirs:?}");
    }
    ours
}

/// A message without what differs from run to run, or from one C library to the next: the path it was started by,
/// process ids, and the wording of the error that has its number beside it.
pub fn normal(text: &str, name: &str) -> String {
    let link = format!("/{name}");
    let words = text.split_inclusive(char::is_whitespace).map(|word| match word.rfind(&link) {
        Some(end) if word.starts_with('/') => &word[end + 1..],
        _ => word,
    });
    let text = without_pids(&words.collect::<String>());
    let mut parts = text.split("(errno=");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (error, rest) = part.split_once(')').unwrap_or((part, ""));
        out.push_str(&format!("(errno={}){rest}", error.split(' ').next().unwrap_or_default()));
    }
    out
}

/// Numbers behind the words that announce a process id.
fn without_pids(text: &str) -> String {
    const MARKS: [&str; 7] = ["tini (", "(catatonit:", "pid '", "pid: '", "pid=", "with PID ", "pid1 ("];
    let mut out = text.to_owned();
    for mark in MARKS {
        let mut parts = out.split(mark);
        let mut next = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            next.push_str(mark);
            next.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
        }
        out = next;
    }
    out
}
