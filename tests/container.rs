//! rinit as the entry point of real containers: every way that Docker and podman start one, and what their users do
//! with it.

#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::pedantic,
    missing_docs,
    unreachable_pub
)]

mod support;

#[path = "support/docker.rs"]
mod docker;

#[path = "support/terminal.rs"]
mod terminal;

use docker::{Container, Engine, Image, busybox, other_children_of, parent_of};
use support::{Running, has, is_root, lacks, rinit, send, until};
use terminal::Terminal;

/// The engine, or this test is skipped.
fn engine() -> Option<Engine> {
    let engine = Engine::local();
    (!lacks("a Docker Engine", engine.is_some())).then_some(engine?)
}

/// The engine and a shell to put into the image, or this test is skipped.
fn engine_and_shell() -> Option<Engine> {
    let engine = engine()?;
    (!lacks("a static busybox", busybox().is_some())).then_some(engine)
}

/// The file that a process runs, as that process sees it.
fn program_of(pid: i32) -> String {
    std::fs::read_link(format!("/proc/{pid}/exe")).unwrap().display().to_string()
}

/// What every container is for: orphans are adopted and reaped, signals arrive, the code comes through, and nothing is
/// said about it. `init` is the probe's parent. The container runs `probe strand 3 USR2=37`.
#[track_caller]
fn serves(mut container: Container, init: &str) {
    let probe = container.output().ready();
    let probe = container.process(probe);
    let parent = parent_of(probe);
    assert_eq!(program_of(parent), init);
    let orphans = other_children_of(parent, probe);
    assert_eq!(orphans.len(), 3, "they are adopted");
    for orphan in orphans {
        send(orphan, libc::SIGKILL);
    }
    until("the orphans are reaped", || other_children_of(parent, probe).is_empty());
    container.kill("USR1");
    assert_eq!(container.output().signal_line(), libc::SIGUSR1);
    container.kill("USR2");
    assert_eq!(container.output().signal_line(), libc::SIGUSR2);
    let outcome = container.wait();
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (37, ""));
    assert!(outcome.stdout.is_empty(), "{outcome:?}");
}

const STRAND: [&str; 4] = ["/probe", "strand", "3", "USR2=37"];

/// The same for a container with these options.
#[track_caller]
fn serves_with(options: &[&str]) {
    let Some(engine) = engine() else { return };
    serves(engine.run(options, Image::Bare, &STRAND), "/rinit");
}

#[test]
fn it_serves_as_root() {
    serves_with(&[]);
}

#[test]
fn it_serves_as_another_user() {
    serves_with(&["--user=1000:1000"]);
}

#[test]
fn it_serves_without_capabilities() {
    serves_with(&["--cap-drop=ALL"]);
}

#[test]
fn it_serves_without_new_privileges() {
    serves_with(&["--security-opt=no-new-privileges"]);
}

#[test]
fn it_serves_on_a_read_only_root() {
    serves_with(&["--read-only"]);
}

#[test]
fn it_serves_with_all_restrictions_and_a_user_that_nobody_knows() {
    serves_with(&[
        "--user=12345",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--read-only",
        "--network=none",
    ]);
}

#[test]
fn it_serves_in_the_host_s_pid_namespace() {
    serves_with(&["--pid=host"]);
}

#[test]
fn it_serves_in_another_container_s_pid_namespace_and_leaves_the_neighbour_alone() {
    let Some(engine) = engine() else { return };
    let mut neighbour = engine.run(&[], Image::Bare, &["/probe", "signals", "USR2=5"]);
    neighbour.output().ready();
    let shared = format!("--pid=container:{}", neighbour.name());
    serves(engine.run(&[&shared], Image::Bare, &STRAND), "/rinit");
    // An end with SIGTERM and SIGKILL for what is left: not one of them for the neighbour.
    let grace = ["--entrypoint=/rinit", &shared];
    let words = ["--grace=100ms", "--", "/probe", "leave", "stubborn", "2", "9"];
    let mut container = engine.run(&grace, Image::Bare, &words);
    container.output().ready();
    assert_eq!(container.wait().code(), 9);
    neighbour.kill("USR2");
    assert_eq!(neighbour.output().signal_line(), libc::SIGUSR2, "the first that it got");
    assert_eq!(neighbour.wait().code(), 5);
}

