//! Finding a program in PATH, and saying why it does not run. Nothing here executes anything.

use std::ffi::{CStr, CString, OsStr};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use nix::errno::Errno;

use super::Strings;

/// Where execvp(3) looks when PATH is not set (glibc).
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// The folders of PATH in order. A copy is a fresh walk.
#[derive(Clone, Debug)]
pub(super) struct Directories {
    rest: Option<&'static [u8]>,
}

/// The folders of this PATH.
pub(super) fn directories(path: Option<&'static [u8]>) -> Directories {
    Directories { rest: Some(path.unwrap_or(DEFAULT_PATH)) }
}

impl Iterator for Directories {
    type Item = &'static [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest?;
        let end = rest.iter().position(|byte| *byte == b':');
        self.rest = end.and_then(|end| rest.get(end + 1..));
        rest.get(..end.unwrap_or(rest.len()))
    }
}

/// The file that candidate `index` of PATH stands for; a name with a slash stands for itself.
#[must_use]
pub fn search_path(name: &CStr, environment: Strings, index: usize) -> CString {
    let bytes = name.to_bytes();
    let directory = directories(environment.var("PATH")).nth(index);
    match directory {
        Some(directory) if !directory.is_empty() && !bytes.contains(&b'/') && !bytes.is_empty() => {
            // Neither part has a NUL: both come from C strings.
            CString::new([directory, b"/", bytes].concat()).unwrap_or_default()
        }
        _ => name.to_owned(),
    }
}

/// Why a program does not run, as far as a look at the file tells.
#[derive(Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// There is no such file.
    NotFound,
    /// No folder of PATH has it.
    NotInPath,
    /// It is a folder.
    Directory,
    /// It is a file without the permission to execute it.
    NotExecutable,
    /// Its `#!` line names a program that is not there; the name may end in a carriage return.
    MissingInterpreter(Vec<u8>),
    /// It is linked against a dynamic loader that is not there: made for another C library, or none is installed.
    MissingLoader(Vec<u8>),
    /// It is a program for another kind of processor.
    WrongArchitecture(&'static str),
    /// It has no `#!` line, and there is no /bin/sh to run it with.
    NoShell,
    /// It is no program at all: neither ELF nor text.
    NotAProgram,
    /// What the kernel said.
    Other(Errno),
}

impl Obstacle {
    /// 127 where there is nothing to run, 126 where there is something that does not run (sh, env, docker).
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::NotFound | Self::NotInPath => 127,
            _ => 126,
        }
    }
}

/// Looks at `name` after execve(2) said `errno` about candidate `index` of PATH.
#[must_use]
pub fn obstacle(name: &CStr, environment: Strings, index: usize, errno: Errno) -> Obstacle {
    let in_path = !name.to_bytes().contains(&b'/');
    match errno {
        Errno::ENOENT | Errno::ENOTDIR if in_path => {
            // execve says ENOENT for a missing interpreter, too, and then the search goes on: look for such a file.
            let count = directories(environment.var("PATH")).count();
            (0..count)
                .map(|index| search_path(name, environment, index))
                .find_map(|path| missing_helper(&path))
                .unwrap_or(Obstacle::NotInPath)
        }
        Errno::ENOENT => missing_helper(name).unwrap_or(Obstacle::NotFound),
        Errno::EACCES => denied(&search_path(name, environment, index)),
        Errno::ENOEXEC => wrong_format(&search_path(name, environment, index)),
        other => Obstacle::Other(other),
    }
}

/// A text file without `#!`: execvp(3) runs it with /bin/sh. That is the command to try then.
#[must_use]
pub fn shell_form(command: Strings, environment: Strings, index: usize) -> Option<Strings> {
    let path = search_path(command.get(0)?, environment, index);
    let head = read_head(&path)?;
    // bash and dash refuse what has a NUL in its first line; so do we.
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if head.starts_with(b"\x7fELF") || line.contains(&0) {
        return None;
    }
    let path: &'static CStr = Box::leak(path.into_boxed_c_str());
    let words = [c"/bin/sh", path].into_iter().chain(command.skip(1).iter());
    Some(Strings::leak(words.collect()))
}

