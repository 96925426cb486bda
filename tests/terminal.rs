//! rinit on a terminal: whose its keys, its window and its foreground are, with and without a shell that does job
//! control above, as PID 1 and not, under its own name and its peers'.
//!
//! What a key did once and not twice is shown by a signal that is sent after it: it comes last, since both rinit and
//! the probe take what waits for them by number.

#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used
)]
#![allow(clippy::pedantic, missing_docs)]

#[path = "support/pty.rs"]
mod pty;
mod support;

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use pty::{CTRL_BACKSLASH, CTRL_C, CTRL_D, CTRL_Z, Control, Pty};
use support::{
    Rinit, children_of, descendants_of, has, lacks, namespace, probe, rinit, send, state_of, until,
};

/// The signal that comes last: SIGPWR, behind all of a terminal's. (A real-time one would do for all but the real
/// dumb-init, which looks those up behind the end of a table, and takes some for ignored.)
const MARKER: i32 = libc::SIGPWR;

/// What a shell of ours says when it is ready for the next line.
const PROMPT: &str = "READY> ";

fn words<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Vec<String> {
    words.into_iter().map(|word| word.as_ref().to_str().unwrap().to_owned()).collect()
}

/// `rinit OPTIONS -- probe terminal ENDS`.
fn rinit_probe(options: &[&str], ends: &[&str]) -> Vec<String> {
    under(&rinit(), options, ends)
}

/// `INIT OPTIONS -- probe terminal ENDS`.
fn under(init: &Path, options: &[&str], ends: &[&str]) -> Vec<String> {
    let mut all = words([init]);
    all.extend(words(options));
    all.extend(words([OsStr::new("--"), probe().as_os_str(), OsStr::new("terminal")]));
    all.extend(words(ends));
    all
}

fn command(words: &[String]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env("PS1", PROMPT);
    command
}

/// As the leader of a session on a terminal, which a terminal window or ssh starts.
#[track_caller]
fn leader(words: &[String]) -> Pty {
    Pty::spawn(&mut command(words))
}

/// As PID 1, and the leader of a session on a terminal: what engines start for `-t`.
#[track_caller]
fn first(words: &[String]) -> Option<Pty> {
    let namespace = namespace();
    if lacks("a pid namespace (root, or unprivileged user namespaces)", namespace.is_some()) {
        return None;
    }
    let mut all: Vec<String> = self::words(namespace?);
    all.extend(self::words(["setsid", "--ctty"]));
    all.extend_from_slice(words);
    Some(Pty::spawn_with(&mut command(&all), Control::Streams))
}

/// A link by which rinit is another program.
fn link(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join(name);
    std::os::unix::fs::symlink(rinit(), &link).unwrap();
    (folder, link)
}

/// The real program of this name.
fn peer(name: &str) -> Option<PathBuf> {
    (!lacks(name, has(name))).then(|| PathBuf::from(name))
}

/// Where the probe says it is.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    pid: i32,
    group: i32,
    session: i32,
    foreground: i32,
}

/// Waits for the probe.
#[track_caller]
fn ready(pty: &mut Pty) -> Place {
    pty.expect("place ");
    let line = pty.rest_of_line();
    let numbers: Vec<i32> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    Place { pid: pty.number_after("ready "), group: numbers[0], session: numbers[1], foreground: numbers[2] }
}

/// Every descendant that runs rinit, the outermost first.
fn rinits(pty: &Pty) -> Vec<i32> {
    let target = fs::canonicalize(rinit()).unwrap();
    let runs = |pid: &i32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == target);
    std::iter::once(pty.pid()).chain(descendants_of(pty.pid())).filter(runs).collect()
}

/// The innermost descendant of all, as it is numbered here: the probe, in a namespace, too.
fn innermost(pty: &Pty) -> i32 {
    *descendants_of(pty.pid()).last().unwrap()
}

/// The init under test, whatever it is: the parent of the probe.
fn init_of(pty: &Pty) -> i32 {
    let main = innermost(pty);
    let parents = std::iter::once(pty.pid()).chain(descendants_of(pty.pid()));
    parents.into_iter().find(|pid| children_of(*pid).contains(&main)).unwrap()
}

/// Nothing but the marker is there, or comes before it.
#[track_caller]
fn nothing_more(pty: &mut Pty) {
    send(init_of(pty), MARKER);
    assert_eq!(pty.signals_until(MARKER), [MARKER]);
}

/// The key makes this one signal, once.
#[track_caller]
fn key_once(pty: &mut Pty, key: &[u8], signal: i32) {
    pty.send(key);
    assert_eq!(pty.signals_until(signal), [signal]);
    nothing_more(pty);
}

/// Ctrl-Z does nothing at all. It is echoed, so that we know when it was pressed: later it would throw away what is
/// being shown.
#[track_caller]
fn void_ctrl_z(pty: &mut Pty) {
    pty.echo(true);
    pty.send(CTRL_Z);
    pty.expect("^Z");
    pty.echo(false);
    nothing_more(pty);
}

