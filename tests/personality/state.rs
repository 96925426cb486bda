//! What main and init have: groups, session, terminal, mask, dispositions, descriptors, folder.

use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;

use crate::peers::{Who, alike, different};
use crate::support::{Rinit, lacks, until, with_signals};

/// What main says of itself, in terms that do not change from run to run.
#[derive(Clone, Debug, PartialEq)]
struct Main {
    /// Its process group is its own; else it is init's.
    own_group: bool,
    /// Its session is its own; else it is init's.
    own_session: bool,
    /// Whose group has the terminal's foreground: `main`, `init`, `other`, `none`.
    foreground: &'static str,
    blocked: u64,
    ignored: u64,
    /// It has descriptor 7.
    has_7: bool,
    /// It has a standard input.
    has_0: bool,
    folder: String,
}

/// Where the two are started.
#[derive(Clone, Copy, PartialEq)]
enum Input {
    /// Standard input is /dev/null, and there is no terminal.
    Null,
    /// There is none.
    Closed,
    /// A terminal of which init leads the session, as `docker run -it` has it.
    Terminal,
    /// The same terminal; init is a background job of a shell.
    Background,
}

/// A pseudo terminal: its master, and the path of its slave.
fn terminal() -> (OwnedFd, std::ffi::CString) {
    // SAFETY: numbers, and a buffer of its own length.
    unsafe {
        let master = libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC);
        assert!(master >= 0 && libc::grantpt(master) == 0 && libc::unlockpt(master) == 0);
        let mut name = vec![0u8; 64];
        assert_eq!(libc::ptsname_r(master, name.as_mut_ptr().cast(), name.len()), 0);
        let name = std::ffi::CStr::from_bytes_until_nul(&name).unwrap().to_owned();
        (OwnedFd::from_raw_fd(master), name)
    }
}

/// Starts `who` with the probe below it, in this environment.
fn start(
    who: &Who,
    options: &[&str],
    words: &[&str],
    input: Input,
    given: (Vec<i32>, u64),
) -> (Rinit, Option<OwnedFd>) {
    let mut start = who.start().probe(options, words);
    let mut master = None;
    if input == Input::Background {
        // In a shell with job control, `&` starts a group of its own that is not in the foreground.
        start = start.behind(["sh", "-c", "set -m; \"$@\" & wait $!", "sh"]);
    }
    let mut slave = None;
    if matches!(input, Input::Terminal | Input::Background) {
        let (end, name) = terminal();
        (master, slave) = (Some(end), Some(name));
    }
    let start = start.with(move |command| {
        command.current_dir("/tmp");
        with_signals(command, given.0, given.1);
        // SAFETY: only system calls.
        unsafe {
            command.pre_exec(move || {
                if let Some(slave) = &slave {
                    libc::setsid();
                    libc::dup2(libc::open(slave.as_ptr(), libc::O_RDWR), 0);
                    libc::ioctl(0, libc::TIOCSCTTY, 0);
                }
                libc::dup2(libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY), 7);
                if input == Input::Closed {
                    libc::close(0);
                }
                Ok(())
            });
        }
    });
    (start, master)
}

/// What main finds.
fn main_of(who: &Who, options: &[&str], input: Input, given: (Vec<i32>, u64)) -> Result<Main, (i32, String)> {
    let (start, _master) = start(who, options, &["state"], input, given);
    let outcome = start.run();
    if outcome.code() != 0 {
        return Err((outcome.code(), crate::peers::normal(&outcome.stderr, who.name)));
    }
    let line = |name: &str| {
        let found = outcome.stdout.iter().find_map(|line| line.strip_prefix(name));
        found.unwrap_or_else(|| panic!("{name} in {outcome:?}")).trim().to_owned()
    };
    let ids: Vec<i32> = line("ids").split(' ').filter_map(|word| word.parse().ok()).collect();
    let [pid, _, group, session] = ids[..] else { panic!("{ids:?}") };
    let front: i32 = line("foreground").parse().unwrap();
    let open = line("open");
    let has = |fd: &str| open.split(' ').any(|open| open == fd);
    Ok(Main {
        own_group: group == pid,
        own_session: session == pid,
        foreground: match front {
            -1 => "none",
            front if front == pid => "main",
            front if front == group || front == session => "init",
            _ => "other",
        },
        blocked: u64::from_str_radix(&line("blocked"), 16).unwrap(),
        ignored: u64::from_str_radix(&line("ignored"), 16).unwrap(),
        has_7: has("7"),
        has_0: has("0"),
        folder: line("folder"),
    })
}

/// The bits of these signals.
fn bits(signals: &[i32]) -> u64 {
    signals.iter().map(|signal| 1 << (signal - 1)).sum()
}