fn missing_helper(path: &CStr) -> Option<Obstacle> {
    let head = read_head(path)?;
    if let Some(line) = head.strip_prefix(b"#!") {
        // binfmt_script(5): blanks, the name, and what follows the next blank is an argument.
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_start();
        let name = line.split(|byte| *byte == b' ' || *byte == b'\t').next().unwrap_or_default();
        return Some(Obstacle::MissingInterpreter(name.to_vec()));
    }
    let name = elf_loader(&head)?;
    (!fs::exists(OsStr::from_bytes(name)).unwrap_or(false)).then(|| Obstacle::MissingLoader(name.to_vec()))
}

fn denied(path: &CStr) -> Obstacle {
    match fs::metadata(as_path(path)) {
        Ok(file) if file.is_dir() => Obstacle::Directory,
        Ok(file) if file.permissions().mode() & 0o111 == 0 => Obstacle::NotExecutable,
        _ => Obstacle::Other(Errno::EACCES),
    }
}

fn wrong_format(path: &CStr) -> Obstacle {
    let Some(head) = read_head(path) else { return Obstacle::Other(Errno::ENOEXEC) };
    match elf_machine(&head) {
        Some(machine) if machine != std::env::consts::ARCH => Obstacle::WrongArchitecture(machine),
        Some(_) => Obstacle::Other(Errno::ENOEXEC),
        None if head.split(|byte| *byte == b'\n').next().unwrap_or_default().contains(&0) => {
            Obstacle::NotAProgram
        }
        None => Obstacle::NoShell,
    }
}

fn as_path(path: &CStr) -> &OsStr {
    OsStr::from_bytes(path.to_bytes())
}

/// The first bytes of a regular file: enough for a `#!` line and for ELF's program headers.
fn read_head(path: &CStr) -> Option<Vec<u8>> {
    if !fs::metadata(as_path(path)).ok()?.is_file() {
        return None;
    }
    let mut head = Vec::new();
    File::open(as_path(path)).ok()?.take(4096).read_to_end(&mut head).ok()?;
    Some(head)
}

