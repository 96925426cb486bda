//! Exit codes, what becomes of the processes that main leaves behind, orphans, parents that die, and the pause.

use std::io::PipeWriter;

use crate::peers::{Who, alike, rinit_as};
use crate::support::{Running, children_of, lacks, namespace, probe, send, state_of, until};

#[test]
fn tini_maps_every_exit_code_and_no_other() {
    let look = |who: &Who| {
        for code in 0..=255u8 {
            let text = code.to_string();
            let mapped = who.start().probe(&["-s", "-e", &text], &["exit", &text]).run();
            assert_eq!(mapped.code(), 0, "-e {code}");
            let others: Vec<String> =
                (0..=255u8).filter(|other| *other != code).map(|n| format!("-e{n}")).collect();
            let mut options: Vec<&str> = others.iter().map(String::as_str).collect();
            options.push("-s");
            let kept = who.start().probe(&options, &["exit", &text]).run();
            assert_eq!(kept.code(), i32::from(code), "-e for all but {code}");
        }
    };
    alike("tini", "-e", look);
    look(&rinit_as("rinit"));
}

#[test]
fn main_decides_the_exit_code() {
    for (name, options) in
        [("tini", &["-s"][..]), ("dumb-init", &[][..]), ("dumb-init", &["-c"][..]), ("catatonit", &[][..])]
    {
        for code in [0, 1, 2, 44, 127, 128, 137, 254, 255] {
            let look = |who: &Who| who.start().probe(options, &["exit", &code.to_string()]).run().code();
            assert_eq!(alike(name, "exit code", look), code, "{name}");
        }
        for signal in
            (1..=31).chain(34..=64).filter(|signal| ![17, 18, 19, 20, 21, 22, 23, 28].contains(signal))
        {
            let look = |who: &Who| who.start().probe(options, &["die", &signal.to_string()]).run().code();
            assert_eq!(alike(name, "death", look), 128 + signal, "{name}");
        }
    }
}

/// Main with a child in the background that tells of its signals, and main ends when its standard input does.
fn with_background(who: &Who, options: &[&str], wrapper: &str) -> (Running, i32, PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    let script = format!("{wrapper} \"$@\" & read x; exit 3");
    let path = probe();
    let words = ["--", "sh", "-c", &script, "sh", path.to_str().unwrap(), "signals", "TERM=0"];
    let start = who.start().args(options).args(words).with(move |command| {
        command.stdin(reader);
    });
    let mut running = start.spawn();
    let child = running.ready();
    (running, child, writer)
}

/// Whether what main left got SIGTERM; otherwise it lives, and is cleaned up.
fn leftover_gets_term(who: &Who, options: &[&str], wrapper: &str) -> bool {
    let (mut running, child, writer) = with_background(who, options, wrapper);
    let init = running.pid();
    drop(writer);
    until("init has ended", || state_of(init) == Some('Z'));
    // Alive or not: what it was sent comes first, and this one, with the highest number, then.
    // SAFETY: numbers. The child may be gone, which is one of the two answers.
    let alive = unsafe { libc::kill(child, 64) } == 0;
    let first = running.signal_line();
    assert!(alive || first == libc::SIGTERM);
    if first == 64 {
        send(child, libc::SIGTERM);
        assert_eq!(running.signal_line(), libc::SIGTERM);
    }
    assert_eq!(running.wait().code(), 3);
    first == libc::SIGTERM
}

#[test]
fn what_main_leaves_behind_is_treated_as_the_peer_treats_it() {
    for (name, options, wrapper, term) in [
        ("tini", &["-s"][..], "", false),
        ("tini", &["-s", "-g"][..], "", false),
        ("catatonit", &[][..], "", false),
        ("catatonit", &["-g"][..], "", false),
        // dumb-init: the group, by way of the rewriting table, and nobody outside of the group.
        ("dumb-init", &[][..], "", true),
        ("dumb-init", &["-c"][..], "", false),
        ("dumb-init", &["-r", "15:0"][..], "", false),
        ("dumb-init", &[][..], "setsid", false),
        // rinit: everybody.
        ("rinit", &[][..], "", true),
        ("rinit", &[][..], "setsid", true),
    ] {
        let look = |who: &Who| leftover_gets_term(who, options, wrapper);
        assert_eq!(alike(name, "leftovers", look), term, "{name} {options:?} {wrapper}");
    }
}

