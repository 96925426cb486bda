//! rinit as the init of one command: what goes in, what comes out, who gets which signal, in every environment that
//! can be made without an engine.

#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used
)]
#![allow(clippy::pedantic, missing_docs)]

mod support;

use std::ffi::OsStr;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use support::{Rinit, Running, is_root, lacks, namespace, user_namespace, with_signals};

/// A launcher for PID 1, or nothing where the test is to be skipped.
fn pid_1() -> Option<Vec<&'static str>> {
    let namespace = namespace();
    (!lacks("a pid namespace (root, or unprivileged user namespaces)", namespace.is_some()))
        .then_some(namespace)
        .flatten()
}

/// The value of a line of `probe state`.
fn fact<'a>(lines: &'a [String], name: &str) -> &'a str {
    let prefix = format!("{name} ");
    lines
        .iter()
        .find_map(|line| line.strip_prefix(&prefix))
        .unwrap_or_else(|| panic!("no '{name}' in {lines:?}"))
}

fn ids(lines: &[String]) -> [i32; 4] {
    let words: Vec<&str> = fact(lines, "ids").split(' ').collect();
    [1, 3, 5, 7].map(|index: usize| words[index].parse().unwrap())
}

#[test]
fn all_256_exit_codes_come_through() {
    for code in 0..=255 {
        assert_eq!(Rinit::new().probe(&[], &["exit", &code.to_string()]).run().code(), code);
    }
}

#[test]
fn a_death_by_signal_is_128_plus_its_number() {
    // 32 and 33 are the C library's, and std's own spawn hands them to us ignored.
    let harmless = [17, 18, 19, 20, 21, 22, 23, 28, 32, 33];
    for signal in (1..=64).filter(|signal| !harmless.contains(signal)) {
        let outcome = Rinit::new().probe(&[], &["die", &signal.to_string()]).run();
        assert_eq!(outcome.code(), 128 + signal);
    }
}

/// Every catchable signal, one by one, in the order it was sent.
fn every_signal_arrives(mut running: Running) {
    running.ready();
    let pid = running.pid();
    for signal in (1..=64).filter(|signal| ![9, 19, 17].contains(signal)) {
        support::send(pid, signal);
        assert_eq!(running.signal_line(), signal);
    }
    support::send(pid, libc::SIGCHLD);
    support::send(pid, libc::SIGUSR1);
    assert_eq!(running.signal_line(), libc::SIGUSR1, "SIGCHLD is not forwarded");
}

#[test]
fn every_signal_arrives_through_a_plain_process() {
    every_signal_arrives(Rinit::new().probe(&[], &["signals"]).spawn());
}

#[test]
fn every_signal_arrives_through_pid_1() {
    let Some(launcher) = pid_1() else { return };
    every_signal_arrives(Rinit::new().behind(launcher).probe(&[], &["signals"]).spawn());
}

#[test]
fn every_signal_arrives_through_pid_1_of_a_user_namespace() {
    let launcher = user_namespace();
    if lacks("unprivileged user namespaces", launcher.is_some()) {
        return;
    }
    every_signal_arrives(Rinit::new().behind(launcher.unwrap_or_default()).probe(&[], &["signals"]).spawn());
}

#[test]
fn every_signal_arrives_through_rinit_inside_rinit() {
    let inner =
        [support::rinit().into_os_string(), "--".into(), support::probe().into_os_string(), "signals".into()];
    every_signal_arrives(Rinit::new().args(["--"]).args(inner).spawn());
}

#[test]
fn every_signal_arrives_at_the_group_with_g() {
    every_signal_arrives(Rinit::new().probe(&["-g"], &["signals"]).spawn());
}

#[test]
fn every_signal_arrives_at_a_single_child() {
    every_signal_arrives(Rinit::new().probe(&["-c"], &["signals"]).spawn());
}

#[test]
fn a_value_sent_with_a_signal_comes_through() {
    let mut running = Rinit::new().probe(&[], &["signals"]).spawn();
    running.ready();
    for (signal, value) in [(libc::SIGUSR1, 4711usize), (40, 1), (40, 2), (40, 3)] {
        let value = libc::sigval { sival_ptr: value as *mut libc::c_void };
        assert_eq!(unsafe { libc::sigqueue(running.pid(), signal, value) }, 0);
    }
    let lines: Vec<String> = (0..4).map(|_| running.line()).collect();
    assert_eq!(
        lines,
        [
            "signal 10 code -1 value 4711",
            "signal 40 code -1 value 1",
            "signal 40 code -1 value 2",
            "signal 40 code -1 value 3"
        ]
    );
}

#[test]
fn signals_are_rewritten_and_dropped() {
    let options = ["-r", "TERM:QUIT", "--rewrite=HUP:0", "-r12:10", "--rewrite", "RTMIN+1:RTMIN+2"];
    let mut running = Rinit::new().probe(&options, &["signals"]).spawn();
    running.ready();
    for (sent, received) in
        [(15, Some(3)), (1, None), (12, Some(10)), (35, Some(36)), (36, Some(36)), (3, Some(3))]
    {
        running.kill(sent);
        if let Some(received) = received {
            assert_eq!(running.signal_line(), received);
        }
    }
}