/// Ctrl-C, Ctrl-\ and a change of the window reach main, each once.
#[track_caller]
fn every_key_once(pty: &mut Pty) {
    key_once(pty, CTRL_C, libc::SIGINT);
    key_once(pty, CTRL_BACKSLASH, libc::SIGQUIT);
    pty.resize(30, 100);
    assert_eq!(pty.signals_until(libc::SIGWINCH), [libc::SIGWINCH]);
    nothing_more(pty);
}

/// Main has a group of its own, in the foreground, and every key once.
#[track_caller]
fn own_foreground(pty: &mut Pty) {
    let place = ready(pty);
    assert_eq!([place.group, place.foreground], [place.pid; 2], "{place:?}");
    let init = init_of(pty);
    assert_ne!(group_of(init), group_of(innermost(pty)));
    assert_eq!(pty.foreground(), innermost(pty));
    every_key_once(pty);
}

/// Main is in its init's group, which has the foreground, and every key once.
#[track_caller]
fn shared_foreground(pty: &mut Pty) {
    let place = ready(pty);
    assert_ne!(place.pid, place.group);
    assert_eq!(place.group, place.foreground, "{place:?}");
    assert_eq!(group_of(init_of(pty)), group_of(innermost(pty)));
    every_key_once(pty);
}

/// Waits until this program leads the foreground group: a shell gives the terminal away before its child is what it
/// will be, and takes the keys as it does.
#[track_caller]
fn in_front(pty: &Pty, name: &str) {
    until(name, || name_of(pty.foreground()) == name);
}

fn name_of(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned()
}

fn group_of(pid: i32) -> i32 {
    // SAFETY: a number.
    unsafe { libc::getpgid(pid) }
}

/// An interactive bash.
fn bash() -> Vec<String> {
    words(["bash", "--norc", "--noprofile", "-i"])
}

/// One that is ready for a line.
#[track_caller]
fn in_bash() -> Option<Pty> {
    if lacks("bash", has("bash")) {
        return None;
    }
    let mut pty = leader(&bash());
    pty.expect(PROMPT);
    Some(pty)
}

#[track_caller]
fn type_line(pty: &Pty, line: &str) {
    pty.send(format!("{line}\r"));
}

/// The shell has shown all its prompts, and waits at the last.
#[track_caller]
fn settle(pty: &mut Pty) {
    type_line(pty, "echo \"sett\"led");
    pty.expect("settled");
    pty.expect(PROMPT);
}

/// Ctrl-C at the shell's prompt. It may show a new one only with the next key.
#[track_caller]
fn shell_s_ctrl_c(pty: &mut Pty) {
    settle(pty);
    pty.send(CTRL_C);
    pty.expect("^C");
    type_line(pty, "");
    settle(pty);
}

/// A line for a shell, which quotes nothing: none of the words needs it.
fn line(words: &[String]) -> String {
    words.join(" ")
}

/// The code of what a shell ran last.
#[track_caller]
fn last_code(pty: &mut Pty) -> i32 {
    type_line(pty, "echo \"code\"=$?");
    let code = pty.number_after("code=");
    pty.expect(PROMPT);
    code
}

/// Ctrl-Z gives the shell back, with the whole job stopped.
#[track_caller]
fn ctrl_z(pty: &mut Pty) {
    let (init, main, shell) = (init_of(pty), innermost(pty), pty.pid());
    pty.send(CTRL_Z);
    pty.expect("Stopped");
    pty.expect(PROMPT);
    assert_eq!([init, main].map(state_of), [Some('T'); 2]);
    assert_eq!(pty.foreground(), shell);
    assert_eq!(last_code(pty), 128 + libc::SIGTSTP);
}

/// `fg` wakes main with one SIGCONT, and main has the foreground.
#[track_caller]
fn fg(pty: &mut Pty) {
    let main = innermost(pty);
    type_line(pty, "fg");
    assert_eq!(pty.signals_until(libc::SIGCONT), [libc::SIGCONT]);
    until("main has the foreground", || pty.foreground() == group_of(main));
}

/// The shell's own `kill`, which continues a stopped job so that it hears of it.
#[track_caller]
fn kill_job(pty: &mut Pty, code: i32) {
    let ended = format!("Exit {code}");
    let before = pty.shown().matches(&ended).count();
    let init = rinits(pty)[0];
    type_line(pty, "kill %1");
    until("rinit has ended", || matches!(state_of(init), None | Some('Z')));
    // Of a job that it continues and that ends at once, bash 5.2 now and then does not hear; it is told again.
    until("the shell tells it", || {
        send(pty.pid(), libc::SIGCHLD);
        type_line(pty, "");
        pty.expect(PROMPT);
        pty.shown().matches(&ended).count() > before
    });
    type_line(pty, "echo all-$((40 + 2))-told");
    pty.expect("all-42-told");
    pty.expect(PROMPT);
}

