//! Signals at the worst moment, and system calls that fail: rinit under strace, which holds a call or lets it fail.
//!
//! What the real ones do with a signal that comes while their child is held in front of setpgid or setsid is shown,
//! not asserted. Seen with tini 0.19.0, dumb-init 1.2.5 and catatonit 0.1.7: `tini -g`, `catatonit -g` and `dumb-init`
//! lose it, since the group that they send it to does not exist yet; plain tini and plain catatonit pass it on, and so
//! does dumb-init once its child stands in execve (between fork and execve its child still has a handler that swallows
//! the signal, but no system call of a known name is there to be held).

#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stderr,
    missing_docs
)]

mod support;

use std::path::{Path, PathBuf};

use support::{Rinit, Running, children_of, has, lacks, namespace, probe, rinit, send, until};

const TERM: i32 = libc::SIGTERM;

/// A later signal, with a higher number: where it arrives and TERM did not, TERM is lost.
const FENCE: i32 = 64;

/// Main's code when TERM came, and when only the fence did.
const GOT: &str = "TERM=7";
const ONLY_FENCE: &str = "64=8";

/// What became of a signal.
#[derive(Debug, PartialEq)]
enum Fate {
    /// Main took it, or died of it because it was not ready to take it.
    Arrived,
    /// Main never saw it.
    Lost,
}

/// Waits for main, sends the fence, and sees what main ended by.
fn fate(mut running: Running, init: i32) -> Fate {
    match running.line_or_end() {
        Some(line) if line.starts_with("ready ") => {
            // SAFETY: numbers. It may have ended meanwhile, which is an answer.
            unsafe { libc::kill(init, FENCE) };
        }
        Some(line) => panic!("'{line}'"),
        None => {}
    }
    let outcome = running.wait();
    match (outcome.status.code(), outcome.signal()) {
        (Some(7 | 143), _) | (None, Some(TERM)) => Fate::Arrived,
        (Some(8), _) => Fate::Lost,
        other => panic!("{other:?}: {outcome:?}"),
    }
}

/// The first descendant of a launcher that runs this program.
fn running_as(launcher: i32, program: &Path) -> Option<i32> {
    let mut all = vec![launcher];
    while let Some(pid) = all.pop() {
        if std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program) {
            return Some(pid);
        }
        all.extend(children_of(pid));
    }
    None
}

/// Whether this process stands in front of this system call, and does not move.
fn is_held(pid: i32, call: i64) -> bool {
    support::state_of(pid) == Some('t')
        && std::fs::read_to_string(format!("/proc/{pid}/syscall"))
            .is_ok_and(|text| text.starts_with(&format!("{call} ")))
}