#[test]
fn dumb_init_rewrites_the_last_signal_too() {
    let look = |who: &Who| {
        let (mut running, child, writer) = with_background(who, &["-r", "15:12"], "");
        drop(writer);
        let got = running.signal_line();
        send(child, libc::SIGTERM);
        assert_eq!(running.wait().code(), 3);
        got
    };
    assert_eq!(alike("dumb-init", "the last signal", look), libc::SIGUSR2);
}

/// Three orphans under init: the warnings about them, and whether init adopted them.
fn orphans(who: &Who, options: &[&str], launcher: &[&str]) -> usize {
    let start = who.start().behind(launcher).probe(options, &["orphans", "3"]).with(|command| {
        command.env("TINI_VERBOSITY", "1");
    });
    let mut running = start.spawn();
    running.ready();
    let init = running.pid();
    until("all orphans are reaped", || children_of(init).len() == 1);
    send(init, libc::SIGTERM);
    // Main had a child of its own, too.
    while running.signal_line() == libc::SIGCHLD {}
    let outcome = running.wait();
    assert_eq!(outcome.code(), 0);
    let told =
        |line: &&str| line.contains("Reaped zombie process with pid=") || line.contains("reaped orphan");
    outcome.stderr.lines().filter(told).count()
}

#[test]
fn orphans_are_reaped_and_told_of_on_demand() {
    let namespace = namespace();
    for (name, options, told) in [
        ("tini", &["-s"][..], 0),
        ("tini", &["-s", "-w"][..], 3),
        ("catatonit", &[][..], 0),
        ("rinit", &[][..], 0),
        ("rinit", &["-w"][..], 3),
    ] {
        assert_eq!(alike(name, "-w", |who| orphans(who, options, &[])), told, "{name} {options:?}");
    }
    if lacks("a pid namespace", namespace.is_some()) {
        return;
    }
    let namespace = namespace.unwrap();
    for (name, options, told) in [
        ("tini", &["-w"][..], 3),
        ("dumb-init", &[][..], 0),
        ("dumb-init", &["-c"][..], 0),
        ("catatonit", &[][..], 0),
    ] {
        assert_eq!(alike(name, "PID 1", |who| orphans(who, options, &namespace)), told, "{name} {options:?}");
    }
}

/// Whether init is a subreaper: an orphan of main's becomes its child.
fn adopts(who: &Who, options: &[&str]) -> bool {
    let (reader, writer) = std::io::pipe().unwrap();
    let path = probe();
    let words = ["--", "sh", "-c", "(\"$@\" & :); read x", "sh", path.to_str().unwrap(), "signals", "TERM=0"];
    let start = who.start().args(options).args(words).with(move |command| {
        command.stdin(reader);
    });
    let mut running = start.spawn();
    let orphan = running.ready();
    let init = running.pid();
    let parent = || {
        let stat = std::fs::read_to_string(format!("/proc/{orphan}/stat")).unwrap();
        stat.rsplit(')').next().unwrap().split_whitespace().nth(1).unwrap().parse::<i32>().unwrap()
    };
    // The subshell in between may still be there.
    let main = children_of(init);
    until("it is an orphan", || parent() == init || !children_of(main[0]).contains(&parent()));
    let adopted = parent() == init;
    send(orphan, libc::SIGTERM);
    drop(writer);
    running.wait();
    adopted
}

