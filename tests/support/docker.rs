//! Real containers, by the docker command (or podman's, which has the same words): images out of nothing but the rinit under test, the probe and, where a
//! shell is needed, a static busybox. Everything carries the label `rinit.test=PID` and is removed again: containers
//! when they go out of scope, images when the test process ends.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::{Outcome, Running, children_of, descendants_of, probe, rinit};

/// Where containers run: a Docker Engine, or a podman that understands the same words.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    /// `docker`, `docker -H SOCKET`, `podman --root FOLDER` …
    words: Vec<String>,
    /// A variable that the command gets.
    variable: Option<(&'static str, PathBuf)>,
    /// The one image that it has, where it is not the local engine.
    image: Option<String>,
}

/// What is in an image.
#[derive(Clone, Copy, Debug)]
pub enum Image {
    /// rinit and the probe.
    Bare,
    /// A busybox and some of its names as well.
    Shell,
}

/// The names that busybox gets.
const APPLETS: [&str; 5] = ["sh", "cat", "sleep", "stty", "tty"];

/// As users write it. STOPSIGNAL says that `docker kill` with another signal is not meant to end the container.
const DOCKERFILE: &str = "FROM scratch\nCOPY root /\nSTOPSIGNAL SIGTERM\nENTRYPOINT [\"/rinit\", \"--\"]\n";

impl Engine {
    /// The engine that the docker command finds by itself, if it answers.
    pub fn local() -> Option<Self> {
        static THERE: OnceLock<bool> = OnceLock::new();
        let engine = Self::by(["docker"]);
        let there = THERE.get_or_init(|| engine.try_ask(&["version"]).is_ok_and(|out| out.status.success()));
        there.then_some(engine)
    }