/// All that a user can do to a job whose main is a probe that ends with 7 on SIGTERM.
#[track_caller]
fn job_control(pty: &mut Pty) {
    ready(pty);
    let shell = pty.pid();
    ctrl_z(pty);
    type_line(pty, "jobs");
    pty.expect("Stopped");
    pty.expect(PROMPT);
    fg(pty);
    nothing_more(pty);
    key_once(pty, CTRL_C, libc::SIGINT);
    ctrl_z(pty);
    type_line(pty, "bg");
    assert_eq!(pty.signals_until(libc::SIGCONT), [libc::SIGCONT]);
    nothing_more(pty);
    assert_eq!(pty.foreground(), shell, "bg leaves the terminal to the shell");
    // The shell's Ctrl-C is the shell's.
    shell_s_ctrl_c(pty);
    nothing_more(pty);
    // Of a job that runs, `fg` tells nobody.
    type_line(pty, "fg");
    until("the shell gives the terminal away", || pty.foreground() != shell);
    key_once(pty, CTRL_C, libc::SIGINT);
    ctrl_z(pty);
    fg(pty);
    send(init_of(pty), libc::SIGTERM);
    pty.expect(PROMPT);
    assert_eq!(last_code(pty), 7);
    assert_eq!(pty.foreground(), shell);
}

#[test]
fn main_has_the_foreground_and_every_key_once() {
    own_foreground(&mut leader(&rinit_probe(&[], &[])));
}

#[test]
fn with_group_main_has_the_foreground_and_every_key_once() {
    own_foreground(&mut leader(&rinit_probe(&["-g"], &[])));
}

#[test]
fn a_single_child_shares_the_foreground_and_has_every_key_once() {
    shared_foreground(&mut leader(&rinit_probe(&["-c"], &[])));
}

#[test]
fn main_of_pid_1_has_the_foreground_and_every_key_once() {
    for options in [&[][..], &["-g"]] {
        let Some(mut pty) = first(&rinit_probe(options, &[])) else { return };
        own_foreground(&mut pty);
    }
}

#[test]
fn a_single_child_of_pid_1_shares_the_foreground_and_has_every_key_once() {
    let Some(mut pty) = first(&rinit_probe(&["-c"], &[])) else { return };
    shared_foreground(&mut pty);
}

/// `unshare --pid --fork`: the group that has the foreground has no number for PID 1, which could never give the
/// terminal back to it.
#[test]
fn main_of_a_pid_1_whose_group_is_outside_stays_in_that_group() {
    let namespace = namespace();
    if lacks("a pid namespace (root, or unprivileged user namespaces)", namespace.is_some()) {
        return;
    }
    let mut all = words(namespace.unwrap());
    all.extend(rinit_probe(&[], &["TERM=0"]));
    let mut pty = leader(&all);
    let front = pty.foreground();
    let place = ready(&mut pty);
    assert_eq!([place.group, place.foreground], [0, 0]);
    // Ctrl-\ would end unshare itself.
    key_once(&mut pty, CTRL_C, libc::SIGINT);
    pty.resize(30, 100);
    assert_eq!(pty.signals_until(libc::SIGWINCH), [libc::SIGWINCH]);
    nothing_more(&mut pty);
    assert_eq!(pty.foreground(), front);
}

#[test]
fn ctrl_z_does_not_stop_what_nobody_could_continue() {
    // As the kernel's own rule for an orphaned group has it (setpgid(2)).
    let mut all = vec![leader(&rinit_probe(&[], &[]))];
    all.extend(first(&rinit_probe(&[], &[])));
    for mut pty in all {
        ready(&mut pty);
        for _ in 0..3 {
            pty.send(CTRL_Z);
            assert_eq!(pty.signals_until(libc::SIGCONT), [libc::SIGCONT]);
        }
        assert_eq!(pty.foreground(), innermost(&pty));
        every_key_once(&mut pty);
    }
    let mut pty = leader(&rinit_probe(&["-c"], &[]));
    ready(&mut pty);
    void_ctrl_z(&mut pty);
}

#[test]
fn ctrl_z_below_an_init_that_does_no_job_control_is_void_too() {
    let tini = link("tini");
    for init in [Some(tini.1), peer("tini")].into_iter().flatten() {
        let mut all = words([init.as_os_str(), OsStr::new("--")]);
        all.extend(rinit_probe(&[], &[]));
        let Some(mut pty) = first(&all) else { return };
        ready(&mut pty);
        pty.send(CTRL_Z);
        assert_eq!(pty.signals_until(libc::SIGCONT), [libc::SIGCONT]);
        every_key_once(&mut pty);
    }
}

