//! What is wrong is said in one line that names the thing and the way out, and has its documented exit code.

#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::pedantic,
    missing_docs
)]

mod support;

use std::path::PathBuf;

use support::{Rinit, has, is_root, lacks};

/// A folder with one file of this content and mode.
fn file(content: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("thing");
    support::write_program(&path, content, mode);
    (folder, path)
}

/// Running `command` fails with this code and one line that has all of these parts.
#[track_caller]
fn fails(command: &[&str], code: i32, parts: &[&str]) {
    let outcome = Rinit::new().args(["--"]).args(command).run();
    let line = outcome.stderr.trim_end();
    assert_eq!(outcome.code(), code, "{line}");
    assert!(line.starts_with("rinit: ") && line.lines().count() == 1, "{line}");
    for part in parts {
        assert!(line.contains(part), "'{part}' is not in: {line}");
    }
}

#[test]
fn what_is_not_there_is_127() {
    fails(&["/no/such/program"], 127, &["cannot execute '/no/such/program'", "No such file or directory"]);
    fails(&["no-such-program", "x"], 127, &["'no-such-program'", "not found in PATH"]);
    fails(&[""], 127, &["''"]);
}

#[test]
fn what_cannot_be_executed_is_126() {
    let (_folder, plain) = file(b"#!/bin/sh\n", 0o644);
    fails(&[plain.to_str().unwrap()], 126, &["Permission denied", "chmod +x"]);
    fails(&["/etc"], 126, &["'/etc'", "it is a directory"]);
}

#[test]
fn a_missing_interpreter_is_named() {
    let (_folder, script) = file(b"#!/no/python3 -u\n", 0o755);
    fails(&[script.to_str().unwrap()], 126, &["its interpreter '/no/python3' does not exist"]);
    let (_folder, script) = file(b"#!/bin/sh\r\necho\r\n", 0o755);
    fails(&[script.to_str().unwrap()], 126, &["carriage return", "/bin/sh\\r"]);
}

#[test]
fn a_missing_interpreter_in_path_is_found_out() {
    let (folder, _script) = file(b"#!/no/python3\n", 0o755);
    let path = folder.path().to_owned();
    let outcome = Rinit::new()
        .args(["--", "thing"])
        .with(move |command| {
            command.env("PATH", format!("/nowhere:{}:/bin", path.display()));
        })
        .run();
    assert_eq!(outcome.code(), 126);
    assert!(outcome.stderr.contains("'/no/python3' does not exist"), "{}", outcome.stderr);
}

#[test]
fn a_missing_loader_is_named() {
    // A real dynamic program, asking for a loader of the same length that is not there.
    let mut program = std::fs::read("/bin/sh").unwrap();
    let loader: &[u8] = b"/lib64/ld-linux-x86-64.so.2";
    let at = program.windows(loader.len()).position(|window| window == loader);
    if lacks("a dynamic x86-64 /bin/sh", at.is_some()) {
        return;
    }
    program[at.unwrap() + 1] = b'X';
    let (_folder, path) = file(&program, 0o755);
    fails(&[path.to_str().unwrap()], 126, &["its loader '/Xib64/ld-linux-x86-64.so.2' does not exist"]);
}

#[test]
fn a_program_for_another_processor_is_said_to_be_one() {
    let mut program = std::fs::read(support::probe()).unwrap();
    program[18] = if cfg!(target_arch = "aarch64") { 62 } else { 183 };
    let (_folder, path) = file(&program, 0o755);
    fails(&[path.to_str().unwrap()], 126, &["it is a program for", std::env::consts::ARCH]);
}

#[test]
fn what_is_no_program_is_said_to_be_none() {
    let (_folder, path) = file(b"\x00\x01\x02\x03", 0o755);
    fails(&[path.to_str().unwrap()], 126, &["neither a program nor a script"]);
}

#[test]
fn a_script_without_an_interpreter_runs_with_sh() {
    let (folder, path) = file(b"echo \"$#:$1:$2:$0\"; exit 12\n", 0o755);
    let outcome = Rinit::new().args(["--"]).args([&path]).args(["a b", ""]).run();
    assert_eq!(outcome.stdout, [format!("2:a b::{}", path.display())]);
    assert_eq!(outcome.code(), 12);
    // And from PATH.
    let path = folder.path().to_owned();
    let outcome = Rinit::new()
        .args(["--", "thing", "x"])
        .with(move |command| {
            command.env("PATH", format!("/nowhere:{}", path.display()));
        })
        .run();
    assert_eq!(outcome.code(), 12);
}

#[test]
fn an_empty_file_is_a_script_that_does_nothing() {
    let (_folder, path) = file(b"", 0o755);
    assert_eq!(Rinit::new().args(["--"]).args([path]).run().code(), 0);
}