    /// The engine behind this command.
    pub fn by<S: Into<String>>(words: impl IntoIterator<Item = S>) -> Self {
        Self { words: words.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The same with a variable for the command.
    pub fn with_variable(self, name: &'static str, value: PathBuf) -> Self {
        Self { variable: Some((name, value)), ..self }
    }

    /// The same with this image for all that it runs.
    pub fn with_image(self, image: String) -> Self {
        Self { image: Some(image), ..self }
    }

    /// Its command with these words.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).args(words).envs(self.variable.clone());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What it answers, good or bad.
    pub fn try_ask(&self, words: &[&str]) -> std::io::Result<Output> {
        self.command(words).output()
    }

    /// What it answers. A failure fails the test.
    #[track_caller]
    pub fn ask(&self, words: &[&str]) -> String {
        let output = self.try_ask(words).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{:?} {words:?}: {}: {stderr}", self.words, output.status);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A container and the command that makes it: `verb`, our name and label, `options`, the image, `words`.
    #[track_caller]
    fn container(&self, verb: &str, options: &[&str], image: Image, words: &[&str]) -> (Command, Container) {
        let name = fresh_name();
        let mut command = self.command(&[verb, "--name", &name, "--label", &label()]);
        command.args(options).arg(self.image(image)).args(words);
        (command, Container { engine: self.clone(), name, output: None })
    }

    /// Runs a container in the foreground.
    #[track_caller]
    pub fn run(&self, options: &[&str], image: Image, words: &[&str]) -> Container {
        let (command, mut container) = self.container("run", options, image, words);
        container.output = Some(Running::start(command));
        container
    }

    /// The command for a container in the foreground, for somebody else to start.
    #[track_caller]
    pub fn prepare(&self, options: &[&str], image: Image, words: &[&str]) -> (Command, Container) {
        self.container("run", options, image, words)
    }

    /// Makes a container that is not started yet.
    #[track_caller]
    pub fn create(&self, options: &[&str], image: Image, words: &[&str]) -> Container {
        let (mut command, container) = self.container("create", options, image, words);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        container
    }

    /// The name of the image, which is built at the first call.
    #[track_caller]
    fn image(&self, image: Image) -> String {
        static BARE: OnceLock<String> = OnceLock::new();
        static SHELL: OnceLock<String> = OnceLock::new();
        let place = match image {
            Image::Bare => &BARE,
            Image::Shell => &SHELL,
        };
        self.image.clone().unwrap_or_else(|| {
            place
                .get_or_init(|| {
                    // SAFETY: the function takes and returns nothing, and works at any time that exit(3) calls it.
                    unsafe { libc::atexit(remove_images) };
                    self.build(image)
                })
                .clone()
        })
    }

    /// Builds an image; its name.
    #[track_caller]
    pub fn build(&self, image: Image) -> String {
        let context = tempfile::tempdir().unwrap();
        std::fs::write(context.path().join("Dockerfile"), DOCKERFILE).unwrap();
        fill(&context.path().join("root"), image);
        let name = format!("rinit-test-{}:{image:?}", std::process::id()).to_lowercase();
        self.ask(&["build", "-q", "-t", &name, "--label", &label(), &context.path().display().to_string()]);
        name
    }
}

/// Puts what an image holds into a new folder.
pub fn fill(root: &Path, image: Image) {
    std::fs::create_dir(root).unwrap();
    std::fs::copy(rinit(), root.join("rinit")).unwrap();
    std::fs::copy(probe(), root.join("probe")).unwrap();
    if let (Image::Shell, Some(busybox)) = (image, busybox()) {
        let bin = root.join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::fs::copy(busybox, bin.join("busybox")).unwrap();
        for name in APPLETS {
            std::os::unix::fs::symlink("busybox", bin.join(name)).unwrap();
        }
    }
}

/// A static busybox, if there is one.
pub fn busybox() -> Option<PathBuf> {
    let path = std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join("busybox"))
        .find(|path| path.is_file())?;
    // A dynamic one names its loader.
    let text = std::fs::read(&path).ok()?;
    (!text.windows(4).any(|bytes| bytes == b"/ld-")).then_some(path)
}

fn label() -> String {
    format!("rinit.test={}", std::process::id())
}

fn fresh_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("rinit-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// At the end of the process; the containers are gone then, but for those of a test that was cut short.
extern "C" fn remove_images() {
    let engine = Engine::by(["docker"]);
    let filter = format!("label={}", label());
    for (list, remove) in
        [(&["ps", "-aq"][..], &["rm", "-fv"][..]), (&["images", "-q"][..], &["rmi", "-f"][..])]
    {
        let Ok(output) = engine.try_ask(&[list, &["--filter", &filter]].concat()) else { return };
        let found = String::from_utf8_lossy(&output.stdout).into_owned();
        let found: Vec<&str> = found.split_whitespace().collect();
        if !found.is_empty() {
            let _ = engine.try_ask(&[remove, &found].concat());
        }
    }
}

/// A container, which is removed when this goes out of scope.
pub struct Container {
    engine: Engine,
    name: String,
    output: Option<Running>,
}

impl Container {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks about it in the words of `docker inspect`.
    #[track_caller]
    pub fn inspect(&self, format: &str) -> String {
        self.engine.ask(&["inspect", "--format", format, &self.name])
    }

    /// Its first process, seen from here.
    #[track_caller]
    pub fn pid(&self) -> i32 {
        self.inspect("{{.State.Pid}}").parse().unwrap()
    }

    /// The process that has this id in the container, seen from here.
    #[track_caller]
    pub fn process(&self, inside: i32) -> i32 {
        let first = self.pid();
        let mut all = descendants_of(first);
        all.push(first);
        let found =
            all.iter().find(|pid| status_word(**pid, "NSpid").as_deref() == Some(&inside.to_string()));
        *found.unwrap_or_else(|| panic!("no process {inside} in {all:?} below {first}"))
    }

    /// The output of the container that runs in the foreground.
    #[track_caller]
    pub fn output(&mut self) -> &mut Running {
        self.output.as_mut().expect("a container in the foreground")
    }

    /// `docker kill -s`.
    #[track_caller]
    pub fn kill(&self, signal: &str) {
        self.engine.ask(&["kill", "-s", signal, &self.name]);
    }

    /// Waits for the end of the container in the foreground.
    #[track_caller]
    pub fn wait(&mut self) -> Outcome {
        self.output.take().expect("a container in the foreground").wait()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.engine.try_ask(&["rm", "-fv", &self.name]);
    }
}

/// The last word of a line of /proc/PID/status: the innermost id, for `NSpid`.
fn status_word(pid: i32, key: &str) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line =
        status.lines().find(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')))?;
    line.split_whitespace().last().map(str::to_owned)
}

/// The parent of a process.
#[track_caller]
pub fn parent_of(pid: i32) -> i32 {
    status_word(pid, "PPid").and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{pid} is gone"))
}

/// The children of a process but for one.
pub fn other_children_of(pid: i32, but: i32) -> Vec<i32> {
    children_of(pid).into_iter().filter(|child| *child != but).collect()
}