#[test]
fn job_control_in_bash() {
    let Some(mut pty) = in_bash() else { return };
    type_line(&pty, &line(&rinit_probe(&[], &["TERM=7"])));
    job_control(&mut pty);
}

#[test]
fn job_control_with_group_in_bash() {
    let Some(mut pty) = in_bash() else { return };
    type_line(&pty, &line(&rinit_probe(&["-g"], &["TERM=7"])));
    job_control(&mut pty);
}

#[test]
fn job_control_of_a_rinit_in_a_rinit_in_bash() {
    let Some(mut pty) = in_bash() else { return };
    type_line(&pty, &format!("{} -- {}", rinit().display(), line(&rinit_probe(&[], &["TERM=7"]))));
    job_control(&mut pty);
}

#[test]
fn job_control_in_a_bash_that_is_pid_1() {
    if lacks("bash", has("bash")) {
        return;
    }
    let Some(mut pty) = first(&bash()) else { return };
    pty.expect(PROMPT);
    type_line(&pty, &line(&rinit_probe(&[], &["TERM=7"])));
    ready(&mut pty);
    pty.send(CTRL_Z);
    pty.expect("Stopped");
    pty.expect(PROMPT);
    fg(&mut pty);
    key_once(&mut pty, CTRL_C, libc::SIGINT);
}

/// What a shell counts as one job stops and goes on as one.
#[test]
fn a_pipeline_stops_and_goes_on_with_main() {
    let Some(mut pty) = in_bash() else { return };
    type_line(&pty, &format!("set -o pipefail; {} | cat", line(&rinit_probe(&[], &["TERM=7"]))));
    ready(&mut pty);
    let main = rinits(&pty).into_iter().flat_map(children_of).next().unwrap();
    pty.send(CTRL_Z);
    pty.expect("Stopped");
    pty.expect(PROMPT);
    assert_eq!(state_of(main), Some('T'));
    type_line(&pty, "fg");
    assert_eq!(pty.signals_until(libc::SIGCONT), [libc::SIGCONT]);
    until("main has the foreground", || pty.foreground() == main);
    pty.send(CTRL_C);
    assert_eq!(pty.signals_until(libc::SIGINT), [libc::SIGINT]);
    send(rinits(&pty)[0], libc::SIGTERM);
    pty.expect(PROMPT);
    assert_eq!(last_code(&mut pty), 7);
}

#[test]
fn a_script_of_a_shell_s_job_stops_and_goes_on_with_main() {
    let Some(mut pty) = in_bash() else { return };
    type_line(&pty, &format!("sh -c 'trap : INT; {}; exit $?'", line(&rinit_probe(&[], &["TERM=7"]))));
    let place = ready(&mut pty);
    assert_ne!(place.group, place.pid, "it is the script's group that the shell knows");
    pty.send(CTRL_Z);
    pty.expect("Stopped");
    pty.expect(PROMPT);
    until("all are stopped", || descendants_of(pty.pid()).into_iter().all(|pid| state_of(pid) == Some('T')));
    type_line(&pty, "fg");
    // From the shell to the group, and through rinit: SIGCONT twice is SIGCONT.
    pty.expect("signal 18 ");
    until("the job has the foreground", || pty.foreground() == place.group);
    pty.send(CTRL_C);
    let mut signals = pty.signals_until(libc::SIGINT);
    send(init_of(&pty), MARKER);
    signals.extend(pty.signals_until(MARKER));
    signals.retain(|signal| *signal != libc::SIGCONT);
    assert_eq!(signals, [libc::SIGINT, MARKER]);
    send(init_of(&pty), libc::SIGTERM);
    pty.expect(PROMPT);
    assert_eq!(last_code(&mut pty), 7);
}

#[test]
fn in_the_background_nothing_takes_the_terminal() {
    let Some(mut pty) = in_bash() else { return };
    let shell = pty.pid();
    type_line(&pty, &format!("{} &", line(&rinit_probe(&[], &["TERM=7"]))));
    let place = ready(&mut pty);
    assert_eq!(place.foreground, shell);
    assert_eq!(pty.foreground(), shell);
    shell_s_ctrl_c(&mut pty);
    nothing_more(&mut pty);
    // Started in the background, and brought forward while it runs.
    type_line(&pty, "fg");
    until("the shell gives the terminal away", || pty.foreground() != shell);
    key_once(&mut pty, CTRL_C, libc::SIGINT);
    assert_eq!(pty.foreground(), place.pid, "the key showed that the foreground had come");
    ctrl_z(&mut pty);
    kill_job(&mut pty, 7);
}