#[test]
fn who_adopts_orphans_without_being_pid_1() {
    for (name, options, adopted) in [
        ("tini", &[][..], false),
        ("tini", &["-s"][..], true),
        ("dumb-init", &[][..], false),
        ("dumb-init", &["-c"][..], false),
        ("catatonit", &[][..], true),
        ("rinit", &[][..], true),
    ] {
        assert_eq!(alike(name, "adoption", |who| adopts(who, options)), adopted, "{name} {options:?}");
    }
}

/// init's parent ends, and init has asked for USR1 then; main gets it.
fn parent_death(who: &Who, options: &[&str]) -> i32 {
    let (reader, writer) = std::io::pipe().unwrap();
    let start =
        who.start().behind(["sh", "-c", "\"$@\" & read x", "sh"]).probe(options, &["signals", "TERM=0"]);
    let mut running = start
        .with(move |command| {
            command.stdin(reader);
        })
        .spawn();
    running.ready();
    let init = running.pid();
    drop(writer);
    let got = running.signal_line();
    send(init, libc::SIGTERM);
    assert_eq!(running.signal_line(), libc::SIGTERM);
    got
}

#[test]
fn the_death_of_the_parent_is_a_signal_on_demand() {
    assert_eq!(alike("tini", "-p", |who| parent_death(who, &["-s", "-p", "SIGUSR1"])), libc::SIGUSR1);
    assert_eq!(alike("tini", "-p", |who| parent_death(who, &["-s", "-pSIGHUP", "-pSIGQUIT"])), libc::SIGQUIT);
    assert_eq!(parent_death(&rinit_as("rinit"), &["-p", "USR2"]), libc::SIGUSR2);
    assert_eq!(parent_death(&rinit_as("rinit"), &["-p", "SIGUSR1"]), libc::SIGUSR1);
}

/// `catatonit -P`: it reaps what it is given, and ends with 0 on this signal.
fn pause(who: &Who, signal: i32) -> i32 {
    // The shell's child becomes catatonit's, since the shell becomes catatonit.
    let script = "exec 3<&0; (read x) <&3 & exec \"$@\"";
    let (reader, writer) = std::io::pipe().unwrap();
    let start = who.start().behind(["sh", "-c", script, "sh"]).args(["-P", "ignored"]);
    let running = start
        .with(move |command| {
            command.stdin(reader);
        })
        .spawn();
    let target = std::fs::canonicalize(who.real.clone().unwrap_or_else(crate::support::rinit)).unwrap();
    let seen = |pid: i32| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == target);
    let shell = running.launcher();
    until("the shell has become it", || seen(shell));
    until("it has closed what it does not need", || {
        !std::fs::exists(format!("/proc/{shell}/fd/3")).unwrap_or(false)
            || std::fs::read_link(format!("/proc/{shell}/fd/3"))
                .is_ok_and(|fd| fd.to_str().unwrap().contains("signalfd"))
    });
    assert_eq!(children_of(shell).len(), 1);
    drop(writer);
    until("the child is reaped", || children_of(shell).is_empty());
    for harmless in [libc::SIGHUP, libc::SIGUSR1, libc::SIGQUIT, libc::SIGCONT, 40] {
        send(shell, harmless);
    }
    send(shell, signal);
    running.wait().code()
}

#[test]
fn the_pause_reaps_and_ends_on_demand() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        assert_eq!(alike("catatonit", "-P", |who| pause(who, signal)), 0);
    }
}

#[test]
fn a_failed_start_leaves_nothing_behind() {
    for (name, code) in [("tini", 127), ("dumb-init", 2), ("catatonit", 1), ("rinit", 127)] {
        let outcome = |who: &Who| {
            // What is written comes from init, and from nobody later: both pipes end with it.
            let outcome = who.start().args(["--", "/no/such/program"]).run();
            (outcome.code(), outcome.stdout.len())
        };
        assert_eq!(alike(name, "a failed start", outcome), (code, 0), "{name}");
    }
}
