//! Every signal through every personality, as a plain process and as PID 1, and the rewriting tables of dumb-init.

use crate::peers::{Who, alike, different, rinit_as};
use crate::support::{Running, children_of, lacks, namespace, send, state_of, until};

/// What became of a signal that init got.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// Main got this one.
    Main(i32),
    /// Main got this one, and init stopped itself.
    MainAndStop(i32),
    /// Main was stopped.
    Stopped,
    /// Main was stopped, and so was init.
    BothStopped,
    /// Nobody got anything.
    Nothing,
    /// Init died of it.
    Died,
}

use Fate::{BothStopped, Died, Main, MainAndStop, Nothing, Stopped};

const STOP_KEYS: [i32; 3] = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// What the kernel raises in a process that went wrong.
const FAULTS: [i32; 7] =
    [libc::SIGFPE, libc::SIGILL, libc::SIGSEGV, libc::SIGBUS, libc::SIGABRT, libc::SIGTRAP, libc::SIGSYS];

/// All that can be caught, but for SIGCHLD, and but for 32 and 33, which the C library of a peer keeps.
fn all() -> impl Iterator<Item = i32> {
    (1..=31).chain(34..=64).filter(|signal| ![libc::SIGKILL, libc::SIGCHLD, libc::SIGSTOP].contains(signal))
}

/// A signal that goes through everywhere, and after every other: both sides take the lowest number first.
const FENCE: i32 = 64;

fn start(who: &Who, options: &[&str], launcher: &[&str]) -> Running {
    let mut running = who.start().behind(launcher).probe(options, &["signals"]).spawn();
    running.ready();
    running
}

/// Sends one signal and looks what came of it. Nothing is concluded from silence: the fence says when it is over.
fn fate(running: &mut Running, first: bool, signal: i32, expected: Fate) -> Fate {
    let init = running.pid();
    let main = children_of(init)[0];
    send(init, signal);
    if matches!(expected, Stopped | BothStopped | MainAndStop(_)) {
        let got = match expected {
            MainAndStop(_) => Some(running.signal_line()),
            _ => None,
        };
        if got.is_none() {
            until("main is stopped", || state_of(main) == Some('T'));
        }
        // Where it is PID 1, its own SIGSTOP does nothing but take a SIGCONT that waits (the real dumb-init): so it
        // has to be done with it. It runs until it waits for the next signal.
        let done = if !first && expected != Stopped { 'T' } else { 'S' };
        until("init is stopped, or waits", || state_of(init) == Some(done));
        send(init, libc::SIGCONT);
        assert_eq!(running.signal_line(), libc::SIGCONT);
        return match (got, first) {
            (Some(got), _) => MainAndStop(got),
            (None, true) => Stopped,
            (None, false) => expected,
        };
    }
    if signal == FENCE {
        return Main(running.signal_line());
    }
    send(init, FENCE);
    match running.signal_line() {
        FENCE => Nothing,
        got => {
            assert_eq!(running.signal_line(), FENCE);
            Main(got)
        }
    }
}

/// The fates of all signals, or of those that do not end init.
fn fates(who: &Who, options: &[&str], first: bool, wanted: &[(i32, Fate)]) -> Vec<(i32, Fate)> {
    let namespace = namespace().unwrap_or_default();
    let launcher: &[&str] = if first { &namespace } else { &[] };
    let mut running = start(who, options, launcher);
    let fates = wanted.iter().map(|(signal, wanted)| match wanted {
        Died => {
            let doomed = start(who, options, launcher);
            let main = children_of(doomed.pid())[0];
            let init = doomed.pid();
            send(init, *signal);
            until("init is dead", || state_of(init) == Some('Z'));
            // It holds the other ends of our pipes.
            send(main, libc::SIGKILL);
            let outcome = doomed.wait();
            (*signal, if outcome.signal() == Some(*signal) { Died } else { panic!("{signal}: {outcome:?}") })
        }
        wanted => (*signal, fate(&mut running, first, *signal, *wanted)),
    });
    fates.collect()
}

/// What `name` does with every signal, as `rule` has it.
fn every_signal(name: &'static str, options: &[&str], first: bool, rule: impl Fn(i32) -> Fate) {
    let wanted: Vec<(i32, Fate)> = all().map(|signal| (signal, rule(signal))).collect();
    let found = alike(name, "signals", |who| fates(who, options, first, &wanted));
    assert_eq!(found, wanted, "{name} {options:?}, {}", if first { "PID 1" } else { "a plain process" });
}

fn in_both_places(name: &'static str, options: &[&str], rule: impl Fn(i32, bool) -> Fate) {
    every_signal(name, options, false, |signal| rule(signal, false));
    if lacks("a pid namespace", namespace().is_some()) {
        return;
    }
    every_signal(name, options, true, |signal| rule(signal, true));
}

fn tini(signal: i32, first: bool) -> Fate {
    match signal {
        libc::SIGTTIN | libc::SIGTTOU => Nothing,
        // The kernel spares PID 1 of its namespace.
        fault if FAULTS.contains(&fault) => {
            if first {
                Nothing
            } else {
                Died
            }
        }
        signal => Main(signal),
    }
}

fn catatonit(signal: i32, first: bool) -> Fate {
    if signal == libc::SIGTSTP { Nothing } else { tini(signal, first) }
}

fn dumb_init(signal: i32, first: bool) -> Fate {
    match signal {
        key if STOP_KEYS.contains(&key) => {
            if first {
                Stopped
            } else {
                BothStopped
            }
        }
        signal => Main(signal),
    }
}

fn single_child(signal: i32, first: bool) -> Fate {
    if STOP_KEYS.contains(&signal) && !first { MainAndStop(signal) } else { Main(signal) }
}