#[test]
fn a_background_main_that_reads_stops_its_job_and_fg_lets_it_read() {
    let Some(mut pty) = in_bash() else { return };
    type_line(&pty, &format!("{} -- cat &", rinit().display()));
    until("the job is stopped", || rinits(&pty).first().is_some_and(|pid| state_of(*pid) == Some('T')));
    type_line(&pty, "");
    pty.expect("Stopped");
    pty.expect(PROMPT);
    type_line(&pty, "fg");
    in_front(&pty, "cat");
    type_line(&pty, "to-and-fro");
    pty.expect("to-and-fro");
    pty.send(CTRL_D);
    pty.expect(PROMPT);
    assert_eq!(last_code(&mut pty), 0);
}

/// `fg` of a job that runs tells nobody: main gets the terminal when it asks for it.
#[test]
fn a_background_main_that_was_brought_forward_may_read() {
    let Some(mut pty) = in_bash() else { return };
    let shell = pty.pid();
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    type_line(&pty, &format!("mkfifo {}", go.display()));
    pty.expect(PROMPT);
    let main = format!("read go <{}; read x; echo \"go\"t=$x; exit 6", go.display());
    type_line(&pty, &format!("{} -- sh -c '{main}' &", rinit().display()));
    pty.expect(PROMPT);
    type_line(&pty, "fg");
    until("the shell gives the terminal away", || pty.foreground() != shell);
    // Open for both, a FIFO blocks nobody, and it keeps the word until main reads it.
    let mut go = fs::File::options().read(true).write(true).open(go).unwrap();
    go.write_all(b"go\n").unwrap();
    type_line(&pty, "words");
    pty.expect("got=words");
    pty.expect(PROMPT);
    assert_eq!(last_code(&mut pty), 6);
}

#[test]
fn a_job_that_is_stopped_for_good_can_be_killed() {
    let Some(mut pty) = in_bash() else { return };
    type_line(&pty, &format!("{} -- sleep 1000", rinit().display()));
    in_front(&pty, "sleep");
    ctrl_z(&mut pty);
    kill_job(&mut pty, 128 + libc::SIGTERM);
    // SIGSTOP is meant for main alone, but it is the job's stop all the same.
    type_line(&pty, &format!("{} -- sleep 1000", rinit().display()));
    in_front(&pty, "sleep");
    send(innermost(&pty), libc::SIGSTOP);
    pty.expect("Stopped");
    pty.expect(PROMPT);
    type_line(&pty, "fg");
    in_front(&pty, "sleep");
    pty.send(CTRL_C);
    pty.expect(PROMPT);
    assert_eq!(last_code(&mut pty), 128 + libc::SIGINT);
    assert!(!pty.shown().contains("was killed"), "a key is nothing to complain of: {}", pty.shown());
}

/// A shell stops rinit, and not main; both are brought forward again.
#[test]
fn a_stopped_rinit_finds_the_terminal_for_main_again() {
    let Some(mut pty) = in_bash() else { return };
    type_line(&pty, &line(&rinit_probe(&[], &["TERM=7"])));
    ready(&mut pty);
    let (init, main) = (init_of(&pty), innermost(&pty));
    send(init, libc::SIGSTOP);
    pty.expect("Stopped");
    pty.expect(PROMPT);
    assert_eq!(pty.foreground(), pty.pid());
    type_line(&pty, "fg");
    assert_eq!(pty.signals_until(libc::SIGCONT), [libc::SIGCONT]);
    until("main has the foreground", || pty.foreground() == main);
    key_once(&mut pty, CTRL_C, libc::SIGINT);
}

/// Runs lines of sh on a terminal, not interactively.
#[track_caller]
fn script(lines: &str) -> Pty {
    leader(&words(["sh", "-c", lines]))
}

#[test]
fn a_script_has_the_terminal_again_after_main() {
    for options in ["", "-g", "-c"] {
        let (rinit, probe) = (rinit(), probe());
        let mut pty = script(&format!(
            "{} {options} -- {} exit 3; echo code=$?; read x; echo got=$x",
            rinit.display(),
            probe.display()
        ));
        assert_eq!(pty.number_after("code="), 3);
        assert_eq!(pty.foreground(), pty.pid());
        type_line(&pty, "words");
        pty.expect("got=words");
        assert_eq!(pty.code(), 0);
    }
}

#[test]
fn a_script_has_the_terminal_again_after_a_main_that_cannot_start() {
    let mut pty = script(&format!("{} -g -- /; echo code=$?; read x; echo got=$x", rinit().display()));
    assert_eq!(pty.number_after("code="), 126);
    assert_eq!(pty.foreground(), pty.pid());
    type_line(&pty, "words");
    pty.expect("got=words");
}