/// Main of a well-behaved init, to be changed by each row.
fn usual() -> Main {
    Main {
        own_group: true,
        own_session: false,
        foreground: "none",
        blocked: 0,
        ignored: 0,
        has_7: true,
        has_0: true,
        folder: "/tmp".into(),
    }
}

const CATATONIT_MASK: &str =
    "the real one leaves TSTP, TTIN and TTOU blocked in main, so that Ctrl-Z is dead";

#[test]
fn main_has_the_group_and_session_of_its_peer() {
    let look =
        |options: &'static [&'static str]| move |who: &Who| main_of(who, options, Input::Null, (vec![], 0));
    let with = |group, session| Ok(Main { own_group: group, own_session: session, ..usual() });
    for name in ["tini", "docker-init"] {
        assert_eq!(alike(name, "groups", look(&[])), with(true, false));
        assert_eq!(alike(name, "groups", look(&["-g", "-s"])), with(true, false));
    }
    assert_eq!(alike("dumb-init", "groups", look(&[])), with(true, true));
    assert_eq!(alike("dumb-init", "groups", look(&["-c"])), with(false, false));
    assert_eq!(different("catatonit", "groups", CATATONIT_MASK, look(&[])), with(true, false));
    assert_eq!(different("catatonit", "groups", CATATONIT_MASK, look(&["-g"])), with(true, false));
    assert_eq!(alike("rinit", "groups", look(&[])), with(true, false));
    assert_eq!(alike("rinit", "groups", look(&["-c"])), with(false, false));
}

#[test]
fn dumb_inits_variable_is_its_single_child_mode() {
    for (value, own) in [("0", false), ("1", true), ("", true), ("00", true)] {
        let look = |who: &Who| {
            let start = who.start().probe(&[], &["state"]).with(move |command| {
                command.env("DUMB_INIT_SETSID", value);
            });
            let outcome = start.run();
            let ids =
                outcome.stdout.iter().find_map(|line| line.strip_prefix("ids pid ")).unwrap().to_owned();
            let words: Vec<&str> = ids.split(' ').collect();
            words[0] == words[6]
        };
        assert_eq!(alike("dumb-init", value, look), own, "its own session with DUMB_INIT_SETSID={value}");
    }
}

#[test]
fn what_init_was_given_main_is_given() {
    // Some of each kind: what the peers touch themselves, what they leave alone, real-time ones, SIGCHLD.
    const IGNORED: [i32; 9] = [1, 2, 13, 17, 20, 21, 22, 34, 64];
    const BLOCKED: [i32; 8] = [3, 4, 15, 17, 21, 34, 35, 64];
    let given = || (IGNORED.to_vec(), bits(&BLOCKED));
    let look =
        |options: &'static [&'static str]| move |who: &Who| main_of(who, options, Input::Null, given());
    let kept = Main { ignored: bits(&IGNORED), blocked: bits(&BLOCKED), ..usual() };
    // With an ignored SIGCHLD the kernel reaps by itself, and the real tini and catatonit never learn how main ended:
    // they wait for ever. So the comparison with them is made without it.
    let but = |signals: &[i32], out: i32| {
        signals.iter().copied().filter(|signal| *signal != out).collect::<Vec<_>>()
    };
    let other = || (but(&IGNORED, libc::SIGCHLD), bits(&BLOCKED));
    let kept_there = Main { ignored: bits(&other().0), ..kept.clone() };
    assert_eq!(main_of(&crate::peers::rinit_as("tini"), &["-s"], Input::Null, given()), Ok(kept.clone()));
    assert_eq!(
        alike("tini", "signals", |who| main_of(who, &["-s"], Input::Null, other())),
        Ok(kept_there.clone())
    );
    assert_eq!(main_of(&crate::peers::rinit_as("catatonit"), &[], Input::Null, given()), Ok(kept.clone()));
    assert_eq!(
        different("catatonit", "signals", CATATONIT_MASK, |who| main_of(who, &[], Input::Null, other())),
        Ok(kept_there)
    );
    assert_eq!(alike("rinit", "signals", look(&[])), Ok(kept.clone()));
    assert_eq!(alike("rinit", "signals", look(&["-c"])), Ok(Main { own_group: false, ..kept.clone() }));
    // dumb-init gives main a clean slate, but for the real-time signals that it does not know.
    for (options, own) in [(&[][..], true), (&["-c"][..], false)] {
        let found = alike("dumb-init", "signals", look(options));
        let clean =
            Main { ignored: bits(&[34, 64]), blocked: 0, own_group: own, own_session: own, ..usual() };
        assert_eq!(found, Ok(clean));
    }
}