/// Two bytes of an ELF header in the file's own byte order (elf(5)).
fn elf_u16(head: &[u8], offset: usize) -> Option<u16> {
    let bytes = [*head.get(offset)?, *head.get(offset + 1)?];
    Some(if head.get(5) == Some(&2) { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
}

/// What processor an ELF file is for, by the names that Rust and `uname -m` use (elf.h).
fn elf_machine(head: &[u8]) -> Option<&'static str> {
    if !head.starts_with(b"\x7fELF") {
        return None;
    }
    Some(match elf_u16(head, 18)? {
        3 => "x86",
        8 => "mips",
        20 => "powerpc",
        21 => "powerpc64",
        22 => "s390x",
        40 => "arm",
        62 => "x86_64",
        183 => "aarch64",
        243 => "riscv64",
        258 => "loongarch64",
        _ => "another processor",
    })
}

/// The dynamic loader that a 64-bit little-endian ELF file asks for (PT_INTERP).
fn elf_loader(head: &[u8]) -> Option<&[u8]> {
    const PT_INTERP: u32 = 3;
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let u64_at = |offset: usize| {
        head.get(offset..offset + 8)?
            .try_into()
            .ok()
            .map(u64::from_le_bytes)
            .and_then(|n| usize::try_from(n).ok())
    };
    let (table, size, count) =
        (u64_at(32)?, usize::from(elf_u16(head, 54)?), usize::from(elf_u16(head, 56)?));
    let entry = (0..count)
        .map_while(|index| table.checked_add(index * size))
        .find(|entry| head.get(*entry..entry.saturating_add(4)) == Some(&PT_INTERP.to_le_bytes()))?;
    let (offset, length) = (u64_at(entry.checked_add(8)?)?, u64_at(entry.checked_add(32)?)?);
    head.get(offset..offset.checked_add(length)?)?.split(|byte| *byte == 0).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, content: &[u8], mode: u32) -> (tempfile::TempDir, CString) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let path = CString::new(path.as_os_str().as_bytes()).unwrap();
        (folder, path)
    }

    fn nothing() -> Strings {
        Strings::leak(Vec::new())
    }

    #[test]
    fn path_has_its_folders_in_order_and_empty_ones_mean_here() {
        let folders = |path: &'static [u8]| directories(Some(path)).collect::<Vec<_>>();
        assert_eq!(folders(b"/a:/b"), [&b"/a"[..], b"/b"]);
        assert_eq!(folders(b":/b:"), [&b""[..], b"/b", b""]);
        assert_eq!(folders(b""), [&b""[..]]);
        assert_eq!(directories(None).collect::<Vec<_>>(), [&b"/bin"[..], b"/usr/bin"]);
    }

    #[test]
    fn a_script_names_the_interpreter_that_is_missing() {
        for (head, interpreter) in [
            ("#!/no/python\n", "/no/python"),
            ("#! /no/env -S x\nrest", "/no/env"),
            ("#!/bin/sh\r\necho", "/bin/sh\r"),
        ] {
            let (_folder, path) = written("script", head.as_bytes(), 0o755);
            let found = obstacle(&path, nothing(), 0, Errno::ENOENT);
            assert_eq!(found, Obstacle::MissingInterpreter(interpreter.into()), "{head:?}");
            assert_eq!(found.code(), 126);
        }
    }

    #[test]
    fn what_is_not_there_is_127() {
        assert_eq!(obstacle(c"/no/such", nothing(), 0, Errno::ENOENT), Obstacle::NotFound);
        assert_eq!(obstacle(c"no-such", nothing(), 0, Errno::ENOENT).code(), 127);
    }

    #[test]
    fn elf_of_another_processor_is_named() {
        let mut head = b"\x7fELF\x02\x01\x01".to_vec();
        head.resize(64, 0);
        head[18] = 183;
        let (_folder, path) = written("prog", &head, 0o755);
        let found = obstacle(&path, nothing(), 0, Errno::ENOEXEC);
        let own = std::env::consts::ARCH == "aarch64";
        assert_eq!(found == Obstacle::WrongArchitecture("aarch64"), !own);
        assert_eq!(
            shell_form(Strings::leak(vec![c"x"]), nothing(), 0).map(super::super::strings::Strings::len),
            None
        );
    }

    #[test]
    fn text_without_an_interpreter_goes_to_the_shell() {
        let (_folder, path) = written("script", b"echo hi\n", 0o755);
        let path: &'static CStr = Box::leak(path.into_boxed_c_str());
        let command = Strings::leak(vec![path, c"a b", c""]);
        let words: Vec<_> = shell_form(command, nothing(), 0).unwrap().iter().collect();
        assert_eq!(words, [c"/bin/sh", path, c"a b", c""]);
    }

    #[test]
    fn bytes_that_are_no_program_do_not() {
        let (_folder, path) = written("data", b"\x01\x00\x02\n", 0o755);
        let path: &'static CStr = Box::leak(path.into_boxed_c_str());
        assert!(shell_form(Strings::leak(vec![path]), nothing(), 0).is_none());
        assert_eq!(obstacle(path, nothing(), 0, Errno::ENOEXEC), Obstacle::NotAProgram);
    }

    #[test]
    fn folders_and_plain_files_are_not_executable() {
        let (folder, path) = written("data", b"x", 0o644);
        assert_eq!(obstacle(&path, nothing(), 0, Errno::EACCES), Obstacle::NotExecutable);
        let folder = CString::new(folder.path().as_os_str().as_bytes()).unwrap();
        assert_eq!(obstacle(&folder, nothing(), 0, Errno::EACCES), Obstacle::Directory);
    }

    proptest::proptest! {
        #[test]
        fn no_file_content_ends_in_a_panic(mut head: Vec<u8>, elf: bool, errno in 0..40) {
            if elf {
                head.splice(..0, *b"\x7fELF\x02\x01\x01");
            }
            let _ = (elf_machine(&head), elf_loader(&head));
            let (_folder, path) = written("any", &head, 0o755);
            let code = obstacle(&path, nothing(), 0, Errno::from_raw(errno)).code();
            proptest::prop_assert!(code == 126 || code == 127);
        }
    }
}