#[test]
fn any_bytes_pass_in_arguments_and_environment() {
    let words = [&b"\xff\xfe"[..], b"", b"a b", b"--", b"-v", b"\n"];
    let outcome = Rinit::new()
        .probe(&[], &["words"])
        .args(words.map(OsStr::from_bytes))
        .with(|command| {
            command.env_clear().env("ODD", OsStr::from_bytes(b"\xff=\x01")).env("EMPTY", "");
        })
        .run();
    let wanted = ["\\xff\\xfe", "", "a b", "--", "-v", "\\n"].map(|word| format!("word {word}"));
    assert_eq!(outcome.stdout[..6], wanted);
    let mut variables = outcome.stdout[6..].to_vec();
    variables.sort();
    assert_eq!(variables, ["variable EMPTY=", "variable ODD=\\xff=\\x01"]);
}

#[test]
fn main_gets_the_mask_and_the_dispositions_that_rinit_was_given() {
    // A bit for a signal of every kind, those that the C libraries hide (32 to 34) too.
    let blocked = 1 | 1 << 9 | 1 << 14 | 1 << 16 | 1 << 31 | 1 << 32 | 1 << 33 | 1 << 40 | 1 << 63;
    let ignored = vec![2, 13, 17, 21, 22, 35];
    for (ignored, blocked) in [(ignored, blocked), (vec![], 0)] {
        let bits: u64 = ignored.iter().map(|signal| 1u64 << (signal - 1)).sum();
        let outcome = Rinit::new()
            .probe(&[], &["state"])
            .with(move |command| with_signals(command, ignored, blocked))
            .run();
        assert_eq!(outcome.code(), 0);
        assert_eq!(fact(&outcome.stdout, "blocked"), format!("{blocked:016x}"));
        assert_eq!(fact(&outcome.stdout, "ignored"), format!("{bits:016x}"));
    }
}

#[test]
fn main_leads_a_group_of_its_own_in_our_session_and_a_single_child_does_not() {
    let outcome = Rinit::new().probe(&[], &["state"]).run();
    let [pid, _, group, session] = ids(&outcome.stdout);
    assert_eq!(pid, group);
    assert_ne!(pid, session);
    let outcome = Rinit::new().probe(&["--single-child"], &["state"]).run();
    let [pid, _, group, _] = ids(&outcome.stdout);
    assert_ne!(pid, group);
}

#[test]
fn main_keeps_its_descriptors_and_its_folder_and_rinit_does_not() {
    let (reader, writer) = std::io::pipe().unwrap();
    let fd = writer.as_raw_fd();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    let expected = format!("folder {}", path.display());
    let mut running = Rinit::new()
        .args(["--", "sh", "-c", "\"$0\" state && exec \"$0\" signals"])
        .args([support::probe()])
        .with(move |command| {
            unsafe {
                std::os::unix::process::CommandExt::pre_exec(command, move || {
                    // Without FD_CLOEXEC, and at a number of its own.
                    assert!(libc::dup2(fd, 20) == 20);
                    Ok(())
                });
            }
            command.current_dir(path);
        })
        .spawn();
    drop((reader, writer));
    let state: Vec<String> = (0..7).map(|_| running.line()).collect();
    assert!(fact(&state, "open").split(' ').any(|fd| fd == "20"), "{state:?}");
    assert!(state.contains(&expected), "{state:?}");
    running.ready();
    let own = format!("/proc/{}", running.pid());
    support::until("rinit has let go of the descriptor", || {
        !std::fs::exists(format!("{own}/fd/20")).unwrap()
    });
    assert_eq!(std::fs::read_link(format!("{own}/cwd")).unwrap().as_os_str(), "/");
    folder.close().unwrap();
}

/// The orphans that the probe makes are adopted and reaped: none is left as a zombie of rinit's.
fn orphans_are_reaped(running: Running) {
    let mut running = running;
    running.ready();
    let pid = running.pid();
    support::until("only main is left", || support::children_of(pid).len() == 1);
    running.kill(libc::SIGTERM);
    assert_eq!(running.signal_line(), libc::SIGTERM);
    let outcome = running.wait();
    assert_eq!(outcome.code(), 0);
    assert_eq!(outcome.stderr, "", "and it says nothing about it");
}

#[test]
fn orphans_are_reaped_by_pid_1() {
    let Some(launcher) = pid_1() else { return };
    orphans_are_reaped(Rinit::new().behind(launcher).probe(&[], &["orphans", "50"]).spawn());
}

#[test]
fn orphans_are_reaped_by_any_other_pid_and_nothing_is_said() {
    orphans_are_reaped(Rinit::new().probe(&[], &["orphans", "50"]).spawn());
}