#[test]
fn a_script_without_an_interpreter_and_without_sh_is_126() {
    if lacks("root", is_root()) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    support::copy_program(&support::rinit(), &folder.path().join("rinit"));
    support::write_program(&folder.path().join("script"), b"echo hi\n", 0o755);
    let outcome = std::process::Command::new("chroot")
        .arg(folder.path())
        .args(["/rinit", "--", "/script"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert_eq!(outcome.status.code(), Some(126), "{text}");
    assert!(text.contains("a script without a #! line, and no /bin/sh"), "{text}");
}

#[test]
fn path_is_searched_as_execvp_does() {
    let (first, _) = file(b"#!/bin/sh\nexit 1\n", 0o644);
    let (second, _) = file(b"#!/bin/sh\nexit 2\n", 0o755);
    for (path, code) in [
        // One that cannot be executed does not hide one that can.
        (format!("{}:{}", first.path().display(), second.path().display()), 2),
        (format!("/nowhere:/etc/passwd:{}", second.path().display()), 2),
        (format!("{}", first.path().display()), 126),
        (String::new(), 127),
    ] {
        let value = path.clone();
        let outcome = Rinit::new()
            .args(["--", "thing"])
            .with(move |command| {
                command.env("PATH", value);
            })
            .run();
        assert_eq!(outcome.code(), code, "PATH={path}");
    }
    // An empty folder is the current one, and without PATH there is a default.
    let here = second.path().to_owned();
    let outcome = Rinit::new()
        .args(["--", "thing"])
        .with(move |command| {
            command.env("PATH", ":/nowhere").current_dir(here);
        })
        .run();
    assert_eq!(outcome.code(), 2);
    let outcome = Rinit::new()
        .args(["--", "true"])
        .with(|command| {
            command.env_remove("PATH");
        })
        .run();
    assert_eq!(outcome.code(), 0);
}

#[test]
fn a_bad_command_line_is_64() {
    for (words, part) in [
        (&["--grce=1s", "x"][..], "unknown option '--grce': did you mean '--grace'?"),
        (&["-x"], "unknown option '-x'"),
        (&[], "no command"),
        (&["-v", "--"], "no command"),
        (&["--grace", "10", "x"], "'10' is no time for --grace"),
    ] {
        let outcome = Rinit::new().args(words).run();
        assert_eq!(outcome.code(), 64);
        assert!(outcome.stderr.contains(part) && outcome.stderr.lines().count() == 1, "{}", outcome.stderr);
        assert!(outcome.stdout.is_empty());
    }
}

#[test]
fn help_version_and_licence_go_to_standard_output() {
    for (word, part) in [("--help", "--grace TIME"), ("-V", "rinit "), ("--license", "MIT License")] {
        let outcome = Rinit::new().args([word]).run();
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""));
        assert!(outcome.stdout.join("\n").contains(part));
    }
}

#[test]
fn a_signal_that_came_for_a_main_that_cannot_start_decides_the_code() {
    if lacks("strace", has("strace")) {
        return;
    }
    // The child is held before it executes; the signal waits in rinit's queue meanwhile.
    for (signal, code) in [(libc::SIGTERM, 143), (libc::SIGWINCH, 127), (35, 163)] {
        let folder = tempfile::tempdir().unwrap();
        let trace = folder.path().join("trace");
        let words = ["strace", "-f", "-o", trace.to_str().unwrap(), "-e", "trace=execve,setpgid", "-e"];
        let strace = words.into_iter().chain(["inject=setpgid:delay_enter=1000000"]);
        let running = Rinit::new().behind(strace).args(["--", "/no/such"]).spawn();
        support::until("the child is held", || {
            std::fs::read_to_string(&trace).is_ok_and(|text| text.contains("setpgid"))
        });
        running.kill(signal);
        assert_eq!(running.wait().code(), code);
    }
}

#[test]
fn no_room_for_another_process_is_70_and_leaves_nothing() {
    if lacks("strace", has("strace")) {
        return;
    }
    // glibc and musl have their own words for the second.
    for (error, texts) in [
        ("EAGAIN", ["Resource temporarily unavailable"; 2]),
        ("ENOMEM", ["Cannot allocate memory", "Out of memory"]),
    ] {
        let inject = format!("inject=clone:error={error}");
        let strace = ["strace", "-f", "-o", "/dev/null", "-e", "trace=clone", "-e", &inject];
        let outcome = Rinit::new().behind(strace).args(["--", "sleep", "1000"]).run();
        assert_eq!(outcome.code(), 70);
        assert!(outcome.stderr.contains("cannot start 'sleep'"), "{outcome:?}");
        assert!(texts.iter().any(|text| outcome.stderr.contains(text)), "{outcome:?}");
    }
}