/// Whether `docker run --init` can work here.
fn has_init(engine: &Engine) -> bool {
    let format = "{{range .Server.Components}}{{if eq .Name \"docker-init\"}}{{.Version}}{{end}}{{end}}";
    !matches!(engine.ask(&["version", "--format", format]).as_str(), "" | "N/A")
}

#[test]
fn it_serves_under_docker_s_own_init() {
    let Some(engine) = engine() else { return };
    if lacks("docker-init", has_init(&engine)) {
        return;
    }
    serves_with(&["--init"]);
}

#[test]
fn it_serves_under_another_rinit() {
    let Some(engine) = engine() else { return };
    serves(engine.run(&[], Image::Bare, &[&["/rinit", "--"], &STRAND[..]].concat()), "/rinit");
}

#[test]
fn docker_stop_ends_it_at_once_with_the_program_s_own_code() {
    let Some(engine) = engine() else { return };
    let mut container = engine.run(&[], Image::Bare, &["/probe", "signals", "TERM=7"]);
    container.output().ready();
    // If it took the engine's SIGKILL, that would come after this test has lost its patience.
    engine.ask(&["stop", "-t", "600", container.name()]);
    assert_eq!(container.output().signal_line(), libc::SIGTERM);
    assert_eq!(container.wait().code(), 7);
}

#[test]
fn docker_stop_ends_a_program_without_handlers_with_143() {
    let Some(engine) = engine_and_shell() else { return };
    let mut container = engine.run(&[], Image::Shell, &["/bin/sh", "-c", "echo ready 0; exec sleep 1000"]);
    container.output().ready();
    engine.ask(&["stop", "-t", "600", container.name()]);
    let outcome = container.wait();
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (128 + libc::SIGTERM, ""));
}

#[test]
fn every_signal_of_docker_kill_arrives_as_sent() {
    let Some(engine) = engine() else { return };
    let mut container = engine.run(&[], Image::Bare, &["/probe", "signals"]);
    container.output().ready();
    let not_to_be_caught = [libc::SIGKILL, libc::SIGSTOP];
    for signal in (1..=31).filter(|signal| *signal != libc::SIGCHLD && !not_to_be_caught.contains(signal)) {
        container.kill(&signal.to_string());
        assert_eq!(container.output().signal_line(), signal);
    }
    for (name, signal) in [("HUP", 1), ("SIGTERM", 15), ("RTMIN+3", 37), ("40", 40), ("RTMAX", 64)] {
        container.kill(name);
        assert_eq!(container.output().signal_line(), signal);
    }
}

#[test]
fn orphans_of_docker_exec_are_reaped() {
    let Some(engine) = engine() else { return };
    let mut container = engine.run(&[], Image::Bare, &["/probe", "signals", "TERM=0"]);
    let probe = container.output().ready();
    let probe = container.process(probe);
    let init = parent_of(probe);
    engine.ask(&["exec", "-d", container.name(), "/probe", "leave", "obedient", "2", "0"]);
    let mut orphans = Vec::new();
    until("the orphans are adopted", || {
        orphans = other_children_of(init, probe);
        orphans.len() == 2
    });
    for orphan in orphans {
        send(orphan, libc::SIGTERM);
    }
    until("the orphans are reaped", || other_children_of(init, probe).is_empty());
    container.kill("TERM");
    assert_eq!(container.wait().code(), 0);
}