/// The dead hold no terminal.
#[test]
fn a_script_has_the_terminal_again_after_a_shell_that_was_killed_in_the_foreground() {
    if lacks("bash", has("bash")) {
        return;
    }
    for options in ["", "-g"] {
        let mut pty = script(&format!(
            "{} {options} -- bash --norc --noprofile -ic '(sleep 1000); :'; echo code=$?; read x; echo got=$x",
            rinit().display()
        ));
        let shell = pty.pid();
        until("the sleep is there", || {
            descendants_of(shell).last().is_some_and(|pid| name_of(*pid) == "sleep")
        });
        assert_ne!(pty.foreground(), shell);
        // The job's group outlives its shell, and holds the terminal until rinit has ended it.
        send(children_of(rinits(&pty)[0])[0], libc::SIGKILL);
        assert_eq!(pty.number_after("code="), 137);
        assert_eq!(pty.foreground(), shell);
        type_line(&pty, "words");
        pty.expect("got=words");
    }
}

#[test]
fn a_script_shares_its_foreground_with_main() {
    let mut pty = script(&format!("trap : INT QUIT; {}; exit $?", line(&rinit_probe(&[], &["TERM=7"]))));
    shared_foreground(&mut pty);
    send(init_of(&pty), libc::SIGTERM);
    assert_eq!(pty.code(), 7);
}

/// Work that a shell inside does: a job that is stopped, brought back and interrupted.
#[track_caller]
fn a_shell_inside(mut pty: Pty) {
    pty.expect(PROMPT);
    let shell = pty.foreground();
    type_line(&pty, "sleep 1000");
    in_front(&pty, "sleep");
    pty.send(CTRL_Z);
    pty.expect("Stopped");
    pty.expect(PROMPT);
    assert_eq!(pty.foreground(), shell);
    type_line(&pty, "fg");
    in_front(&pty, "sleep");
    pty.send(CTRL_C);
    pty.expect(PROMPT);
    assert_eq!(last_code(&mut pty), 130);
    // Where nobody is above it, a shell cannot be suspended, and says so or comes back.
    pty.resize(33, 123);
    type_line(&pty, "stty size");
    pty.expect("33 123");
    pty.expect(PROMPT);
    type_line(&pty, "exit 7");
    assert_eq!(pty.code(), 7);
    let shown = pty.shown();
    assert!(!shown.contains("job control"), "{shown}");
}

fn bash_under(init: &Path, options: &[&str]) -> Vec<String> {
    let mut all = words([init]);
    all.extend(words(options));
    all.push("--".to_owned());
    all.extend(bash());
    all
}

#[test]
fn bash_is_usable_inside() {
    if lacks("bash", has("bash")) {
        return;
    }
    for options in [&[][..], &["-c"], &["-g"]] {
        a_shell_inside(leader(&bash_under(&rinit(), options)));
    }
}

#[test]
fn bash_is_usable_inside_of_pid_1() {
    if lacks("bash", has("bash")) {
        return;
    }
    for options in [&[][..], &["-c"], &["-g"]] {
        let Some(pty) = first(&bash_under(&rinit(), options)) else { return };
        a_shell_inside(pty);
    }
}

#[test]
fn bash_is_usable_inside_of_each_personality() {
    if lacks("bash", has("bash")) {
        return;
    }
    for name in ["tini", "dumb-init", "catatonit"] {
        let (_folder, link) = link(name);
        a_shell_inside(leader(&bash_under(&link, &[])));
        let Some(pty) = first(&bash_under(&link, &[])) else { return };
        a_shell_inside(pty);
    }
}

#[test]
fn bash_in_bash_can_be_suspended() {
    let Some(mut pty) = in_bash() else { return };
    let outer = pty.pid();
    type_line(&pty, &format!("PS1='INSIDE> ' {}", line(&bash_under(&rinit(), &[]))));
    pty.expect("INSIDE> ");
    let inner = pty.foreground();
    assert_ne!(inner, outer);
    type_line(&pty, "suspend");
    pty.expect("Stopped");
    pty.expect(PROMPT);
    assert_eq!(pty.foreground(), outer);
    type_line(&pty, "fg");
    until("the inner shell has the foreground", || pty.foreground() == inner);
    type_line(&pty, "exit 5");
    pty.expect(PROMPT);
    assert_eq!(last_code(&mut pty), 5);
}

/// A file with sixty lines, of which a window of 24 shows 23.
fn long_file(folder: &Path) -> PathBuf {
    let file = folder.join("file");
    fs::write(&file, (1..=60).map(|row| format!("row-{row:02}\n")).collect::<String>()).unwrap();
    file
}

fn vim(file: &Path) -> Vec<String> {
    let mut all = words(["env", "TERM=xterm", "vim", "-u", "NONE", "-i", "NONE", "-n"]);
    all.extend(words([file]));
    all
}

