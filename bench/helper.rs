//! The hands of `bench/run`: everything that is timed, so that no interpreter stands between two clock readings.
//!
//!     bench-helper startup pid1|child ROUNDS INIT...   µs from clone(2) to the end of `/bin/true`
//!     bench-helper reap COUNT ROUNDS INIT...           ms and CPU ms until COUNT dead orphans are reaped
//!     bench-helper latency COUNT INIT...               µs from kill(2) to main's handler
//!     bench-helper rest SECONDS INIT...                kB of memory as PID 1, and wake-ups per second
//!     bench-helper window STARTS INIT...               starts in which an early SIGTERM was lost
//!
//! An INIT is `name=/path/to/init its options`. The answers are lines of `row<TAB>name<TAB>number`. The inits take
//! turns in every loop, so that what else the machine does falls on all of them alike. `main-*` are what the inits
//! run. It needs the right to make pid namespaces.

#![allow(unsafe_code, clippy::undocumented_unsafe_blocks, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(clippy::print_stdout, clippy::cast_precision_loss, clippy::cast_sign_loss)]

use std::ffi::{CString, c_int, c_void};
use std::fs;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

/// Longer than anything takes on any machine: who needs more hangs, and the run ends with a word about it.
const PATIENCE_NS: i64 = 20_000_000_000;

fn main() {
    // Rust's own start ignores SIGPIPE; the inits begin with what a container gives them.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["startup", place, rounds, ref inits @ ..] => startup(place == "pid1", number(rounds), inits),
        ["reap", count, rounds, ref inits @ ..] => reap(number(count), number(rounds), inits),
        ["latency", count, ref inits @ ..] => latency(number(count), inits),
        ["rest", seconds, ref inits @ ..] => rest(number(seconds), inits),
        ["window", starts, ref inits @ ..] => window(number(starts), inits),
        ["main-ready", fd] => main_ready(number(fd)),
        ["main-handler", fd, slot] => main_handler(number(fd), number(slot)),
        ["main-orphans", fd, count, cpu] => main_orphans(number(fd), number(count), number(cpu)),
        _ => panic!("bench-helper: what is {words:?}?"),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("bench-helper: '{text}' is no number"))
}

fn report(row: &str, name: &str, value: f64) {
    println!("{row}\t{name}\t{value:.3}");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// xorshift64: any even spread will do, and it is the same in every run.
struct Random(u64);

impl Random {
    const fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// The order of each round: shuffled, since who comes just before, and what it leaves in the caches, tells in a number.
struct Turns(Random);

impl Turns {
    const fn new() -> Self {
        Self(Random::new())
    }

    fn next(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            order.swap(last, self.0.below(last as u64 + 1) as usize);
        }
        order
    }
}

// ---- clocks, processors, memory ----------------------------------------------------------------------------------

fn clock(id: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let result = unsafe { libc::clock_gettime(id, &raw mut time) };
    assert_eq!(result, 0, "bench-helper: no such clock");
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

fn now() -> i64 {
    clock(libc::CLOCK_MONOTONIC)
}

/// Sleeps for all of it, whatever interrupts.
fn sleep_ns(ns: i64) {
    let end = now() + ns;
    let time = libc::timespec { tv_sec: end / 1_000_000_000, tv_nsec: end % 1_000_000_000 };
    let (clock, until) = (libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME);
    while unsafe { libc::clock_nanosleep(clock, until, &raw const time, std::ptr::null_mut()) } == libc::EINTR
    {
    }
}

/// Waits until it is true, looking now and then.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = now();
    while !condition() {
        assert!(now() - start < PATIENCE_NS, "bench-helper: {what}: it never came true");
        sleep_ns(50_000);
    }
}

/// The processors we may run on: the first for who measures, the last for what is measured.
struct Processors {
    first: usize,
    last: usize,
}

impl Processors {
    fn allowed() -> Self {
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::sched_getaffinity(0, size_of_val(&set), &raw mut set);
            let all: Vec<usize> = (0..1024).filter(|cpu| libc::CPU_ISSET(*cpu, &set)).collect();
            Self { first: all.first().copied().unwrap_or(0), last: all.last().copied().unwrap_or(0) }
        }
    }
}

fn pin(cpu: usize) {
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
    }
}

/// No wake-up preempts whoever runs (sched(7), SCHED_BATCH), for us and for all that we start. Else it would depend on
/// the session that an init makes for its main, which the kernel schedules as a group of its own (autogroup) outside of
/// containers, whether main runs before the init has gone back to sleep.
fn run_in_turns() {
    unsafe {
        let parameter: libc::sched_param = std::mem::zeroed();
        libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameter);
    }
}