#[test]
fn a_full_stderr_harms_nothing() {
    let Some(engine) = engine_and_shell() else { return };
    let script = "exec 2>/dev/full; exec /rinit -vv -- /probe exit 41";
    let mut container = engine.run(&["--entrypoint=/bin/sh"], Image::Shell, &["-c", script]);
    assert_eq!(container.wait().code(), 41);
}

#[test]
fn closed_standard_descriptors_harm_nothing() {
    let Some(engine) = engine_and_shell() else { return };
    let script = "exec <&- >&- 2>&-; exec /rinit -vv -- /bin/sh -c '[ ! -e /proc/self/fd/1 ] && exit 42'";
    let mut container = engine.run(&["--entrypoint=/bin/sh"], Image::Shell, &["-c", script]);
    let outcome = container.wait();
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (42, ""));
}

#[test]
fn a_limit_of_one_process_is_named() {
    let Some(engine) = engine() else { return };
    let mut container = engine.run(&["--pids-limit=1"], Image::Bare, &["/probe", "exit", "0"]);
    let outcome = container.wait();
    assert_eq!(outcome.code(), 70);
    assert!(outcome.stderr.contains("--pids-limit"), "{outcome:?}");
}

#[test]
fn leftovers_get_sigterm_before_the_container_ends() {
    let Some(engine) = engine() else { return };
    let words = ["--grace=1h", "--", "/probe", "leave", "telling", "3", "6"];
    let mut container = engine.run(&["--entrypoint=/rinit"], Image::Bare, &words);
    container.output().ready();
    for _ in 0..3 {
        assert_eq!(container.output().signal_line(), libc::SIGTERM);
    }
    let outcome = container.wait();
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (6, ""));
}

#[test]
fn obedient_leftovers_of_every_kind_end_the_container_at_once() {
    let Some(engine) = engine() else { return };
    for kind in ["obedient", "away", "stopped"] {
        let words = ["--grace=1h", "--", "/probe", "leave", kind, "2", "8"];
        let mut container = engine.run(&["--entrypoint=/rinit"], Image::Bare, &words);
        container.output().ready();
        let outcome = container.wait();
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (8, ""), "{kind}");
    }
}

#[test]
fn stubborn_leftovers_are_killed_after_two_seconds_or_the_grace() {
    let Some(engine) = engine() else { return };
    for (options, least) in [(&[][..], 2000), (&["--grace=300ms"][..], 300)] {
        let words = [options, &["--", "/probe", "leave", "stubborn", "2", "11"]].concat();
        let mut container = engine.run(&["--entrypoint=/rinit"], Image::Bare, &words);
        container.output().ready();
        let start = std::time::Instant::now();
        let outcome = container.wait();
        assert_eq!(outcome.code(), 11);
        assert_eq!(outcome.stderr, "rinit: the grace is over: SIGKILL to all that is left\n");
        // It says `ready` before it ends, and the line takes its time to us: only a part of it is for certain.
        assert!(start.elapsed().as_millis() * 2 >= least, "{:?}", start.elapsed());
    }
}

/// A container with a terminal in front of it: `docker run -it`.
#[track_caller]
fn on_terminal(engine: &Engine, options: &[&str], image: Image, words: &[&str]) -> (Terminal, Container) {
    let (command, container) = engine.prepare(&[&["-it"], options].concat(), image, words);
    (Terminal::start(command), container)
}

/// The `ready PID` of a probe on the terminal: that process, seen from here.
#[track_caller]
fn ready_on(terminal: &mut Terminal, container: &Container) -> i32 {
    terminal.shows("ready ");
    container.process(terminal.line().parse().unwrap())
}