#[test]
fn vim_is_usable() {
    if lacks("vim", has("vim")) {
        return;
    }
    for start in [|words: &[String]| Some(leader(words)), first] {
        let folder = tempfile::tempdir().unwrap();
        let file = long_file(folder.path());
        let mut all = words([rinit().as_os_str(), OsStr::new("--")]);
        all.extend(vim(&file));
        let Some(mut pty) = start(&all) else { return };
        pty.expect("row-20");
        pty.resize(40, 80);
        // Vim looks whether there was a change, and then waits for keys: one that falls in between it notices with
        // the next key.
        pty.send("\x0c");
        pty.expect("row-38");
        pty.send("ggOtyped");
        pty.expect("typed");
        pty.send("\x1b:wq\r");
        assert_eq!(pty.code(), 0);
        assert!(fs::read_to_string(&file).unwrap().starts_with("typed\nrow-01\n"));
    }
}

#[test]
fn vim_can_be_suspended_and_brought_back() {
    if lacks("vim", has("vim")) {
        return;
    }
    let Some(mut pty) = in_bash() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = long_file(folder.path());
    type_line(&pty, &format!("{} -- {}", rinit().display(), line(&vim(&file))));
    pty.expect("row-20");
    for round in 0..2 {
        pty.send(CTRL_Z);
        pty.expect("Stopped");
        pty.expect(PROMPT);
        assert_eq!(last_code(&mut pty), 128 + libc::SIGTSTP);
        type_line(&pty, "fg");
        pty.expect("row-20");
        pty.send(format!("ggOagain-{round}\x1b"));
    }
    pty.send(":wq\r");
    pty.expect(PROMPT);
    assert_eq!(last_code(&mut pty), 0);
    assert!(fs::read_to_string(&file).unwrap().starts_with("again-1\nagain-0\nrow-01\n"));
}

#[test]
fn a_hang_up_reaches_main_and_ends_rinit() {
    for options in ["", "-g", "-c"] {
        let folder = tempfile::tempdir().unwrap();
        let heard = folder.path().join("heard");
        let mut pty = script(&format!(
            "exec {} {options} -- sh -c 'trap \"echo hung-up >{}; exit 9\" HUP; echo ready; sleep 1000 & wait'",
            rinit().display(),
            heard.display()
        ));
        pty.expect("ready");
        pty.hang_up();
        assert_eq!(pty.code(), 9);
        assert_eq!(fs::read_to_string(heard).unwrap(), "hung-up\n");
    }
}

#[test]
fn a_hang_up_in_bash_reaches_main() {
    let Some(mut pty) = in_bash() else { return };
    let folder = tempfile::tempdir().unwrap();
    let heard = folder.path().join("heard");
    type_line(
        &pty,
        &format!(
            "{} -- sh -c 'trap \"echo hung-up >{}; exit 9\" HUP; echo re\"\"ady; sleep 1000 & wait'",
            rinit().display(),
            heard.display()
        ),
    );
    pty.expect("ready");
    let init = rinits(&pty)[0];
    pty.hang_up();
    until("main was told", || fs::read_to_string(&heard).is_ok_and(|text| text == "hung-up\n"));
    until("rinit has ended", || state_of(init).is_none());
}

/// Standard input is something else; the terminal is there all the same.
#[test]
fn a_redirected_main_has_the_foreground_of_its_terminal() {
    let init = rinit();
    for redirection in ["</dev/null", "</dev/null >/dev/tty 2>/dev/null", "<&- 2>&-"] {
        let mut pty = script(&format!("exec {} {redirection}", line(&rinit_probe(&[], &[]))));
        own_foreground(&mut pty);
        let mut pty = script(&format!(
            "exec {} -- sh -c 'echo ready; read x </dev/tty; echo got=$x; exit 4' {redirection}",
            init.display()
        ));
        pty.expect("ready");
        type_line(&pty, "words");
        pty.expect("got=words");
        assert_eq!(pty.code(), 4);
    }
    let mut pty = script(&format!(
        "trap : INT QUIT; echo piped | {} -- sh -c 'read a; echo ready; read b </dev/tty; echo got=$a-$b; exec {} terminal'",
        init.display(),
        probe().display()
    ));
    pty.expect("ready");
    type_line(&pty, "words");
    pty.expect("got=piped-words");
    shared_foreground(&mut pty);
}

/// The system calls that give a terminal to somebody.
#[track_caller]
fn gifts_of_the_terminal(trace: &Path) -> usize {
    let text = fs::read_to_string(trace).unwrap();
    assert!(text.contains("exited with 3"), "{text}");
    text.matches("TIOCSPGRP").count()
}