#[test]
fn a_closed_standard_input_stays_closed_and_stops_nobody() {
    let look =
        |options: &'static [&'static str]| move |who: &Who| main_of(who, options, Input::Closed, (vec![], 0));
    let closed = Main { has_0: false, ..usual() };
    let reason = "the real one ends with 1: tcsetpgrp failed: Bad file descriptor";
    assert_eq!(different("tini", "closed stdin", reason, look(&["-s"])), Ok(closed.clone()));
    assert_eq!(different("catatonit", "closed stdin", CATATONIT_MASK, look(&[])), Ok(closed.clone()));
    assert_eq!(
        alike("dumb-init", "closed stdin", look(&[])),
        Ok(Main { own_session: true, ..closed.clone() })
    );
    assert_eq!(alike("rinit", "closed stdin", look(&[])), Ok(closed));
}

#[test]
fn main_gets_the_terminal_where_it_was_inits() {
    let look = |options: &'static [&'static str]| {
        move |who: &Who| main_of(who, options, Input::Terminal, (vec![], 0))
    };
    let front = Main { foreground: "main", ..usual() };
    assert_eq!(alike("tini", "a terminal", look(&["-s"])), Ok(front.clone()));
    assert_eq!(alike("dumb-init", "a terminal", look(&[])), Ok(Main { own_session: true, ..front.clone() }));
    let shared = Main { own_group: false, foreground: "init", ..usual() };
    assert_eq!(alike("dumb-init", "a terminal", look(&["-c"])), Ok(shared.clone()));
    assert_eq!(different("catatonit", "a terminal", CATATONIT_MASK, look(&[])), Ok(front.clone()));
    assert_eq!(alike("rinit", "a terminal", look(&[])), Ok(front));
    assert_eq!(alike("rinit", "a terminal", look(&["-c"])), Ok(shared));
}

#[test]
fn a_background_job_does_not_take_the_terminal() {
    let look = |options: &'static [&'static str]| {
        move |who: &Who| main_of(who, options, Input::Background, (vec![], 0))
    };
    // The foreground is the shell's, which leads the session of init.
    let reason = "the real one steals the foreground from the shell";
    let behind = Main { foreground: "init", ..usual() };
    assert_eq!(different("tini", "background", reason, look(&["-s"])), Ok(behind.clone()));
    assert_eq!(different("catatonit", "background", reason, look(&[])), Ok(behind.clone()));
    assert_eq!(alike("rinit", "background", look(&[])), Ok(behind));
}

/// What init itself holds on to.
#[derive(Debug, PartialEq)]
struct Init {
    has_7: bool,
    folder: String,
}

/// Looks at init once it is in its loop: a signal has come through.
fn init_of(who: &Who, options: &[&str]) -> Init {
    let (start, _master) = start(who, options, &["signals"], Input::Null, (vec![], 0));
    let mut running = start.spawn();
    running.ready();
    running.kill(libc::SIGUSR1);
    assert_eq!(running.signal_line(), libc::SIGUSR1);
    let pid = running.pid();
    Init {
        has_7: std::fs::exists(format!("/proc/{pid}/fd/7")).unwrap(),
        folder: std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap().to_str().unwrap().to_owned(),
    }
}

#[test]
fn init_lets_go_of_what_its_peer_lets_go_of() {
    let look = |options: &'static [&'static str]| move |who: &Who| init_of(who, options);
    let holds = |has_7, folder: &str| Init { has_7, folder: folder.into() };
    assert_eq!(alike("tini", "its own", look(&[])), holds(true, "/tmp"));
    assert_eq!(alike("dumb-init", "its own", look(&[])), holds(true, "/"));
    assert_eq!(alike("dumb-init", "its own", look(&["-c"])), holds(true, "/"));
    let reason = "the real one leaves its folder from version 0.2.1 on";
    assert_eq!(different("catatonit", "its own", reason, look(&[])), holds(false, "/"));
    assert_eq!(alike("rinit", "its own", look(&[])), holds(false, "/"));
}

#[test]
fn init_has_left_its_folder_before_main_looks() {
    for (name, options) in [("dumb-init", &[][..]), ("dumb-init", &["-c"]), ("catatonit", &[])] {
        for _ in 0..50 {
            let words = ["--", "sh", "-c", "readlink /proc/$PPID/cwd /proc/self/cwd"];
            let start = crate::peers::rinit_as(name).start().args(options).args(words).with(|command| {
                command.current_dir("/tmp");
            });
            assert_eq!(start.run().stdout, ["/", "/tmp"], "{name}");
        }
    }
}