/// Types Ctrl-C before a probe, which must get SIGINT once and no second one before the mark, a SIGUSR1.
#[track_caller]
fn ctrl_c_goes_once(terminal: &mut Terminal, probe: i32) {
    terminal.keys("\x03");
    terminal.shows("signal 2 ");
    send(probe, libc::SIGUSR1);
    let shown = terminal.shows("signal 10 ");
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
    terminal.shows("signal 12 ");
    assert_eq!(terminal.wait().0, 7);
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
    let Some(engine) = engine() else { return };
    if lacks("docker-init", has_init(&engine)) {
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
    let Some(engine) = engine() else { return };
    if lacks("docker-init", has_init(&engine)) {
        return;
    }
    job_control_works(&["--init"]);
}

#[track_caller]
fn job_control_works(options: &[&str]) {
    let Some(engine) = engine_and_shell() else { return };
    let (mut terminal, container) = on_terminal(&engine, options, Image::Shell, &["/bin/sh"]);
    let greeting = terminal.shows("# ");
    assert!(!greeting.contains("job control"), "{greeting}");
    terminal.keys("echo tty=$(tty)\n");
    terminal.shows("tty=/dev/");
    // A foreground job, and Ctrl-C for it alone.
    terminal.keys("/probe signals USR2=5\n");
    let probe = ready_on(&mut terminal, &container);
    ctrl_c_goes_once(&mut terminal, probe);
    send(probe, libc::SIGUSR2);
    terminal.shows("signal 12 ");
    terminal.keys("echo code=$?\n");
    terminal.shows("code=5");
    // Ctrl-Z, and `fg`. What is typed is shown, too: what a command says must look different.
    terminal.keys("sh -c 'echo rea\"\"dy; exec cat'\n");
    terminal.shows("ready");
    terminal.keys("one\n");
    terminal.shows("one\r\none\r\n");
    terminal.keys("\x1a");
    terminal.shows("Stopped");
    terminal.keys("echo now=$((6 * 7))\n");
    terminal.shows("now=42");
    terminal.keys("fg\n");
    terminal.shows("exec cat");
    terminal.keys("two\n");
    terminal.shows("two\r\ntwo\r\n");
    terminal.keys("\x03");
    terminal.shows("# ");
    terminal.keys("echo code=$?\n");
    terminal.shows("code=130");
    terminal.keys("exit 23\n");
    assert_eq!(terminal.wait().0, 23);
}

#[test]
fn the_size_of_the_window_reaches_the_program() {
    let Some(engine) = engine_and_shell() else { return };
    let script = "trap 'echo size=$(stty size)' WINCH; echo ready; while :; do sleep 1000 & wait $!; done";
    let (mut terminal, _container) = on_terminal(&engine, &[], Image::Shell, &["/bin/sh", "-c", script]);
    terminal.shows("ready");
    terminal.resize(51, 133);
    // The docker command begins to listen for SIGWINCH a moment after the start, and tells nobody when.
    until("the docker command has passed it on", || {
        terminal.kill(libc::SIGWINCH);
        terminal.shows_soon("size=51 133")
    });
    terminal.resize(17, 61);
    terminal.shows("size=17 61");
    terminal.keys("\x03");
    assert_eq!(terminal.wait().0, 130);
}

/// Ctrl-Z where nobody could ever say `fg`: the program goes on.
#[track_caller]
fn ctrl_z_does_not_hang(options: &[&str], before: &[&str]) {
    let Some(engine) = engine_and_shell() else { return };
    let script = "trap 'echo continued' CONT; echo ready; while :; do read line && echo got=$line; done";
    let words = [before, &["/bin/sh", "-c", script]].concat();
    let (mut terminal, _container) = on_terminal(&engine, options, Image::Shell, &words);
    terminal.shows("ready");
    for line in ["one", "two"] {
        terminal.keys("\x1a");
        terminal.shows("continued");
        terminal.keys(&format!("{line}\n"));
        terminal.shows(&format!("got={line}"));
    }
    terminal.keys("\x03");
    assert_eq!(terminal.wait().0, 130);
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
    let Some(engine) = engine() else { return };
    if lacks("docker-init", has_init(&engine)) {
        return;
    }
    ctrl_z_does_not_hang(&["--init"], &[]);
}

#[test]
fn ctrl_z_does_not_hang_in_rinit_s_own_group_under_another_rinit() {
    ctrl_z_does_not_hang(&[], &["/rinit", "-c", "--"]);
}

/// Starts a container that ends with each of these codes under a restart policy, all at once, and compares what the
/// engine makes of it: the number of times that it is to be started, and the state afterwards. Where it would go on
/// for ever, two starts are enough.
#[track_caller]
fn restarts(policy: &str, wanted: &[(i32, u32, &str)]) {
    let Some(engine) = engine() else { return };
    let restart = format!("--restart={policy}");
    let started: Vec<(Container, Running)> = wanted
        .iter()
        .map(|(code, ..)| {
            let number = (code % 128).to_string();
            let end = if *code > 128 { "die" } else { "exit" };
            let container = engine.create(&[&restart], Image::Bare, &["/probe", end, &number]);
            let events = follow(&engine, &container);
            engine.ask(&["start", container.name()]);
            (container, events)
        })
        .collect();
    for ((code, starts, state), (container, mut events)) in wanted.iter().zip(started) {
        for _ in 0..*starts {
            assert_eq!(events.line(), "start", "{policy} {code}");
            assert_eq!(events.line(), format!("die {code}"), "{policy}");
        }
        if *state == "restarted" {
            continue;
        }
        // The state is set before the event is told. One that is to be started again is `restarting`.
        let found = container.inspect("{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}}");
        assert_eq!(found, format!("{state} {} {code}", starts - 1), "{policy}");
    }
}

/// A line for each start and each end of a container.
fn follow(engine: &Engine, container: &Container) -> Running {
    // By id: a name would also mean all names that begin with it.
    let (since, filter) = (container.inspect("{{.Created}}"), container.inspect("container={{.Id}}"));
    let words = ["events", "--since", &since, "--filter", &filter, "--filter", "event=start"];
    let format = "{{.Action}}{{with index .Actor.Attributes \"exitCode\"}} {{.}}{{end}}";
    Running::start(engine.command(&[&words[..], &["--filter", "event=die", "--format", format]].concat()))
}

#[test]
fn without_a_restart_policy_no_code_starts_it_again() {
    restarts("no", &[(0, 1, "exited"), (1, 1, "exited"), (143, 1, "exited")]);
}

#[test]
fn on_failure_starts_it_again_unless_the_code_is_0() {
    restarts("on-failure:2", &[(0, 1, "exited"), (1, 3, "exited"), (143, 3, "exited")]);
}

#[test]
fn always_starts_it_again_whatever_the_code() {
    restarts("always", &[(0, 2, "restarted"), (1, 2, "restarted"), (143, 2, "restarted")]);
}

#[test]
fn unless_stopped_starts_it_again_whatever_the_code() {
    restarts("unless-stopped", &[(0, 2, "restarted"), (1, 2, "restarted"), (143, 2, "restarted")]);
}

#[test]
fn a_container_that_was_stopped_stays_down_whatever_its_policy() {
    let Some(engine) = engine() else { return };
    for policy in ["--restart=always", "--restart=unless-stopped", "--restart=on-failure"] {
        let container = engine.create(&[policy], Image::Bare, &["/probe", "signals", "TERM=1"]);
        let mut events = follow(&engine, &container);
        // Attached, so that its `ready` is seen.
        let mut output = Running::start(engine.command(&["start", "-a", container.name()]));
        output.ready();
        engine.ask(&["stop", "-t", "600", container.name()]);
        assert_eq!([events.line(), events.line()], ["start", "die 1"]);
        let found = container.inspect("{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}}");
        assert_eq!(found, "exited 0 1", "{policy}");
    }
}

/// A second Docker Engine, whose init is rinit. It has a bridge of its own: `--bridge=none` would remove the first
/// one's.
struct PrivateEngine {
    engine: Engine,
    daemon: Option<Running>,
    bridge: String,
    folder: tempfile::TempDir,
}

impl PrivateEngine {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::copy(rinit(), path("docker-init")).unwrap();
        std::fs::write(path("daemon.json"), "{}").unwrap();
        let bridge = format!("rinit{}", std::process::id());
        ip(&["link", "add", &bridge, "type", "bridge"]);
        // A network for benchmarks (RFC 2544), hence nobody's.
        ip(&["address", "add", "198.18.77.1/29", "dev", &bridge]);
        ip(&["link", "set", &bridge, "up"]);
        let socket = path("socket");
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "exec dockerd \"$@\" 2>&1", "dockerd", "--init-path", &path("docker-init")]);
        command.args(["--config-file", &path("daemon.json"), "--pidfile", &path("pid")]);
        command.args(["--data-root", &path("data"), "--exec-root", &path("exec"), "--bridge", &bridge]);
        command.args(["--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"]);
        command.args(["--storage-driver=vfs", "-H", &format!("unix://{socket}")]);
        command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
        let engine = Engine::by(["docker", "-H", &format!("unix://{socket}")]);
        let mut this = Self { engine, daemon: None, bridge, folder };
        let daemon = this.daemon.insert(Running::start(command));
        while !daemon.line().contains("API listen on") {}
        this
    }
}