#[test]
fn without_a_terminal_nothing_is_done_about_it() {
    if lacks("strace", has("strace")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let strace = words([
        OsStr::new("strace"),
        OsStr::new("-f"),
        OsStr::new("-e"),
        OsStr::new("ioctl"),
        OsStr::new("-o"),
        trace.as_os_str(),
    ]);
    let mut setsid = strace.clone();
    setsid.insert(0, "setsid".to_owned());
    setsid.insert(1, "--wait".to_owned());
    assert_eq!(Rinit::new().behind(&setsid).probe(&[], &["exit", "3"]).run().code(), 3);
    assert_eq!(gifts_of_the_terminal(&trace), 0);
    // The same with one, so that the above says something: to main and back.
    let mut all = words(["setsid", "--ctty", "--wait"]);
    all.extend(strace);
    all.extend(words([rinit().as_os_str(), OsStr::new("-g"), OsStr::new("--"), probe().as_os_str()]));
    all.extend(words(["exit", "3"]));
    assert_eq!(Pty::spawn_with(&mut command(&all), Control::Streams).code(), 3);
    assert_eq!(gifts_of_the_terminal(&trace), 2);
}

#[test]
fn tini_and_catatonit_give_the_foreground_away() {
    for name in ["tini", "catatonit"] {
        let (_folder, link) = link(name);
        own_foreground(&mut leader(&under(&link, &[], &[])));
        let Some(mut pty) = first(&under(&link, &[], &[])) else { return };
        own_foreground(&mut pty);
    }
}

/// Ctrl-Z below tini stops the child alone; a SIGCONT for tini is forwarded like any signal.
#[track_caller]
fn tini_sleeps_on(init: &Path) {
    let mut pty = leader(&under(init, &["-s"], &[]));
    ready(&mut pty);
    let (init, main) = (init_of(&pty), innermost(&pty));
    pty.send(CTRL_Z);
    until("the child is stopped", || state_of(main) == Some('T'));
    until("tini sleeps", || state_of(init) == Some('S'));
    send(init, libc::SIGCONT);
    assert_eq!(pty.signals_until(libc::SIGCONT), [libc::SIGCONT]);
    nothing_more(&mut pty);
}

#[test]
fn a_stopped_child_of_tini_is_tinis_caller_s_business() {
    tini_sleeps_on(&link("tini").1);
    let (_folder, link) = link("tini");
    tini_sleeps_on(&link);
}

#[test]
fn a_stopped_child_of_the_real_tini_is_its_caller_s_business() {
    peer("tini").as_deref().map(tini_sleeps_on);
}

/// The child leads a session of its own with the terminal, hears nothing of the hand-over, and every key once;
/// Ctrl-Z is void in an orphaned group; a stop signal from outside stops both, and SIGCONT wakes both.
#[track_caller]
fn dumb_init_s_child_leads_a_session(init: &Path) {
    let mut all = vec![leader(&under(init, &[], &[]))];
    all.extend(first(&under(init, &[], &[])));
    for (round, mut pty) in all.into_iter().enumerate() {
        let place = ready(&mut pty);
        assert_eq!([place.group, place.session, place.foreground], [place.pid; 3]);
        nothing_more(&mut pty);
        every_key_once(&mut pty);
        void_ctrl_z(&mut pty);
        let (init, main) = (init_of(&pty), innermost(&pty));
        send(init, libc::SIGTSTP);
        until("the child is stopped", || state_of(main) == Some('T'));
        // The kernel does not stop PID 1.
        let state = if round == 0 { 'T' } else { 'S' };
        until("dumb-init has stopped itself", || state_of(init) == Some(state));
        send(init, libc::SIGCONT);
        assert_eq!(pty.signals_until(libc::SIGCONT), [libc::SIGCONT]);
        nothing_more(&mut pty);
    }
}

#[test]
fn a_child_of_dumb_init_leads_a_session_with_the_terminal() {
    let (_folder, link) = link("dumb-init");
    dumb_init_s_child_leads_a_session(&link);
}

#[test]
fn a_child_of_the_real_dumb_init_leads_a_session_with_the_terminal() {
    peer("dumb-init").as_deref().map(dumb_init_s_child_leads_a_session);
}

#[test]
fn a_rinit_in_a_rinit_hands_the_keys_down_once() {
    for options in [&[][..], &["-c"], &["-g"]] {
        let mut inner = words([rinit().as_os_str()]);
        inner.extend(words(options));
        inner.push("--".to_owned());
        inner.extend(rinit_probe(&[], &[]));
        let mut pty = leader(&inner);
        ready(&mut pty);
        assert_eq!(pty.foreground(), group_of(innermost(&pty)));
        every_key_once(&mut pty);
    }
}

#[test]
fn a_rinit_in_script_has_a_terminal_in_a_terminal() {
    if lacks("script", has("script")) {
        return;
    }
    let mut pty = leader(&words([
        "script",
        "-qec",
        &format!("exec {}", line(&rinit_probe(&[], &["TERM=7"]))),
        "/dev/null",
    ]));
    let place = ready(&mut pty);
    assert_eq!([place.group, place.foreground], [place.pid; 2]);
    key_once(&mut pty, CTRL_C, libc::SIGINT);
    pty.send(CTRL_Z);
    assert_eq!(pty.signals_until(libc::SIGCONT), [libc::SIGCONT]);
    send(init_of(&pty), libc::SIGTERM);
    assert_eq!(pty.code(), 7);
}
