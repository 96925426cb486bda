//! Engines that take rinit for their own init: a Docker Engine for docker-init, podman for catatonit.

use crate::docker::{self, Engine, Image, busybox, parent_of};
use crate::support::{self, Running, has, is_root, lacks, rinit, send, until};
use crate::{STRAND, serves};

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
        let address = format!("198.18.{}.1/29", std::process::id() % 256);
        ip(&["address", "add", &address, "dev", &bridge]);
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
            daemon.wait();
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