impl Drop for PrivateEngine {
    fn drop(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.kill(libc::SIGTERM);
            // Not `wait`, whose panic in a test that fails already would end the whole process.
            let pid = daemon.pid();
            until("dockerd ends", || matches!(support::state_of(pid), None | Some('Z')));
        }
        ip(&["link", "delete", &self.bridge]);
    }
}

#[track_caller]
fn ip(words: &[&str]) {
    let output = std::process::Command::new("ip").args(words).output().unwrap();
    assert!(output.status.success(), "ip {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_docker_engine_takes_it_for_its_docker_init() {
    let there = is_root() && has("dockerd") && has("ip");
    if lacks("root, dockerd and ip", there && Engine::local().is_some()) {
        return;
    }
    let bridge_before = std::path::Path::new("/sys/class/net/docker0").exists();
    let private = PrivateEngine::start();
    let engine = &private.engine;
    // The engine reads version and commit out of `docker-init --version`.
    let init = private.folder.path().join("docker-init");
    let version = std::process::Command::new(&init).arg("--version").output().unwrap();
    let format = "{{range .Server.Components}}{{if eq .Name \"docker-init\"}}{{.Version}} - git.{{.Details.GitCommit}}{{end}}{{end}}";
    let understood = engine.ask(&["version", "--format", format]);
    assert_eq!(format!("tini version {understood}\n"), String::from_utf8_lossy(&version.stdout));
    assert_eq!(engine.ask(&["info", "--format", "{{.InitBinary}}"]), init.display().to_string());
    let warnings = engine.ask(&["info", "--format", "{{json .Warnings}}"]);
    assert!(!warnings.contains("init"), "{warnings}");

    let engine = engine.clone().with_image(engine.build(Image::Bare));
    let options = ["--init", "--network=none", "--entrypoint=/probe"];
    let container = engine.run(&options, Image::Bare, &STRAND[1..]);
    serves(container, "/sbin/docker-init");
    let mut container = engine.run(&options, Image::Bare, &["signals", "TERM=3"]);
    let probe = container.output().ready();
    let first = container.pid();
    assert_eq!(parent_of(container.process(probe)), first);
    let (wanted, found) =
        (std::fs::read(rinit()).unwrap(), std::fs::read(format!("/proc/{first}/exe")).unwrap());
    assert!(wanted == found, "/sbin/docker-init is rinit");
    engine.ask(&["stop", "-t", "600", container.name()]);
    assert_eq!(container.wait().code(), 3);
    drop(container);
    drop(private);
    assert_eq!(std::path::Path::new("/sys/class/net/docker0").exists(), bridge_before);
}

/// A podman of its own, without any image, whose init and pause program is rinit under the name of catatonit.
struct Podman {
    engine: Engine,
    folder: tempfile::TempDir,
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _ = self.engine.try_ask(&["pod", "rm", "-af"]);
    }
}