#[test]
fn every_signal_through_tini() {
    in_both_places("tini", &["-s"], tini);
    in_both_places("tini", &["-g"], tini);
}

#[test]
fn every_signal_through_dumb_init() {
    in_both_places("dumb-init", &[], dumb_init);
    in_both_places("dumb-init", &["-c"], single_child);
}

#[test]
fn every_signal_through_catatonit() {
    in_both_places("catatonit", &[], catatonit);
    in_both_places("catatonit", &["-g"], catatonit);
}

#[test]
fn every_signal_through_rinit_with_its_own_options() {
    for options in [&["-g"][..], &["-c"], &["-s", "-w"]] {
        in_both_places("rinit", options, |signal, _| Main(signal));
    }
}

/// Options, and what becomes of these signals with them.
type Table<'a> = (&'a [&'a str], &'a [(i32, Fate)]);

#[test]
fn rewriting() {
    let (term, quit, usr1) = (libc::SIGTERM, libc::SIGQUIT, libc::SIGUSR1);
    let tables: &[Table<'_>] = &[
        (&["-r", "15:3"], &[(term, Main(quit)), (quit, Main(quit)), (usr1, Main(usr1))]),
        (&["-r", "15:3", "-r", "3:15"], &[(term, Main(quit)), (quit, Main(term))]),
        (&["-r", "1:31", "--rewrite=31:1"], &[(1, Main(31)), (31, Main(1))]),
        (&["-r", "15:0"], &[(term, Nothing), (quit, Main(quit))]),
        (&["-r", "15:3", "-r", "15:10"], &[(term, Main(usr1))]),
        (&["-r", "10:10"], &[(usr1, Main(usr1))]),
        (&["-r", "1:17"], &[(1, Main(libc::SIGCHLD))]),
    ];
    for (options, wanted) in tables {
        for single in [&[][..], &["-c"]] {
            let options: Vec<&str> = options.iter().chain(single).copied().collect();
            for name in ["dumb-init", "rinit"] {
                let found = alike(name, "rewriting", |who| fates(who, &options, false, wanted));
                assert_eq!(&found, wanted, "{name} {options:?}");
            }
        }
    }
}

#[test]
fn the_default_rewriting_of_stop_keys_can_be_overridden() {
    let tables: &[Table<'_>] = &[
        (
            &["-r", "20:1", "-r", "21:15", "-r", "22:2"],
            &[(20, MainAndStop(1)), (21, MainAndStop(15)), (22, MainAndStop(2))],
        ),
        (&["-r", "20:20"], &[(20, MainAndStop(20)), (21, BothStopped)]),
        (&["-r", "15:19"], &[(15, Stopped)]),
    ];
    for (options, wanted) in tables {
        let found = alike("dumb-init", "stop keys", |who| fates(who, options, false, wanted));
        assert_eq!(&found, wanted, "{options:?}");
    }
}

/// Sends with a value: does main get the value, too?
fn value_of(who: &Who, options: &[&str]) -> (i32, String) {
    let mut running = start(who, options, &[]);
    let value = libc::sigval { sival_ptr: 4321 as *mut libc::c_void };
    // SAFETY: the pointer is a number that nobody follows.
    assert_eq!(unsafe { libc::sigqueue(running.pid(), 36, value) }, 0);
    let line = running.line();
    let words: Vec<&str> = line.split(' ').collect();
    (words[1].parse().unwrap(), words[5].to_owned())
}

#[test]
fn a_queued_value_comes_through() {
    // Not to a group: the kernel has no call for that.
    for (name, options) in [("tini", "-s"), ("dumb-init", "-c"), ("catatonit", "--"), ("rinit", "-s")] {
        let reason = "the real ones forward with kill(2), and the value is lost";
        let options: &[&str] = if options == "--" { &[] } else { &[options] };
        assert_eq!(
            different(name, "a value", reason, |who| value_of(who, options)),
            (36, "4321".into()),
            "{name}"
        );
    }
}

#[test]
fn with_a_group_option_the_whole_group_gets_it() {
    // Main lets USR1 pass, and its child, in the same group, is the one that speaks.
    for (name, options, reached) in [
        ("tini", &["-s"][..], false),
        ("tini", &["-s", "-g"][..], true),
        ("dumb-init", &[][..], true),
        ("dumb-init", &["-c"][..], false),
        ("catatonit", &[][..], false),
        ("catatonit", &["-g"][..], true),
        ("rinit", &[][..], false),
        ("rinit", &["-g"][..], true),
    ] {
        let look = |who: &Who| {
            let script = "trap '' USR1; \"$@\"; exit 0";
            let probe = crate::support::probe();
            let words = ["--", "sh", "-c", script, "sh", probe.to_str().unwrap(), "signals", "TERM=0"];
            let mut running = who.start().args(options).args(words).spawn();
            let child = running.ready();
            running.kill(libc::SIGUSR1);
            // What the child has to tell before this one came to it directly.
            until("init has taken it", || pending(running.pid()) == 0);
            send(child, FENCE);
            let first = running.signal_line();
            send(child, libc::SIGTERM);
            first == libc::SIGUSR1
        };
        assert_eq!(alike(name, "the group", look), reached, "{name} {options:?}");
    }
}

/// The signals that wait in a process.
fn pending(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    of("SigPnd:") | of("ShdPnd:")
}

#[test]
fn the_fates_of_a_dead_init_are_told_apart() {
    // That the comparison can fail: dumb-init forwards what tini dies of.
    let wanted = [(libc::SIGABRT, Main(libc::SIGABRT))];
    assert_eq!(fates(&rinit_as("dumb-init"), &[], false, &wanted), wanted);
    let wanted = [(libc::SIGABRT, Died)];
    assert_eq!(fates(&rinit_as("tini"), &["-s"], false, &wanted), wanted);
}