/// A system call that is held: its name, its number, and whether it is one of the child's.
type Held = (&'static str, i64, bool);

const SETPGID: Held = ("setpgid", libc::SYS_setpgid, true);
const SETSID: Held = ("setsid", libc::SYS_setsid, true);
const EXECVE: Held = ("execve", libc::SYS_execve, true);
const CLONE: Held = ("clone", libc::SYS_clone, false);

/// Sends TERM to init while the call is held.
fn at_the_worst_moment(name: &str, options: &[&str], real: Option<&Path>, held: Held) -> Fate {
    // On a busy machine the call may be over before we have seen it: then it was not the worst moment.
    for delay in ["400000", "1000000", "4000000", "10000000"] {
        let (call, number, by_child) = held;
        let inject = format!("inject={call}:delay_enter={delay}");
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let launcher = ["strace", "-f", "-o", log.to_str().unwrap(), "-e", "signal=none", "-e", &inject];
        let program = real.map_or_else(rinit, Path::to_owned);
        let start = Rinit::new().instead(&program).named(name).behind(launcher);
        let running = start.probe(options, &["signals", GOT, ONLY_FENCE]).spawn();
        let program = std::fs::canonicalize(program).unwrap();
        let mut init = None;
        let mut seen = false;
        let begin = std::time::Instant::now();
        let mut ran = false;
        while !seen && !ran && begin.elapsed() < support::PATIENCE / 3 {
            std::thread::yield_now();
            init = init.or_else(|| running_as(running.launcher(), &program));
            let Some(init) = init else { continue };
            let child = children_of(init).first().copied();
            seen = if by_child {
                child.is_some_and(|child| is_held(child, number))
            } else {
                is_held(init, number)
            };
            ran = child
                .is_some_and(|child| running_as(child, &std::fs::canonicalize(probe()).unwrap()).is_some());
        }
        if !seen && !ran {
            // strace itself did not get on; what it wrote says where.
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            eprintln!("{name} {held:?}: neither held nor running, once more: init {init:?}: {text}");
            continue;
        }
        let init = init.unwrap();
        send(init, TERM);
        let child = children_of(init).first().copied();
        let still =
            if by_child { child.is_some_and(|child| is_held(child, number)) } else { is_held(init, number) };
        let fate = fate(running, init);
        if seen && still {
            return fate;
        }
    }
    panic!("{name}: {held:?} was never held long enough");
}

fn never_lost(name: &str, options: &[&str], calls: &[Held]) {
    if lacks("strace", has("strace")) {
        return;
    }
    for held in calls {
        assert_eq!(
            at_the_worst_moment(name, options, None, *held),
            Fate::Arrived,
            "{name} {options:?} {held:?}"
        );
    }
}

#[test]
fn rinit_loses_nothing() {
    never_lost("rinit", &[], &[CLONE, SETPGID, EXECVE]);
}

#[test]
fn rinit_with_a_group_loses_nothing() {
    never_lost("rinit", &["-g"], &[CLONE, SETPGID, EXECVE]);
}

#[test]
fn rinit_with_a_single_child_loses_nothing() {
    never_lost("rinit", &["-c"], &[CLONE, EXECVE]);
}

#[test]
fn many_signals_before_main_all_reach_it() {
    if lacks("strace", has("strace")) {
        return;
    }
    for options in [&[][..], &["-c"]] {
        let strace =
            ["strace", "-o", "/dev/null", "-e", "signal=none", "-e", "inject=prctl:delay_enter=2000000"];
        // Main begins with them blocked, so that it needs not be ready to take them. SIGCONT is what strace starts with.
        let blocked = !(1u64 << (libc::SIGCONT - 1));
        let start = Rinit::new().behind(strace).probe(options, &["signals"]);
        let mut running = start.with(move |command| support::with_signals(command, vec![], blocked)).spawn();
        let program = std::fs::canonicalize(rinit()).unwrap();
        let mut init = None;
        until("rinit is held before there is a main", || {
            init = running_as(running.launcher(), &program);
            init.is_some_and(|init| is_held(init, libc::SYS_prctl))
        });
        let all = [1, 2, 3, 10, 12, 15].into_iter().chain(34..65);
        for signal in all.clone() {
            send(init.unwrap(), signal);
        }
        running.ready();
        for signal in all {
            assert_eq!(running.signal_line(), signal, "{options:?}");
        }
    }
}

#[test]
fn tini_loses_nothing() {
    never_lost("tini", &["-s"], &[CLONE, SETPGID, EXECVE]);
    never_lost("tini", &["-s", "-g"], &[CLONE, SETPGID, EXECVE]);
}

#[test]
fn dumb_init_loses_nothing() {
    never_lost("dumb-init", &[], &[CLONE, SETSID, EXECVE]);
    never_lost("dumb-init", &["-c"], &[CLONE, EXECVE]);
}

#[test]
fn catatonit_loses_nothing() {
    never_lost("catatonit", &[], &[CLONE, SETPGID, EXECVE]);
    never_lost("catatonit", &["-g"], &[CLONE, SETPGID, EXECVE]);
}

#[test]
fn what_the_real_ones_lose() {
    if lacks("strace", has("strace")) {
        return;
    }
    for (name, options, held) in [
        ("tini", &["-s"][..], SETPGID),
        ("tini", &["-s", "-g"][..], SETPGID),
        ("dumb-init", &[][..], SETSID),
        ("dumb-init", &[][..], EXECVE),
        ("dumb-init", &["-c"][..], EXECVE),
        ("catatonit", &[][..], SETPGID),
        ("catatonit", &["-g"][..], SETPGID),
    ] {
        let path = PathBuf::from("/usr/bin").join(name);
        if lacks(&format!("Debian's {name}, to compare with"), path.is_file()) {
            continue;
        }
        let fate = at_the_worst_moment(name, options, Some(&path), held);
        eprintln!("the real {name} {options:?}, TERM while its child is in front of {}: {fate:?}", held.0);
    }
}

/// Runs a start in which a system call fails.
fn failing(name: &str, options: &[&str], inject: &str) -> (support::Outcome, usize) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let launcher = ["strace", "-f", "-o", log.to_str().unwrap(), "-e", &format!("inject={inject}")];
    let outcome = Rinit::new().named(name).behind(launcher).args(options).args(["--", "true"]).run();
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains("(INJECTED)"), "{text}");
    let mut pids: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    pids.sort_unstable();
    pids.dedup();
    (outcome, pids.len())
}

