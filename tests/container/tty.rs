//! `docker run -it`: the keys, the shell's job control and the size of the window.

use crate::docker::{Container, Engine, Image};
use crate::pty::Pty;
use crate::support::{send, until};
use crate::{engine, engine_and_shell, engine_with_init};

/// A container with a terminal in front of it: `docker run -it`.
#[track_caller]
fn on_terminal(engine: &Engine, options: &[&str], image: Image, words: &[&str]) -> (Pty, Container) {
    let (mut command, container) = engine.prepare(&[&["-it"], options].concat(), image, words);
    (Pty::spawn(&mut command), container)
}

/// The `ready PID` of a probe on the terminal: that process, seen from here.
#[track_caller]
fn ready_on(terminal: &mut Pty, container: &Container) -> i32 {
    terminal.expect("ready ");
    container.process(terminal.rest_of_line().parse().unwrap())
}

/// Types Ctrl-C before a probe, which must get SIGINT once and no second one before the mark, a SIGUSR1.
#[track_caller]
fn ctrl_c_goes_once(terminal: &mut Pty, probe: i32) {
    terminal.send("\x03");
    terminal.expect("signal 2 ");
    send(probe, libc::SIGUSR1);
    let shown = terminal.expect("signal 10 ");
    assert!(!shown.contains("signal 2 "), "{shown}");
}

/// Ctrl-C before the probe, which is started with these options and, behind the entry point, these words.
#[track_caller]
fn ctrl_c_works(options: &[&str], before: &[&str]) {
    let Some(engine) = engine() else { return };
    let words = [before, &["/probe", "signals", "USR2=7"]].concat();
    let (mut terminal, container) = on_terminal(&engine, options, Image::Bare, &words);
    let probe = ready_on(&mut terminal, &container);
    ctrl_c_goes_once(&mut terminal, probe);
    container.kill("USR2");
    terminal.expect("signal 12 ");
    assert_eq!(terminal.code(), 7);
}

#[test]
fn ctrl_c_goes_once_to_the_program() {
    ctrl_c_works(&[], &[]);
}

#[test]
fn ctrl_c_goes_once_to_a_program_in_rinit_s_own_group() {
    ctrl_c_works(&["--entrypoint=/rinit"], &["-c", "--"]);
}

#[test]
fn ctrl_c_goes_once_to_a_program_below_two_rinits() {
    ctrl_c_works(&[], &["/rinit", "--"]);
}

#[test]
fn ctrl_c_goes_once_to_the_program_of_a_restricted_user() {
    ctrl_c_works(&["--user=12345", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only"], &[]);
}

#[test]
fn ctrl_c_goes_once_to_the_program_under_docker_s_own_init() {
    if engine_with_init().is_none() {
        return;
    }
    ctrl_c_works(&["--init"], &[]);
}

#[test]
fn a_shell_has_job_control_and_its_code_is_the_container_s() {
    job_control_works(&[]);
}

#[test]
fn a_shell_has_job_control_under_docker_s_own_init() {
    if engine_with_init().is_none() {
        return;
    }
    job_control_works(&["--init"]);
}

#[track_caller]
fn job_control_works(options: &[&str]) {
    let Some(engine) = engine_and_shell() else { return };
    let (mut terminal, container) = on_terminal(&engine, options, Image::Shell, &["/bin/sh"]);
    let greeting = terminal.expect("# ");
    assert!(!greeting.contains("job control"), "{greeting}");
    terminal.send("echo tty=$(tty)\n");
    terminal.expect("tty=/dev/");
    // A foreground job, and Ctrl-C for it alone.
    terminal.send("/probe signals USR2=5\n");
    let probe = ready_on(&mut terminal, &container);
    ctrl_c_goes_once(&mut terminal, probe);
    send(probe, libc::SIGUSR2);
    terminal.expect("signal 12 ");
    terminal.send("echo code=$?\n");
    terminal.expect("code=5");
    // Ctrl-Z, and `fg`. What is typed is shown, too: what a command says must look different.
    terminal.send("sh -c 'echo rea\"\"dy; exec cat'\n");
    terminal.expect("ready");
    terminal.send("one\n");
    terminal.expect("one\r\none\r\n");
    terminal.send("\x1a");
    terminal.expect("Stopped");
    terminal.send("echo now=$((6 * 7))\n");
    terminal.expect("now=42");
    terminal.send("fg\n");
    terminal.expect("exec cat");
    terminal.send("two\n");
    terminal.expect("two\r\ntwo\r\n");
    terminal.send("\x03");
    terminal.expect("# ");
    terminal.send("echo code=$?\n");
    terminal.expect("code=130");
    terminal.send("exit 23\n");
    assert_eq!(terminal.code(), 23);
}

#[test]
fn the_size_of_the_window_reaches_the_program() {
    let Some(engine) = engine_and_shell() else { return };
    let script = "trap 'echo size=$(stty size)' WINCH; echo ready; while :; do sleep 1000 & wait $!; done";
    let (mut terminal, _container) = on_terminal(&engine, &[], Image::Shell, &["/bin/sh", "-c", script]);
    terminal.expect("ready");
    terminal.resize(51, 133);
    // The docker command begins to listen for SIGWINCH a moment after the start, and tells nobody when.
    until("the docker command has passed it on", || {
        send(terminal.pid(), libc::SIGWINCH);
        terminal.expect_soon("size=51 133")
    });
    terminal.resize(17, 61);
    terminal.expect("size=17 61");
    terminal.send("\x03");
    assert_eq!(terminal.code(), 130);
}

/// Ctrl-Z where nobody could ever say `fg`: the program goes on.
#[track_caller]
fn ctrl_z_does_not_hang(options: &[&str], before: &[&str]) {
    let Some(engine) = engine_and_shell() else { return };
    let script = "trap 'echo continued' CONT; echo ready; while :; do read line && echo got=$line; done";
    let words = [before, &["/bin/sh", "-c", script]].concat();
    let (mut terminal, _container) = on_terminal(&engine, options, Image::Shell, &words);
    terminal.expect("ready");
    for line in ["one", "two"] {
        terminal.send("\x1a");
        terminal.expect("continued");
        terminal.send(format!("{line}\n"));
        terminal.expect(&format!("got={line}"));
    }
    terminal.send("\x03");
    assert_eq!(terminal.code(), 130);
}

#[test]
fn ctrl_z_without_a_shell_does_not_hang() {
    ctrl_z_does_not_hang(&[], &[]);
}

#[test]
fn ctrl_z_does_not_hang_under_another_rinit() {
    ctrl_z_does_not_hang(&[], &["/rinit", "--"]);
}

#[test]
fn ctrl_z_does_not_hang_under_docker_s_own_init() {
    if engine_with_init().is_none() {
        return;
    }
    ctrl_z_does_not_hang(&["--init"], &[]);
}

#[test]
fn ctrl_z_does_not_hang_in_rinit_s_own_group_under_another_rinit() {
    ctrl_z_does_not_hang(&[], &["/rinit", "-c", "--"]);
}