impl Podman {
    /// Or this test is skipped.
    fn start() -> Option<Self> {
        let there = is_root() && has("podman") && busybox().is_some();
        if lacks("root, podman and a static busybox", there) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        docker::fill(&folder.path().join("root"), Image::Shell);
        // A copy, as packages install it: podman mounts the file itself.
        std::fs::create_dir(path("helpers")).unwrap();
        std::fs::copy(rinit(), path("helpers/catatonit")).unwrap();
        // The limits and the cgroups of a machine without systemd; crun refuses some mixtures of cgroups v1 and v2.
        let runtime = if has("runc") { "runtime = \"runc\"\n" } else { "" };
        let settings = format!(
            "[containers]\ndefault_ulimits = [\"nproc=9000:9000\", \"nofile=2000:2000\"]\n\
             [engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n{runtime}\
             helper_binaries_dir = [\"{}\"]\n",
            path("helpers")
        );
        std::fs::write(path("containers.conf"), settings).unwrap();
        let (storage, state, tmp) = (path("storage"), path("state"), path("tmp"));
        let words =
            ["podman", "--storage-driver", "vfs", "--root", &storage, "--runroot", &state, "--tmpdir", &tmp];
        let engine = Engine::by(words)
            .with_variable("CONTAINERS_CONF", path("containers.conf").into())
            .with_image(path("root"));
        Some(Self { engine, folder })
    }

