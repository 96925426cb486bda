//! Options, variables, usage errors, versions, exit codes: one row each.

use crate::peers::{Who, normal, real, rinit_as};

/// What a stream has to hold.
#[derive(Clone, Copy, Debug)]
enum Text {
    Any,
    Empty,
    /// All of it, without process ids and the path of argv\[0\].
    Is(&'static str),
    Begins(&'static str),
    Has(&'static str),
}

use Text::{Any, Begins, Empty, Has, Is};

/// How the real one is compared.
#[derive(Clone, Copy, Debug)]
enum Real {
    /// Code and both streams are the same.
    Same,
    /// As `Same`, in any order of the lines: the real one's two processes race to write.
    SameLines,
    /// The code and the first line of each stream: a usage page follows, whose wording is its author's.
    Head,
    /// The code: a text that is nobody's interface (help, licence, version number, debug detail).
    Code,
    /// rinit differs on purpose.
    Differs(&'static str),
}

use Real::{Code, Differs, Head, Same, SameLines};

struct Row {
    names: &'static [&'static str],
    env: &'static [(&'static str, &'static str)],
    args: &'static [&'static str],
    code: i32,
    out: Text,
    err: Text,
    real: Real,
}

const TINI: &[&str] = &["tini", "tini-static", "docker-init"];
const DUMB: &[&str] = &["dumb-init"];
const CATA: &[&str] = &["catatonit"];

/// No variable.
const NONE: &[(&str, &str)] = &[];

macro_rules! rows {
    ($names:expr; $($env:expr, $args:expr => $code:expr, $out:expr, $err:expr, $real:expr;)*) => {
        &[$(Row { names: $names, env: $env, args: &$args, code: $code, out: $out, err: $err, real: $real }),*]
    };
}

const NOT_REAPING: &str = "[WARN  tini ()] Tini is not running as PID 1 and isn't registered as a child subreaper.\n\
    Zombie processes will not be re-parented to Tini, so zombie reaping won't work.\n\
    To fix the problem, use the -s option or set the environment variable TINI_SUBREAPER to register Tini as a child \
    subreaper, or run Tini as PID 1.\n";

const MUSL: Real = Differs("a line that glibc's getopt refuses is read as Alpine's build reads it");

/// The rows of tini's own smoke test are among these.
const TINI_ROWS: &[Row] = rows![TINI;
    NONE, [] => 1, Empty, Has("supervision of a valid init process"), Code;
    NONE, [] => 1, Empty, Has("more verbose"), Code;
    NONE, ["--version"] => 0, Begins("tini version 0.19.0"), Empty, Differs("dockerd wants to read a commit, too");
    NONE, ["--version", "true"] => 1, Empty, Has("invalid option -- '-'\n"), Code;
    NONE, ["-h"] => 0, Has("supervision of a valid init process"), Empty, Code;
    NONE, ["-sh", "true"] => 0, Has("-e EXIT_CODE"), Empty, Code;
    NONE, ["--help"] => 1, Empty, Has(": invalid option -- '-'\n"), Head;
    NONE, ["-l"] => 0, Has("Permission is hereby granted"), Empty, Code;
    NONE, ["-x", "true"] => 1, Empty, Has(": invalid option -- 'x'\n"), Head;
    NONE, ["-V"] => 1, Empty, Has(": invalid option -- 'V'\n"), Head;
    NONE, ["-c", "true"] => 1, Empty, Has(": invalid option -- 'c'\n"), Head;
    NONE, ["-e"] => 1, Empty, Has(": option requires an argument -- 'e'\n"), Head;
    NONE, ["-sp"] => 1, Empty, Has(": option requires an argument -- 'p'\n"), Head;
    NONE, ["-s"] => 1, Empty, Has("Usage: "), Code;
    NONE, ["-s", "--"] => 1, Empty, Has("Usage: "), Code;
    NONE, ["-e", "256", "true"] => 1, Empty, Is("[FATAL tini ()] Not a valid option for -e: 256\n"), Same;
    NONE, ["-e", "-1", "true"] => 1, Empty, Is("[FATAL tini ()] Not a valid option for -e: -1\n"), Same;
    NONE, ["-e", "1x", "true"] => 1, Empty, Is("[FATAL tini ()] Not a valid option for -e: 1x\n"), Same;
    NONE, ["-e", " ", "true"] => 1, Empty, Is("[FATAL tini ()] Not a valid option for -e:  \n"), Same;
    NONE, ["-e", "0x10", "true"] => 1, Empty, Is("[FATAL tini ()] Not a valid option for -e: 0x10\n"), Same;
    NONE, ["-e", "99999999999999999999", "true"] => 1, Empty, Begins("[FATAL tini ()] Not a valid option"), Same;
    NONE, ["-s", "-e", "", "--", "true"] => 0, Empty, Empty, Same;
    NONE, ["-s", "-e", " +3", "--", "sh", "-c", "exit 3"] => 0, Empty, Empty, Same;
    NONE, ["-s", "-e", "003", "--", "sh", "-c", "exit 3"] => 0, Empty, Empty, Same;
    NONE, ["-se3", "-e4", "--", "sh", "-c", "exit 3"] => 0, Empty, Empty, Same;
    NONE, ["-se3", "-e4", "--", "sh", "-c", "exit 5"] => 5, Empty, Empty, Same;
    NONE, ["-s", "-e", "143", "--", "sh", "-c", "kill -TERM $$"] => 0, Empty, Empty, Same;
    NONE, ["-s", "-e", "127", "--", "no-such-program"] => 0, Empty, Any, Same;
    NONE, ["-p", "KILL", "true"] => 1, Empty, Is("[FATAL tini ()] Not a valid option for -p: KILL\n"), Same;
    NONE, ["-p", "9", "true"] => 1, Empty, Is("[FATAL tini ()] Not a valid option for -p: 9\n"), Same;
    NONE, ["-p", "sigkill", "true"] => 1, Empty, Is("[FATAL tini ()] Not a valid option for -p: sigkill\n"), Same;
    NONE, ["-p", "SIGRTMIN", "true"] => 1, Empty, Is("[FATAL tini ()] Not a valid option for -p: SIGRTMIN\n"), Same;
    NONE, ["-p", "SIGPWR", "true"] => 1, Empty, Is("[FATAL tini ()] Not a valid option for -p: SIGPWR\n"), Same;
    NONE, ["-p", "SIGSTKFLT", "true"] => 1, Empty, Begins("[FATAL tini ()] Not a valid option for -p"), Same;
    NONE, ["-p", "SIGIO", "true"] => 1, Empty, Is("[FATAL tini ()] Not a valid option for -p: SIGIO\n"), Same;
    NONE, ["-p", "SIGPOLL", "true"] => 1, Empty, Is("[FATAL tini ()] Not a valid option for -p: SIGPOLL\n"), Same;
    NONE, ["-p", "", "true"] => 1, Empty, Is("[FATAL tini ()] Not a valid option for -p: \n"), Same;
    NONE, ["-s", "-p", "SIGKILL", "true"] => 0, Empty, Empty, Same;
    NONE, ["-s", "-pSIGSYS", "true"] => 0, Empty, Empty, Same;
    NONE, ["-s", "-p", "SIGSTOP", "true"] => 0, Empty, Empty, Same;
    NONE, ["true"] => 0, Empty, Is(NOT_REAPING), Same;
    NONE, ["-g", "true"] => 0, Empty, Is(NOT_REAPING), Same;
    NONE, ["-s", "true"] => 0, Empty, Empty, Same;
    &[("TINI_SUBREAPER", "")], ["true"] => 0, Empty, Empty, Same;
    &[("TINI_SUBREAPER", "0")], ["true"] => 0, Empty, Empty, Same;
    &[("TINI_VERBOSITY", "0")], ["true"] => 0, Empty, Empty, Same;
    &[("TINI_VERBOSITY", "abc")], ["true"] => 0, Empty, Empty, Same;
    &[("TINI_VERBOSITY", "")], ["-vvv", "true"] => 0, Empty, Empty, Same;
    &[("TINI_VERBOSITY", "-3")], ["true"] => 0, Has("[TRACE tini ()] "), Is(NOT_REAPING), Code;
    &[("TINI_VERBOSITY", " +1x")], ["true"] => 0, Empty, Is(NOT_REAPING), Same;
    &[("TINI_VERBOSITY", "1-")], ["true"] => 0, Empty, Is(NOT_REAPING), Same;
    &[("TINI_VERBOSITY", "0")], ["-s", "no-such-program"] => 127, Empty, Begins("[FATAL tini ()] exec"), Same;
    &[("TINI_VERBOSITY", "3")], ["true"] => 0, Has("Received SIGCHLD\n"), Is(NOT_REAPING), Code;
    NONE, ["-sv", "true"] => 0, Is("[INFO  tini ()] Spawned child process 'true' with pid ''\n\
        [INFO  tini ()] Main child exited normally (with status '0')\n"), Empty, Same;
    NONE, ["-sv", "--", "sh", "-c", "exit 3"] => 3, Has("Main child exited normally (with status '3')"), Empty, Same;
    NONE, ["-sv", "--", "sh", "-c", "kill -KILL $$"] => 137, Has("Main child exited with signal (with signal 'Killed')\n"),
        Empty, Same;
    NONE, ["-sv", "--", "sh", "-c", "kill -35 $$"] => 163, Has("Main child exited with signal (with signal '"), Empty, Code;
    NONE, ["-svv", "true"] => 0, Has("[DEBUG tini ()] Reaped child with pid: ''\n"), Empty, Code;
    NONE, ["-svvv", "true"] => 0, Has("[TRACE tini ()] Registered as child subreaper\n"), Empty, Code;
    NONE, ["-svvv", "true"] => 0, Has("[TRACE tini ()] Exiting: child has exited\n"), Empty, Code;
    NONE, ["-vvv", "--", "true"] => 0, Any, Is(NOT_REAPING), Code;
    NONE, ["-vvv", "false"] => 1, Any, Is(NOT_REAPING), Code;
    NONE, ["-vvv", "--", "--", "true"] => 127, Any, Has("exec -- failed: No such file or directory\n"), Code;
    NONE, ["no-such-program"] => 127, Empty, Has("[FATAL tini ()] exec no-such-program failed: No such file or directory\n"),
        Same;
    NONE, ["-s", ""] => 127, Empty, Is("[FATAL tini ()] exec  failed: No such file or directory\n"), Same;
    NONE, ["-s", "/etc"] => 126, Empty, Is("[FATAL tini ()] exec /etc failed: Permission denied\n"), Same;
    NONE, ["-s", "{}/not-executable"] => 126, Empty, Has("/not-executable failed: Permission denied\n"), Code;
    NONE, ["-s", "not-executable"] => 126, Empty, Is("[FATAL tini ()] exec not-executable failed: Permission denied\n"), Same;
    NONE, ["-s", "{}/orphaned"] => 127, Empty, Has("/orphaned failed: No such file or directory\n"), Code;
    NONE, ["-s", "{}/not-executable/x"] => 1, Empty, Has("/not-executable/x failed: Not a directory\n"), Code;
    NONE, ["-s", "shebangless"] => 5, Is("shell 1\n"), Empty, Same;
    NONE, ["-s", "--", "{}/shebangless", "-s", "a b"] => 5, Is("shell 3\n"), Empty, Same;
    NONE, ["-s", "sh", "-c", "exit 3"] => 3, Empty, Empty, MUSL;
    NONE, ["-s", "env", "-u", "HOME", "echo", "x"] => 0, Is("x\n"), Empty, MUSL;
    NONE, ["echo", "-s", "x"] => 0, Is("x\n"), Empty, Same;
    NONE, ["-s", "echo", "--", "-a"] => 0, Is("-a\n"), Empty, Same;
    NONE, ["-s", "--", "echo", "--", "-a"] => 0, Is("-- -a\n"), Empty, Same;
    NONE, ["-s", "echo", "-"] => 0, Is("-\n"), Empty, Same;
    &[("POSIXLY_CORRECT", "")], ["-s", "echo", "-s", "--", "x"] => 0, Is("-s -- x\n"), Empty, Same;
    &[("POSIXLY_CORRECT", "1")], ["-s", "sh", "-c", "exit 3"] => 3, Empty, Empty, Same;
    &[("TINI_SUBREAPER", "x"), ("TINI_KILL_PROCESS_GROUP", ""), ("TINI_VERBOSITY", "1")],
        ["--", "sh", "-c", "echo $TINI_SUBREAPER,${TINI_KILL_PROCESS_GROUP+set},$TINI_VERBOSITY"]
        => 0, Is("x,set,1\n"), Empty, Same;
    NONE, ["-sw", "--", "sh", "-c", "(true)"] => 0, Empty, Empty, Same;
];

const REWRITE_USAGE: &str = "Usage: -r option takes <signum>:<signum>, where <signum> is between 1 and 31.\n\
    This option can be specified multiple times.\nUse --help for full usage.\n";

const SETSID_DEBUG: &str = "[dumb-init] Unable to detach from controlling tty (errno=25).\n\
    [dumb-init] Unable to attach to controlling tty (errno=25).\n\
    [dumb-init] setsid complete.\n\
    [dumb-init] Child spawned with PID .\n\
    [dumb-init] Received signal 17.\n\
    [dumb-init] A child with PID  exited with exit status 7.\n\
    [dumb-init] Forwarded signal 15 to children.\n\
    [dumb-init] Child exited with status 7. Goodbye.\n";

const PLAIN_DEBUG: &str = "[dumb-init] Child spawned with PID .\n\
    [dumb-init] Received signal 17.\n\
    [dumb-init] A child with PID  was terminated by signal 9.\n\
    [dumb-init] Forwarded signal 15 to children.\n\
    [dumb-init] Child exited with status 137. Goodbye.\n";

const DUMB_ROWS: &[Row] = rows![DUMB;
    NONE, [] => 1, Empty, Is("Usage: dumb-init [option] program [args]\nTry dumb-init --help for full usage.\n"), Same;
    NONE, ["-c"] => 1, Empty, Has("Try dumb-init --help"), Same;
    NONE, ["-v", "--"] => 1, Empty, Has("Try dumb-init --help"), Same;
    NONE, ["--yolo", "true"] => 1, Empty, Is("dumb-init: unrecognized option '--yolo'\n"), Same;
    NONE, ["-z"] => 1, Empty, Is("dumb-init: invalid option -- 'z'\n"), Same;
    NONE, ["-s", "true"] => 1, Empty, Is("dumb-init: invalid option -- 's'\n"), Same;
    NONE, ["-g", "true"] => 1, Empty, Is("dumb-init: invalid option -- 'g'\n"), Same;
    NONE, ["-h"] => 0, Empty, Begins("dumb-init v1.2.5\nUsage: dumb-init [option] command [[arg] ...]\n"), Same;
    NONE, ["--help", "true"] => 0, Empty, Has("-r, --rewrite s:r"), Same;
    NONE, ["--he"] => 0, Empty, Has("-r, --rewrite s:r"), Same;
    NONE, ["-V"] => 0, Empty, Is("dumb-init v1.2.5\n"), Same;
    NONE, ["--version", "true"] => 0, Empty, Is("dumb-init v1.2.5\n"), Same;
    NONE, ["--vers"] => 0, Empty, Is("dumb-init v1.2.5\n"), Same;
    NONE, ["--ver"] => 1, Empty,
        Is("dumb-init: option '--ver' is ambiguous; possibilities: '--verbose' '--version'\n"), Same;
    NONE, ["--help=1"] => 1, Empty, Is("dumb-init: option '--help' doesn't allow an argument\n"), Same;
    NONE, ["--rewrite"] => 1, Empty, Is("dumb-init: option '--rewrite' requires an argument\n"), Same;
    NONE, ["-r"] => 1, Empty, Is("dumb-init: option requires an argument -- 'r'\n"), Same;
    NONE, ["-r", "", "true"] => 1, Empty, Is(REWRITE_USAGE), Same;
    NONE, ["-r", "herp", "true"] => 1, Empty, Is(REWRITE_USAGE), Same;
    NONE, ["-r", "15", "true"] => 1, Empty, Is(REWRITE_USAGE), Same;
    NONE, ["-r", "15::12", "true"] => 1, Empty, Is(REWRITE_USAGE), Same;
    NONE, ["-r", "15:derp", "true"] => 1, Empty, Is(REWRITE_USAGE), Same;
    NONE, ["-r", "TERM:QUIT", "true"] => 1, Empty, Is(REWRITE_USAGE), Same;
    NONE, ["-r", "0:3", "true"] => 1, Empty, Is(REWRITE_USAGE), Same;
    NONE, ["-r", "32:3", "true"] => 1, Empty, Is(REWRITE_USAGE), Same;
    NONE, ["-r", "15:32", "true"] => 1, Empty, Is(REWRITE_USAGE), Same;
    NONE, ["-r", "15:-1", "true"] => 1, Empty, Is(REWRITE_USAGE), Same;
    NONE, ["-r", "15 :3", "true"] => 1, Empty, Is(REWRITE_USAGE), Same;
    NONE, ["-r", "15:12", "-r", "1:32", "true"] => 1, Empty, Is(REWRITE_USAGE), Same;
    NONE, ["-r", "15:3junk", "true"] => 0, Empty, Empty, Same;
    NONE, ["-r", " +15: +3", "true"] => 0, Empty, Empty, Same;
    NONE, ["--rewrite=31:31", "--rew", "1:0", "true"] => 0, Empty, Empty, Same;
    NONE, ["--single", "--", "sh", "-c", "exit 9"] => 9, Empty, Empty, Same;
    NONE, ["echo", "-v", "--", "-c"] => 0, Is("-v -- -c\n"), Empty, Same;
    NONE, ["--", "echo", "-v"] => 0, Is("-v\n"), Empty, Same;
    NONE, ["no-such-program"] => 2, Empty, Is("[dumb-init] no-such-program: No such file or directory\n"), Same;
    NONE, ["-c", "/etc"] => 2, Empty, Is("[dumb-init] /etc: Permission denied\n"), Same;
    NONE, ["not-executable"] => 2, Empty, Is("[dumb-init] not-executable: Permission denied\n"), Same;
    NONE, [""] => 2, Empty, Is("[dumb-init] : No such file or directory\n"), Same;
    NONE, ["{}/not-executable/x"] => 2, Empty, Has("/not-executable/x: Not a directory\n"), Code;
    NONE, ["shebangless", "a"] => 5, Is("shell 2\n"), Empty, Same;
    NONE, ["-v", "sh", "-c", "exit 7"] => 7, Empty, Is(SETSID_DEBUG), SameLines;
    NONE, ["--verbose", "-c", "sh", "-c", "kill -9 $$"] => 137, Empty, Is(PLAIN_DEBUG), Same;
    NONE, ["-vc", "no-such-program"] => 2, Empty, Has("[dumb-init] no-such-program: No such file or directory\n"),
        Differs("rinit has no child whose end it could tell of: the failure comes back from exec itself");
    &[("DUMB_INIT_DEBUG", "1")], ["true"] => 0, Empty, Begins("[dumb-init] Running in debug mode.\n"), SameLines;
    &[("DUMB_INIT_DEBUG", "1"), ("DUMB_INIT_SETSID", "0")], ["true"] => 0, Empty,
        Begins("[dumb-init] Running in debug mode.\n[dumb-init] Not running in setsid mode.\n[dumb-init] Child"), Same;
    &[("DUMB_INIT_SETSID", "0")], ["-v", "true"] => 0, Empty, Begins("[dumb-init] Not running in setsid mode.\n"), Same;
    &[("DUMB_INIT_DEBUG", "2")], ["true"] => 0, Empty, Empty, Same;
    &[("DUMB_INIT_DEBUG", "")], ["true"] => 0, Empty, Empty, Same;
    &[("DUMB_INIT_DEBUG", "1")], [] => 1, Empty, Begins("Usage: "), Same;
    &[("DUMB_INIT_DEBUG", "1")], ["-V"] => 0, Empty, Is("dumb-init v1.2.5\n"), Same;
    &[("DUMB_INIT_SETSID", "0")], ["sh", "-c", "echo $DUMB_INIT_SETSID"] => 0, Is("0\n"), Empty, Same;
];

const CATA_USAGE: &str = "usage: catatonit [-ghLPV] [--] <progname> [<arguments>...]\n";

const CATA_ROWS: &[Row] = rows![CATA;
    NONE, [] => 1, Empty, Is("ERROR (catatonit:): missing program name\n\
        usage: catatonit [-ghLPV] [--] <progname> [<arguments>...]\n"), Same;
    NONE, ["-g"] => 1, Empty, Begins("ERROR (catatonit:): missing program name\n"), Same;
    NONE, ["-x"] => 1, Empty, Is("catatonit: invalid option -- 'x'\n\
        usage: catatonit [-ghLPV] [--] <progname> [<arguments>...]\n"), Same;
    NONE, ["--nope"] => 1, Empty, Begins("catatonit: unrecognized option '--nope'\n"), Same;
    NONE, ["--version=1"] => 1, Empty, Begins("catatonit: option '--version' doesn't allow an argument\n"), Same;
    NONE, ["-V"] => 0, Begins("tini version "), Empty, Code;
    NONE, ["--version"] => 0, Has("_catatonit\n"), Empty, Code;
    NONE, ["--v", "true"] => 0, Begins("tini version "), Empty, Code;
    NONE, ["-h"] => 0, Empty, Begins(CATA_USAGE), Head;
    NONE, ["-L"] => 0, Has("Permission is hereby granted"), Empty, Code;
    &[("CATATONIT_LOG", "")], ["true"] => 1, Empty, Is("ERROR (catatonit:): CATATONIT_LOG is reserved for future use\n"),
        Same;
    &[("CATATONIT_LOG", "x")], ["-V"] => 1, Empty, Begins("ERROR (catatonit:): CATATONIT_LOG is reserved"), Same;
    &[("CATATONIT_DEBUG", "")], ["true"] => 0, Empty, Has("DEBUG (catatonit:): pid1 () spawned: true\n"), Code;
    NONE, ["true"] => 0, Empty, Empty, Same;
    NONE, ["--", "sh", "-c", "exit 44"] => 44, Empty, Empty, Same;
    NONE, ["--", "sh", "-c", "kill -9 $$"] => 137, Empty, Empty, Same;
    NONE, ["no-such-program"] => 1, Empty, Is("ERROR (catatonit:): failed to exec pid1: No such file or directory\n"),
        Same;
    NONE, ["/etc"] => 1, Empty, Is("ERROR (catatonit:): failed to exec pid1: Permission denied\n"), Same;
    NONE, ["not-executable"] => 1, Empty, Is("ERROR (catatonit:): failed to exec pid1: Permission denied\n"), Same;
    NONE, ["shebangless", "a"] => 5, Is("shell 2\n"), Empty, Same;
    NONE, ["echo", "-g", "x"] => 0, Is("x\n"), Empty, Same;
    NONE, ["echo", "--", "-g", "x"] => 0, Is("-g x\n"), Empty, Same;
    NONE, ["sh", "-c", "exit 3"] => 1, Empty, Begins("catatonit: invalid option -- 'c'\n"), Same;
    &[("POSIXLY_CORRECT", "1")], ["sh", "-c", "exit 3"] => 3, Empty, Empty, Same;
    &[("POSIXLY_CORRECT", "1")], ["echo", "-g"] => 0, Is("-g\n"), Empty, Same;
];

/// Native rinit takes the letters of all of them.
const NATIVE_ROWS: &[Row] = rows![&["rinit"];
    NONE, [] => 64, Empty, Begins("rinit: no command"), Same;
    NONE, ["--yolo"] => 64, Empty, Begins("rinit: unknown option '--yolo'"), Same;
    NONE, ["-s", "-vv", "-w", "-g", "-e", "3", "-p", "SIGKILL", "--", "sh", "-c", "exit 3"] => 0, Empty, Any, Same;
    NONE, ["-c", "-r", "15:0", "sh", "-c", "exit 3"] => 3, Empty, Empty, Same;
    NONE, ["-V"] => 0, Begins("rinit "), Empty, Same;
    NONE, ["-h"] => 0, Has("--rewrite"), Empty, Same;
    NONE, ["-l"] => 0, Has("Permission is hereby granted"), Empty, Same;
    NONE, ["-g", "sh", "-c", "exit 3"] => 3, Empty, Empty, Same;
    NONE, ["no-such-program"] => 127, Empty, Is("rinit: cannot execute 'no-such-program': not found in PATH\n"), Same;
    NONE, ["/etc"] => 126, Empty, Is("rinit: cannot execute '/etc': it is a directory\n"), Same;
    NONE, ["not-executable"] => 126, Empty, Has("it is not executable (chmod +x)"), Same;
    NONE, ["-e", "127", "no-such-program"] => 127, Empty, Any, Same;
    NONE, ["orphaned"] => 126, Empty, Has("its interpreter '/no/such/interpreter' does not exist"), Same;
    NONE, ["shebangless", "a"] => 5, Is("shell 2\n"), Empty, Same;
    NONE, ["true"] => 0, Empty, Empty, Same;
];

/// Files to run: a script without `#!`, one without the permission, one whose interpreter is missing.
fn folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    for (name, content, mode) in [
        ("shebangless", "echo shell $(($# + 1))\nexit 5\n", 0o755),
        ("not-executable", "#!/bin/sh\nexit 6\n", 0o644),
        ("orphaned", "#!/no/such/interpreter\n", 0o755),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    folder
}

#[derive(Debug, PartialEq)]
struct Shown {
    code: i32,
    out: String,
    err: String,
}

fn show(who: &Who, row: &Row, folder: &str) -> Shown {
    let args = row.args.iter().map(|arg| arg.replace("{}", folder));
    let env = row.env;
    let path = format!("{}:{folder}", std::env::var("PATH").unwrap());
    let outcome = who
        .start()
        .args(args.collect::<Vec<_>>())
        .with(move |command| {
            command.env("PATH", path).envs(env.iter().copied());
        })
        .with(|command| crate::support::with_signals(command, Vec::new(), 0))
        .run();
    let code = outcome.code();
    Shown { code, out: normal(&outcome.stdout_text(), who.name), err: normal(&outcome.stderr, who.name) }
}

fn fits(text: &str, wanted: Text) -> bool {
    match wanted {
        Any => true,
        Empty => text.is_empty(),
        Is(whole) => text == whole,
        Begins(start) => text.starts_with(start),
        Has(part) => text.contains(part),
    }
}

fn agree(ours: &Shown, theirs: &Shown, real: Real) -> bool {
    let head = |text: &str| text.lines().next().map(str::to_owned);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let (out, err) = ((&ours.out, &theirs.out), (&ours.err, &theirs.err));
    let streams = match real {
        Same => out.0 == out.1 && err.0 == err.1,
        SameLines => sorted(out.0) == sorted(out.1) && sorted(err.0) == sorted(err.1),
        Head => head(out.0) == head(out.1) && head(err.0) == head(err.1),
        Code => true,
        Differs(_) => return true,
    };
    streams && ours.code == theirs.code
}

fn run(rows: &[Row]) {
    let folder = folder();
    let path = folder.path().to_str().unwrap();
    let mut wrong = Vec::new();
    for name in rows[0].names {
        let real = real(name);
        for row in rows {
            let (env, args) = (row.env, row.args);
            let ours = show(&rinit_as(name), row, path);
            if ours.code != row.code || !fits(&ours.out, row.out) || !fits(&ours.err, row.err) {
                wrong.push(format!(
                    "{env:?} {name} {args:?}: wanted {}, {:?}, {:?}, not {ours:?}",
                    row.code, row.out, row.err
                ));
            }
            let Some(real) = &real else { continue };
            let theirs = show(real, row, path);
            if !agree(&ours, &theirs, row.real) {
                wrong.push(format!("{env:?} {name} {args:?}: rinit {ours:#?}, the real one {theirs:#?}"));
            }
            if let Differs(reason) = row.real {
                let still = if agree(&ours, &theirs, Same) { "no difference any more" } else { "differs" };
                eprintln!("{name} {args:?}: {still}: {reason}: rinit {ours:?}, the real one {theirs:?}");
            }
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn tinis_command_line() {
    run(TINI_ROWS);
}

#[test]
fn dumb_inits_command_line() {
    run(DUMB_ROWS);
}

#[test]
fn catatonits_command_line() {
    run(CATA_ROWS);
}

#[test]
fn rinits_command_line() {
    run(NATIVE_ROWS);
}