#[test]
fn a_child_that_ended_before_rinit_was_executed_is_reaped() {
    let mut running = Rinit::new()
        .probe(&[], &["signals"])
        .with(|command| unsafe {
            std::os::unix::process::CommandExt::pre_exec(command, || {
                let child = libc::fork();
                if child == 0 {
                    libc::_exit(0);
                }
                // It has ended, and nobody has waited for it.
                let mut info: libc::siginfo_t = std::mem::zeroed();
                libc::waitid(libc::P_PID, child as libc::id_t, &raw mut info, libc::WEXITED | libc::WNOWAIT);
                Ok(())
            });
        })
        .spawn();
    let main = running.ready();
    let pid = running.pid();
    assert_eq!(support::children_of(pid), [main]);
}

#[test]
fn not_being_pid_1_is_said_with_v() {
    let outcome = Rinit::new().probe(&["-v"], &["exit", "3"]).run();
    assert_eq!(outcome.code(), 3);
    assert!(outcome.stderr.contains("a child subreaper"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("ended with 3"), "{}", outcome.stderr);
}

#[test]
fn reaped_orphans_are_named_with_w() {
    let mut running = Rinit::new().probe(&["-w"], &["orphans", "3"]).spawn();
    running.ready();
    let pid = running.pid();
    support::until("only main is left", || support::children_of(pid).len() == 1);
    running.kill(libc::SIGTERM);
    let outcome = running.wait();
    assert_eq!(outcome.stderr.matches("reaped orphan").count(), 3, "{}", outcome.stderr);
}

#[test]
fn sigchld_ignored_by_our_parent_does_not_cost_the_exit_code() {
    let outcome = Rinit::new()
        .probe(&[], &["exit", "44"])
        .with(|command| with_signals(command, vec![libc::SIGCHLD], 0))
        .run();
    assert_eq!(outcome.code(), 44);
}

#[test]
fn closed_and_full_descriptors_do_no_harm() {
    let combinations = [
        "<&-",
        ">&-",
        "2>&-",
        "<&- >&- 2>&-",
        ">/dev/full 2>/dev/full",
        "2>/dev/full",
        "</dev/null >&- 2>/dev/full",
    ];
    for redirections in combinations {
        let script = format!("exec \"$@\" {redirections}");
        for options in [&["-vv"][..], &[]] {
            let outcome =
                Rinit::new().behind(["sh", "-c", &script, "sh"]).probe(options, &["exit", "9"]).run();
            assert_eq!(outcome.code(), 9, "{redirections}");
            let missing =
                Rinit::new().behind(["sh", "-c", &script, "sh"]).args(options).args(["--", "/no/such"]).run();
            assert_eq!(missing.code(), 127, "{redirections}");
        }
    }
}

#[test]
fn a_full_pipe_on_standard_error_does_not_block() {
    let (_reader, writer) = std::io::pipe().unwrap();
    unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    let filling = [b'x'; 4096];
    while unsafe { libc::write(writer.as_raw_fd(), filling.as_ptr().cast(), filling.len()) } > 0 {}
    unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, 0) };
    let stderr = Stdio::from(writer);
    let outcome = Rinit::new()
        .probe(&["-vv"], &["exit", "5"])
        .with(|command| {
            command.stderr(stderr);
        })
        .run();
    assert_eq!(outcome.code(), 5);
}

#[test]
fn a_reader_of_standard_error_that_is_gone_costs_no_signal() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let stderr = Stdio::from(writer);
    let mut running = Rinit::new()
        .probe(&["-vv"], &["signals"])
        .with(|command| {
            command.stderr(stderr);
        })
        .spawn();
    running.ready();
    for signal in [libc::SIGUSR1, libc::SIGPIPE, libc::SIGUSR2] {
        running.kill(signal);
        assert_eq!(running.signal_line(), signal, "its own SIGPIPE is not main's");
    }
}

#[test]
fn it_works_without_proc() {
    let launcher = [
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        "umount -l /proc && exec \"$@\"",
        "sh",
    ];
    if lacks("root", is_root()) {
        return;
    }
    for (options, words, code) in
        [(&[][..], &["exit", "6"][..], 6), (&["--grace", "100ms"], &["leave", "stubborn", "3", "4"], 4)]
    {
        let outcome = Rinit::new().behind(launcher).probe(options, words).run();
        assert_eq!(outcome.code(), code);
    }
}

#[test]
fn it_works_as_any_user_without_capabilities() {
    if lacks("root", is_root()) {
        return;
    }
    // A copy that this user can reach, wherever the build folder is.
    let folder = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let copies = [support::rinit(), support::probe()].map(|original| {
        let copy = folder.path().join(original.file_name().unwrap());
        support::copy_program(&original, &copy);
        copy.into_os_string().into_string().unwrap()
    });
    let setpriv = [
        "setpriv",
        "--reuid=12345",
        "--regid=12345",
        "--clear-groups",
        "--bounding-set=-all",
        "--no-new-privs",
    ];
    let outcome = std::process::Command::new(setpriv[0])
        .args(&setpriv[1..])
        .args([&copies[0], "--", &copies[1], "state"])
        .current_dir("/")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert!(text.contains("user 12345 12345"), "{outcome:?}");
    assert_eq!((outcome.status.code(), outcome.stderr.len()), (Some(0), 0), "{outcome:?}");
}