#[test]
fn a_failed_clone_has_a_message_and_a_code() {
    if lacks("strace", has("strace")) {
        return;
    }
    for (name, options, code, message) in [
        ("rinit", &[][..], 70, "rinit: cannot start 'true': "),
        ("rinit", &["-g"][..], 70, "rinit: cannot start 'true': "),
        ("rinit", &["-c"][..], 70, "rinit: cannot start 'true': "),
        ("tini", &["-s"][..], 1, "] fork failed: "),
        ("docker-init", &["-s"][..], 1, "] fork failed: "),
        ("dumb-init", &[][..], 1, "[dumb-init] Unable to fork. Exiting.\n"),
        ("dumb-init", &["-c"][..], 1, "[dumb-init] Unable to fork. Exiting.\n"),
        ("catatonit", &[][..], 1, "): failed to fork child: "),
    ] {
        for error in ["EAGAIN", "ENOMEM"] {
            let (outcome, processes) =
                failing(name, options, &format!("clone,clone3,fork,vfork:error={error}"));
            assert_eq!(outcome.code(), code, "{name} {options:?} {error}: {outcome:?}");
            assert!(outcome.stderr.contains(message), "{name} {options:?} {error}: {outcome:?}");
            assert_eq!(processes, 1, "no other process was there");
        }
    }
    let (outcome, _) = failing("rinit", &[], "clone:error=EAGAIN");
    assert!(outcome.stderr.contains("--pids-limit"), "the way out: {outcome:?}");
    // Codes that count as 0 are main's, and there was no main; tini's is the code of no child either.
    assert_eq!(failing("rinit", &["-e", "70"], "clone:error=EAGAIN").0.code(), 70);
}

#[test]
fn other_calls_that_fail() {
    if lacks("strace", has("strace")) {
        return;
    }
    for (name, options, inject, code, message) in [
        ("dumb-init", &[][..], "setsid:error=EPERM", 1, "[dumb-init] Unable to setsid (errno=1 "),
        (
            "tini",
            &["-s"][..],
            "prctl:error=EINVAL",
            1,
            "PR_SET_CHILD_SUBREAPER is unavailable on this platform",
        ),
        ("tini", &["-s"][..], "prctl:error=EPERM", 1, "Failed to register as child subreaper: "),
        ("tini", &["-p", "SIGTERM"][..], "prctl:error=EINVAL", 1, "Failed to set up parent death signal"),
        ("catatonit", &[][..], "prctl:error=EINVAL", 1, "failed to set child-reaper as non-pid1"),
        ("rinit", &[][..], "prctl:error=EINVAL", 0, "cannot become a child subreaper, orphans go to PID 1"),
        ("rinit", &[][..], "chdir:error=EACCES", 0, ""),
        ("rinit", &[][..], "close_range:error=ENOSYS", 0, ""),
        ("rinit", &[][..], "setpgid:error=EPERM", 0, ""),
    ] {
        let (outcome, _) = failing(name, options, inject);
        assert_eq!(outcome.code(), code, "{name} {options:?} {inject}: {outcome:?}");
        assert!(outcome.stderr.contains(message), "{name} {options:?} {inject}: {outcome:?}");
    }
}

/// The signals that a process blocks.
fn blocked(pid: i32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// TERM as early as can be, many times: `when` says whether the moment has come.
fn many_early_starts(launcher: &[&str], when: impl Fn(i32) -> bool) {
    const STARTS: usize = 100;
    let program = std::fs::canonicalize(rinit()).unwrap();
    for start in 0..STARTS {
        let running = Rinit::new().behind(launcher).probe(&[], &["signals", GOT, ONLY_FENCE]).spawn();
        let mut init = None;
        until("rinit is there", || {
            init = running_as(running.launcher(), &program);
            init.is_some_and(&when)
        });
        let init = init.unwrap();
        send(init, TERM);
        assert_eq!(fate(running, init), Fate::Arrived, "start {start}");
    }
}

#[test]
fn a_signal_right_after_exec_is_not_lost() {
    many_early_starts(&["env"], |_| true);
}

#[test]
fn a_signal_right_after_the_first_instruction_of_pid_1_is_not_lost() {
    let namespace = namespace();
    if lacks("a pid namespace", namespace.is_some()) {
        return;
    }
    // Before its first instructions are over the kernel drops what is sent to PID 1, and nobody can help it. In its
    // wait the mask shows as empty; then there is a main.
    let over =
        |init| blocked(init).is_some_and(|mask| mask >> (TERM - 1) & 1 == 1) || !children_of(init).is_empty();
    many_early_starts(&namespace.unwrap_or_default(), over);
}