#[test]
fn a_relative_name_is_looked_up_where_main_is_started() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    for (name, content, mode) in [
        ("good", "#!/bin/sh\npwd\n", 0o755),
        ("bare", "pwd\n", 0o755),
        ("plain", "", 0o644),
        ("lost", "#!/no/such\n", 0o755),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let here = folder.path().to_str().unwrap().to_owned();
    for (word, code, told) in [
        ("./good", 0, ""),
        ("./bare", 0, ""),
        ("./plain", 126, "not executable"),
        ("./lost", 126, "'/no/such' does not exist"),
        ("./none", 127, "No such file"),
    ] {
        let path = here.clone();
        let start = Rinit::new().args(["--", word]).with(move |command| {
            command.current_dir(path);
        });
        let outcome = start.run();
        assert_eq!(outcome.code(), code, "{outcome:?}");
        assert!(outcome.stderr.contains(told), "{outcome:?}");
        assert_eq!(outcome.stdout, if code == 0 { vec![here.clone()] } else { vec![] });
    }
}

#[test]
fn a_folder_that_may_not_be_searched_is_mains_all_the_same() {
    if lacks("root and setpriv", crate::support::is_root() && crate::support::has("setpriv")) {
        return;
    }
    // As a container with another user and root's WORKDIR has it: nobody is in a folder of root's alone.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap().to_owned();
    let here = path.clone();
    // Through /proc, which needs no permission on the folders above; both programs lie where anybody may go.
    let copies = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(copies.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let program = copies.path().join("rinit");
    std::fs::copy(crate::support::rinit(), &program).unwrap();
    let outcome = Rinit::new()
        .instead(&program)
        .behind(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
        .args(["--", "readlink", "/proc/self/cwd"])
        .with(move |command| {
            command.current_dir(here);
        })
        .run();
    assert_eq!((outcome.code(), outcome.stdout), (0, vec![path]), "{}", outcome.stderr);
}

/// What LISTEN_PID says to main, where init got its own id in it (`true`) or another number.
fn listen_pid(who: &Who, options: &[&str], own: bool) -> String {
    let value = if own { "$$" } else { "1234567" };
    let script = format!("LISTEN_PID={value} LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS; exec \"$@\"");
    let mut running = who
        .start()
        .behind(["sh", "-c", &script, "sh"])
        .args(options)
        .args(["--", "sh", "-c", "echo $LISTEN_PID $$ $PPID $LISTEN_FDS"])
        .spawn();
    let line = running.line();
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!(words[3], "1");
    match words[0] {
        pid if pid == words[1] => "main".into(),
        pid if pid == words[2] => "init".into(),
        other => other.into(),
    }
}

#[test]
fn listen_pid_follows_main_where_the_peer_sees_to_it() {
    for (name, options, whose) in [
        ("tini", &[][..], "init"),
        ("dumb-init", &[][..], "init"),
        ("catatonit", &[][..], "main"),
        ("rinit", &[][..], "main"),
        ("rinit", &["-c"][..], "main"),
    ] {
        assert_eq!(
            alike(name, "LISTEN_PID", |who| listen_pid(who, options, true)),
            whose,
            "{name} {options:?}"
        );
        assert_eq!(alike(name, "LISTEN_PID", |who| listen_pid(who, options, false)), "1234567", "{name}");
    }
}

#[test]
fn at_rest_nobody_wakes_up() {
    if lacks("strace", crate::support::has("strace")) {
        return;
    }
    // The wait has no time limit: nothing but a signal ends it.
    for (name, options) in
        [("tini", &["-s"][..]), ("dumb-init", &[][..]), ("catatonit", &[][..]), ("rinit", &[][..])]
    {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let words = ["strace", "-o", log.to_str().unwrap(), "-e", "trace=rt_sigtimedwait"];
        let mut running =
            crate::peers::rinit_as(name).start().behind(words).probe(options, &["signals", "TERM=0"]).spawn();
        running.ready();
        let waits = || std::fs::read_to_string(&log).unwrap_or_default().contains("rt_sigtimedwait(");
        until("it waits", waits);
        running.kill(libc::SIGTERM);
        assert_eq!(running.wait().code(), 0);
        let text = std::fs::read_to_string(&log).unwrap();
        let calls: Vec<&str> = text.lines().filter(|line| line.contains("rt_sigtimedwait(")).collect();
        assert!(!calls.is_empty());
        for call in calls {
            assert!(call.contains(", NULL, 8)"), "{name}: {call}");
        }
    }
}

#[test]
fn standard_input_and_output_are_mains() {
    for name in ["tini", "dumb-init", "catatonit", "rinit"] {
        let look = |who: &Who| {
            let (reader, mut writer) = std::io::pipe().unwrap();
            std::io::Write::write_all(&mut writer, b"echo from $0; exit 4\n").unwrap();
            drop(writer);
            let outcome = who
                .start()
                .args(["--", "sh"])
                .with(move |command| {
                    command.stdin(reader);
                })
                .run();
            (outcome.code(), outcome.stdout)
        };
        assert_eq!(alike(name, "a pipe", look), (4, vec!["from sh".to_owned()]));
    }
}