/// One init's place in the memory that we share with its main.
#[repr(C, align(64))]
struct Slot {
    /// 0, then what main says: that it is ready, how far it is.
    word: AtomicU32,
    time: AtomicI64,
}

const SLOTS: usize = 16;

/// Shared memory, with a descriptor that the inits hand on to main.
struct Shared {
    fd: i32,
    slots: &'static [Slot; SLOTS],
}

impl Shared {
    fn new() -> Self {
        let fd = unsafe { libc::memfd_create(c"bench".as_ptr(), 0) };
        assert!(fd >= 0 && unsafe { libc::ftruncate(fd, 4096) } == 0, "bench-helper: no memory to share");
        Self::open(fd)
    }

    fn open(fd: i32) -> Self {
        let slots = unsafe {
            let (both, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
            let place = libc::mmap(std::ptr::null_mut(), 4096, both, shared, fd, 0);
            assert!(place != libc::MAP_FAILED, "bench-helper: descriptor {fd} is not our shared memory");
            &*place.cast::<[Slot; SLOTS]>()
        };
        Self { fd, slots }
    }
}

impl Slot {
    fn say(&self, word: u32) {
        self.word.store(word, Ordering::Release);
        unsafe { libc::syscall(libc::SYS_futex, self.word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
    }

    fn word(&self) -> u32 {
        self.word.load(Ordering::Acquire)
    }

    /// Waits until the word is no longer `old`.
    fn wait_past(&self, what: &str, old: u32) {
        let start = now();
        let limit = libc::timespec { tv_sec: 1, tv_nsec: 0 };
        while self.word() == old {
            assert!(now() - start < PATIENCE_NS, "bench-helper: {what}: nothing comes");
            let place = self.word.as_ptr();
            unsafe { libc::syscall(libc::SYS_futex, place, libc::FUTEX_WAIT, old, &raw const limit) };
        }
    }
}

// ---- starting inits ----------------------------------------------------------------------------------------------

struct Command {
    name: String,
    /// The words for execve. Never given back: a child may still read them when we go on.
    argv: &'static [*const libc::c_char],
}

fn pointers(words: &[CString]) -> &'static [*const libc::c_char] {
    let words = words.iter().map(|word| word.clone().into_raw().cast_const());
    words.chain(std::iter::once(std::ptr::null())).collect::<Vec<_>>().leak()
}

fn own_path() -> String {
    std::env::current_exe().expect("our own path").to_string_lossy().into_owned()
}

/// The inits, each with one of our own `main-*` as its main.
fn with_main(inits: &[&str], main: impl Fn(usize) -> Vec<String>) -> Vec<Command> {
    let path = own_path();
    inits
        .iter()
        .enumerate()
        .map(|(index, init)| {
            let main = main(index);
            let words: Vec<&str> = std::iter::once(&*path).chain(main.iter().map(String::as_str)).collect();
            Command::new(init, &words)
        })
        .collect()
}

/// The child's stack until its execve; u128 for the alignment that the ABI wants.
static mut STACK: [u128; 1024] = [0; 1024];

/// What the child needs between clone and execve; it borrows our memory until then.
struct Child {
    argv: &'static [*const libc::c_char],
    envp: &'static [*const libc::c_char],
    cpu: Option<usize>,
    /// When it called execve.
    time: AtomicI64,
}

extern "C" fn become_init(child: *mut c_void) -> c_int {
    let child = unsafe { &*child.cast::<Child>() };
    if let Some(cpu) = child.cpu {
        pin(cpu);
    }
    // Nothing is left behind, whatever becomes of us.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    child.time.store(now(), Ordering::Release);
    unsafe {
        libc::execve(child.argv[0], child.argv.as_ptr(), child.envp.as_ptr());
        libc::_exit(127)
    }
}

const PID_1: c_int = libc::CLONE_NEWPID;

impl Command {
    fn new(init: &str, more: &[&str]) -> Self {
        let (name, words) =
            init.split_once('=').unwrap_or_else(|| panic!("bench-helper: name=words, not '{init}'"));
        let words = words.split_whitespace().chain(more.iter().copied());
        let words: Vec<_> = words.map(|word| CString::new(word).expect("no NUL")).collect();
        Self { name: name.to_owned(), argv: pointers(&words) }
    }