    fn helper(&self) -> String {
        self.folder.path().join("helpers/catatonit").display().to_string()
    }
}

#[test]
fn podman_takes_it_for_its_init() {
    let Some(podman) = Podman::start() else { return };
    let init = format!("--init-path={}", podman.helper());
    let options = ["--init", &init, "--network=none", "--rootfs"];
    // podman mounts its init under a name of its own.
    serves(podman.engine.run(&options, Image::Bare, &STRAND), "/run/podman-init");
    let mut container = podman.engine.run(&options, Image::Bare, &["/probe", "signals", "TERM=3"]);
    let probe = container.output().ready();
    assert_eq!(parent_of(container.process(probe)), container.pid());
    podman.engine.ask(&["stop", "-t", "600", container.name()]);
    assert_eq!(container.wait().code(), 3);
}

#[test]
fn a_podman_pod_takes_it_for_its_pause_program() {
    let Some(podman) = Podman::start() else { return };
    let engine = &podman.engine;
    engine.ask(&["pod", "create", "--name", "pod", "--network=none", "--share=pid"]);
    engine.ask(&["pod", "start", "pod"]);
    let infra = engine.ask(&["pod", "inspect", "--format", "{{.InfraContainerID}}", "pod"]);
    let pause: i32 = engine.ask(&["inspect", "--format", "{{.State.Pid}}", &infra]).parse().unwrap();
    let (wanted, found) =
        (std::fs::read(rinit()).unwrap(), std::fs::read(format!("/proc/{pause}/exe")).unwrap());
    assert!(wanted == found, "the pause program is rinit");
    // It is PID 1 of the pod: orphans of a container without an init come to it.
    let mut container = engine.run(&["--pod=pod", "--rootfs"], Image::Bare, &STRAND);
    let probe = container.output().ready();
    container.process(probe);
    let orphans = support::children_of(pause);
    assert_eq!(orphans.len(), 3);
    for orphan in orphans {
        send(orphan, libc::SIGKILL);
    }
    until("the orphans are reaped", || support::children_of(pause).is_empty());
    container.kill("USR2");
    container.output().signal_line();
    assert_eq!(container.wait().code(), 37);
    drop(container);
    engine.ask(&["pod", "stop", "-t", "600", "pod"]);
    assert_eq!(engine.ask(&["inspect", "--format", "{{.State.ExitCode}}", &infra]), "0");
    engine.ask(&["pod", "rm", "-f", "pod"]);
}