    /// Starts it as posix_spawn does; `flags` may add a pid namespace.
    fn spawn(&self, flags: c_int) -> i32 {
        self.start(flags | libc::CLONE_VFORK, None, |_| ())
    }

    /// Starts it on `cpu` and calls `meanwhile` with its execve's time, without waiting for the execve itself.
    fn start(&self, flags: c_int, cpu: Option<usize>, meanwhile: impl FnOnce((i32, i64))) -> i32 {
        let envp =
            pointers(&[c"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()]);
        let child = &*Box::leak(Box::new(Child { argv: self.argv, envp, cpu, time: AtomicI64::new(0) }));
        // The stack is free again: each start waits for the execve, or the end, of the one before.
        let pid = unsafe {
            let top = (&raw mut STACK).cast::<u8>().add(size_of::<[u128; 1024]>()).cast::<c_void>();
            let flags = flags | libc::CLONE_VM | libc::SIGCHLD;
            libc::clone(become_init, top, flags, std::ptr::from_ref(child).cast_mut().cast())
        };
        assert!(
            pid > 0,
            "bench-helper: clone: {} (a pid namespace needs root, or a user namespace)",
            std::io::Error::last_os_error()
        );
        let mut time = 0;
        while time == 0 {
            time = child.time.load(Ordering::Acquire);
            spin_loop();
        }
        meanwhile((pid, time));
        pid
    }
}

fn wait_for(pid: i32) -> i32 {
    let mut status = 0;
    let result = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(result, pid, "bench-helper: waitpid {pid}");
    status
}

fn kill(pid: i32, signal: i32) {
    unsafe { libc::kill(pid, signal) };
}

/// Ends inits that are done with. As they are PID 1 of their own, everything below them ends with them.
fn end(pids: &[i32]) {
    for pid in pids {
        kill(*pid, libc::SIGKILL);
        wait_for(*pid);
    }
}

// ---- rows --------------------------------------------------------------------------------------------------------

/// Who measures, the init and main share one processor: no wake-up of an idle one is in the numbers.
fn startup(pid1: bool, rounds: usize, inits: &[&str]) {
    pin(Processors::allowed().last);
    let all = std::iter::once(&"plain=").chain(inits);
    let commands: Vec<_> = all.map(|init| Command::new(init, &["/bin/true"])).collect();
    let mut turns = Turns::new();
    let mut times = vec![Vec::with_capacity(rounds); commands.len()];
    let mut faults = vec![Vec::with_capacity(rounds); commands.len()];
    for round in 0..=rounds {
        for index in turns.next(commands.len()) {
            let start = now();
            let pid = commands[index].spawn(if pid1 { PID_1 } else { 0 });
            let (mut status, mut usage) = (0, unsafe { std::mem::zeroed::<libc::rusage>() });
            unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
            let time = now() - start;
            assert_eq!(status, 0, "bench-helper: {} -- /bin/true did not end with 0", commands[index].name);
            // The first round fills the page cache.
            if round > 0 {
                times[index].push(time as f64 / 1e3);
                faults[index].push(usage.ru_minflt as f64);
            }
        }
    }
    let row = if pid1 { "startup-pid1" } else { "startup-child" };
    let (times, faults): (Vec<f64>, Vec<f64>) =
        (times.into_iter().map(median).collect(), faults.into_iter().map(median).collect());
    report(&format!("{row}-plain"), "plain", times[0]);
    for (index, command) in commands.iter().enumerate().skip(1) {
        report(row, &command.name, times[index] - times[0]);
        report(&format!("{row}-faults"), &command.name, faults[index] - faults[0]);
    }
}

fn reap(count: u32, rounds: usize, inits: &[&str]) {
    let processors = Processors::allowed();
    pin(processors.first);
    let shared = Shared::new();
    let slot = &shared.slots[0];
    let commands = with_main(inits, |_| {
        let cpu = processors.first.to_string();
        vec!["main-orphans".to_owned(), shared.fd.to_string(), count.to_string(), cpu]
    });
    let mut turns = Turns::new();
    let mut walls = vec![Vec::new(); commands.len()];
    let mut loads = vec![Vec::new(); commands.len()];
    for _ in 0..rounds {
        for index in turns.next(commands.len()) {
            slot.word.store(0, Ordering::Release);
            let pid = commands[index].start(PID_1, Some(processors.last), |_| ());
            slot.wait_past("orphans", 0);
            // The init's own time, without that of the children it has reaped (which getrusage would add).
            let mut cpu_clock = 0;
            let result = unsafe { libc::clock_getcpuclockid(pid, &raw mut cpu_clock) };
            assert_eq!(result, 0, "bench-helper: no CPU clock of {pid}");
            let (start, load) = (now(), clock(cpu_clock));
            slot.say(2);
            slot.wait_past("reaping", 2);
            walls[index].push((slot.time.load(Ordering::Acquire) - start) as f64 / 1e6);
            loads[index].push((clock(cpu_clock) - load) as f64 / 1e6);
            kill(pid, libc::SIGKILL);
            wait_for(pid);
        }
    }
    for (command, (wall, load)) in commands.iter().zip(walls.into_iter().zip(loads)) {
        report("reap", &command.name, median(wall));
        report("reap-cpu", &command.name, median(load));
    }
}

/// All on one processor, and the sender asleep before the signal arrives: what is measured is the work between, not
/// how fast an idle processor wakes.
fn latency(count: u32, inits: &[&str]) {
    pin(Processors::allowed().last);
    run_in_turns();
    let shared = Shared::new();
    assert!(inits.len() <= SLOTS, "bench-helper: more inits than slots");
    let commands =
        with_main(inits, |index| vec!["main-handler".to_owned(), shared.fd.to_string(), index.to_string()]);
    let pids: Vec<i32> = commands.iter().map(|command| command.spawn(PID_1)).collect();
    for (command, slot) in commands.iter().zip(shared.slots) {
        slot.wait_past(&command.name, 0);
    }
    // The first waits begin only after main's word: let them.
    sleep_ns(100_000_000);
    let mut turns = Turns::new();
    let mut times = vec![Vec::new(); commands.len()];
    for _ in 0..count {
        for index in turns.next(commands.len()) {
            let slot = &shared.slots[index];
            let word = slot.word();
            let start = now();
            kill(pids[index], libc::SIGUSR1);
            slot.wait_past(&commands[index].name, word);
            times[index].push((slot.time.load(Ordering::Acquire) - start) as f64 / 1e3);
        }
    }
    end(&pids);
    for (command, times) in commands.iter().zip(times) {
        report("latency", &command.name, median(times));
    }
}

fn rest(seconds: i64, inits: &[&str]) {
    let shared = Shared::new();
    let commands = with_main(inits, |_| vec!["main-ready".to_owned(), shared.fd.to_string()]);
    let pids: Vec<i32> = commands
        .iter()
        .map(|command| {
            let slot = &shared.slots[0];
            slot.word.store(0, Ordering::Release);
            let pid = command.spawn(PID_1);
            slot.wait_past(&command.name, 0);
            pid
        })
        .collect();
    // At rest: whatever an init does once, it has done.
    sleep_ns(1_500_000_000);
    let switches = |pid: &i32| -> u64 {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a status");
        status.lines().filter(|line| line.contains("ctxt_switches")).map(last_number).sum()
    };
    let before: Vec<u64> = pids.iter().map(switches).collect();
    sleep_ns(seconds * 1_000_000_000);
    let after: Vec<u64> = pids.iter().map(switches).collect();
    for ((pid, command), wakeups) in
        pids.iter().zip(&commands).zip(before.iter().zip(after).map(|(before, after)| after - before))
    {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("smaps_rollup");
        let sum = |keys: &[&str]| -> u64 {
            rollup.lines().filter(|line| keys.iter().any(|key| line.starts_with(key))).map(last_number).sum()
        };
        report("rss", &command.name, sum(&["Rss:"]) as f64);
        report("pss", &command.name, sum(&["Pss:"]) as f64);
        report("private", &command.name, sum(&["Private_Clean:", "Private_Dirty:"]) as f64);
        report("wakeups", &command.name, wakeups as f64 / seconds as f64);
    }
    end(&pids);
}

fn last_number(line: &str) -> u64 {
    line.split_ascii_whitespace().filter_map(|word| word.parse().ok()).next_back().unwrap_or(0)
}

/// SIGTERM after a random time from execve on; the same times for every init. Where the init (and so its namespace)
/// has not ended long after main was ready, the signal was lost.
fn window(starts: usize, inits: &[&str]) {
    const LONGEST_NS: u64 = 2_500_000;
    const GENEROUS_NS: i64 = 100_000_000;
    let processors = Processors::allowed();
    pin(processors.first);
    let shared = Shared::new();
    let slot = &shared.slots[0];
    let commands = with_main(inits, |_| vec!["main-ready".to_owned(), shared.fd.to_string()]);
    let mut turns = Turns::new();
    let mut lost = vec![Vec::new(); commands.len()];
    let mut random = Random::new();
    for _ in 0..starts {
        let delay = random.below(LONGEST_NS) as i64;
        for index in turns.next(commands.len()) {
            slot.word.store(0, Ordering::Release);
            let mut late = 0;
            let pid = commands[index].start(PID_1, Some(processors.last), |(pid, time)| {
                while now() < time + delay {
                    spin_loop();
                }
                kill(pid, libc::SIGTERM);
                late = now() - time - delay;
            });
            if !ends(pid, slot, GENEROUS_NS) {
                lost[index].push((delay + late) as f64 / 1e6);
                kill(pid, libc::SIGKILL);
            }
            wait_for(pid);
        }
    }
    for (command, lost) in commands.iter().zip(lost) {
        report("window", &command.name, lost.len() as f64);
        report("window-last", &command.name, lost.iter().copied().fold(0.0, f64::max));
        report("window-median", &command.name, if lost.is_empty() { 0.0 } else { median(lost) });
    }
}

/// Whether it ends at the latest `patience` after its main said that it is ready. Leaves it to be reaped.
fn ends(pid: i32, slot: &Slot, patience: i64) -> bool {
    let start = now();
    let mut ready = None;
    loop {
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        unsafe { libc::waitid(libc::P_PID, pid as u32, &raw mut info, flags) };
        if unsafe { info.si_pid() } == pid {
            return true;
        }
        if ready.is_none() && slot.word() != 0 {
            ready = Some(now());
        }
        if ready.is_some_and(|ready| now() - ready > patience) {
            return false;
        }
        assert!(now() - start < PATIENCE_NS, "bench-helper: an init neither ends nor starts its main");
        sleep_ns(20_000);
    }
}

// ---- mains -------------------------------------------------------------------------------------------------------

fn wait_for_ever() -> ! {
    loop {
        unsafe { libc::pause() };
    }
}

/// Says that it runs. Every signal has its default meaning.
fn main_ready(fd: i32) {
    Shared::open(fd).slots[0].say(1);
    wait_for_ever();
}

/// Writes down when each SIGUSR1 arrives, and wakes the sender.
fn main_handler(fd: i32, slot: usize) {
    let slot = &Shared::open(fd).slots[slot];
    // A handler may make these calls: a clock reading, two stores and a futex wake.
    let handler = move || {
        slot.time.store(now(), Ordering::Release);
        slot.say(slot.word().wrapping_add(1));
    };
    unsafe { signal_hook::low_level::register(libc::SIGUSR1, handler) }.expect("a handler");
    slot.say(1);
    wait_for_ever();
}

/// `count` processes that have ended, below a parent that does not reap them; on a word from outside the parent ends,
/// and they are the init's all at once. Says so when none is left.
fn main_orphans(fd: i32, count: usize, cpu: usize) {
    // Not where the init is: it must not wait for us.
    pin(cpu);
    let slot = &Shared::open(fd).slots[0];
    let pids: &[AtomicU32] = unsafe {
        let size = count * size_of::<AtomicU32>();
        let (both, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        let place = libc::mmap(std::ptr::null_mut(), size, both, flags, -1, 0);
        assert!(place != libc::MAP_FAILED, "bench-helper: no memory to share");
        std::slice::from_raw_parts(place.cast(), count)
    };
    let middle = unsafe { libc::fork() };
    if middle == 0 {
        for place in pids {
            // EAGAIN: others on this machine may need many process ids for a while.
            until("no room for so many processes", || match unsafe { libc::fork() } {
                0 => unsafe { libc::_exit(0) },
                pid => {
                    place.store(pid.max(0) as u32, Ordering::Release);
                    pid > 0
                }
            });
        }
        // WNOWAIT leaves them as they are; each must have ended before we do.
        for pid in pids {
            unsafe {
                let mut info: libc::siginfo_t = std::mem::zeroed();
                let flags = libc::WEXITED | libc::WNOWAIT;
                libc::waitid(libc::P_PID, pid.load(Ordering::Acquire), &raw mut info, flags);
            }
        }
        slot.say(1);
        slot.wait_past("the word to begin", 1);
        unsafe { libc::_exit(0) };
    }
    wait_for(middle);
    // From the last to the first: the init takes them in the order in which they were born (wait(2) walks its list).
    for pid in pids.iter().rev() {
        let pid = pid.load(Ordering::Acquire) as i32;
        until("an orphan is left", || unsafe { libc::kill(pid, 0) } != 0);
    }
    slot.time.store(now(), Ordering::Release);
    slot.say(3);
    wait_for_ever();
}
