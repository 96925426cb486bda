//! The machine under a clock that the test turns.

use std::time::{Duration, Instant};

use super::*;
use crate::status::CodeSet;

const GRACE: Duration = Duration::from_secs(9);

fn policy() -> Policy {
    Policy {
        target: Target::Main,
        rewrites: Rewrites::default(),
        deaf: SignalSet::EMPTY,
        grace: None,
        end: End::Leftovers(Duration::from_secs(2)),
        zero: CodeSet::NONE,
        zero_covers_failures: false,
        waiting_signal_decides: true,
        job_control: JobControl::Foreground,
        pause: false,
    }
}

/// A machine, its clock, and what it has said since the last look.
struct World {
    machine: Machine,
    now: Instant,
}

impl World {
    fn with(change: impl FnOnce(&mut Policy)) -> Self {
        let mut policy = policy();
        change(&mut policy);
        Self { machine: Machine::new(policy), now: Instant::now() }
    }

    fn running(change: impl FnOnce(&mut Policy)) -> Self {
        let mut world = Self::with(change);
        world.machine.started(Terminal::default());
        world
    }

    fn on_terminal(change: impl FnOnce(&mut Policy)) -> Self {
        let mut world = Self::with(change);
        world.machine.started(Terminal { lent: true, ..Terminal::default() });
        world
    }

    fn stopped(&mut self, signal: Signal, front: Front, job_control: bool) -> Vec<Action> {
        self.tell(Event::MainStopped(Stop { signal, front, job_control }))
    }

    fn tell(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Actions::default();
        let now = self.now;
        self.machine.step(|| now, event, &mut actions);
        actions.take().collect()
    }

    fn signal(&mut self, signal: Signal) -> Vec<Action> {
        self.tell(Event::Signal(Caught { signal, origin: Origin::Process }))
    }

    fn signal_from(&mut self, signal: Signal, origin: Origin) -> Vec<Action> {
        self.tell(Event::Signal(Caught { signal, origin }))
    }

    fn ended(&mut self, status: Status, children_left: bool) -> Vec<Action> {
        self.tell(Event::MainEnded { status, children_left })
    }

    /// Turns the clock and lets the deadline, if it has come, be heard.
    fn advance(&mut self, time: Duration) -> Vec<Action> {
        self.now += time;
        if self.machine.deadline().is_some_and(|deadline| deadline <= self.now) {
            return self.tell(Event::Deadline);
        }
        Vec::new()
    }

    fn remaining(&self) -> Option<Duration> {
        self.machine.deadline().map(|deadline| deadline - self.now)
    }
}

fn forward(signal: Signal) -> Action {
    Action::Forward { to: Target::Main, signal, value: None }
}

fn to_everyone(signal: Signal) -> Action {
    Action::Kill { to: Target::Everyone, signal }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn main_s_code_is_the_code_and_nothing_waits_when_nobody_is_left() {
    for code in 0..=255 {
        assert_eq!(World::running(|_| ()).ended(Status::Exited(code), false), [Action::Exit(code)]);
    }
}

#[test]
fn a_death_that_did_not_come_through_us_is_told() {
    let strange = Signal::new(40).unwrap();
    let told = [Action::Tell(Decision::Killed(strange)), Action::Exit(168)];
    assert_eq!(World::running(|_| ()).ended(Status::Killed(strange), false), told);
    let mut world = World::running(|_| ());
    world.signal(strange);
    assert_eq!(world.ended(Status::Killed(strange), false), [Action::Exit(168)]);
}

#[test]
fn every_signal_goes_to_main_as_it_came() {
    let mut world = World::running(|_| ());
    for signal in (1..=64).filter_map(Signal::new) {
        assert_eq!(world.signal(signal), [forward(signal)]);
    }
    let queued = Action::Forward { to: Target::Main, signal: Signal::HUP, value: Some(77) };
    assert_eq!(world.signal_from(Signal::HUP, Origin::Queued(77)), [queued]);
    assert_eq!(world.machine.deadline(), None, "without --grace nothing is ever killed");
}

#[test]
fn with_group_signals_go_to_the_group() {
    let mut world = World::running(|policy| policy.target = Target::Group);
    let expected = Action::Forward { to: Target::Group, signal: Signal::INT, value: None };
    assert_eq!(world.signal(Signal::INT), [expected]);
}

#[test]
fn rewriting_changes_or_drops() {
    let mut world = World::running(|policy| {
        policy.rewrites.set(Signal::TERM, Some(Signal::QUIT));
        policy.rewrites.set(Signal::HUP, None);
        policy.grace = Some(GRACE);
    });
    let told = |from, to| Action::Tell(Decision::Rewritten { from, to });
    assert_eq!(
        world.signal(Signal::HUP),
        [told(Signal::HUP, None), Action::Tell(Decision::Dropped(Signal::HUP))]
    );
    let quit = Some(Signal::QUIT);
    assert_eq!(world.signal(Signal::TERM), [told(Signal::TERM, quit), forward(Signal::QUIT)]);
    assert_eq!(world.remaining(), Some(GRACE), "a rewritten stop signal is still one");
}

#[test]
fn a_dropped_stop_signal_starts_no_grace() {
    let mut world = World::running(|policy| {
        policy.rewrites.set(Signal::TERM, None);
        policy.grace = Some(GRACE);
    });
    world.signal(Signal::TERM);
    assert_eq!(world.machine.deadline(), None);
}

#[test]
fn the_grace_runs_from_the_first_stop_signal_and_ends_in_sigkill() {
    let mut world = World::running(|policy| policy.grace = Some(GRACE));
    assert_eq!(world.signal(Signal::HUP), [forward(Signal::HUP)]);
    assert_eq!(world.machine.deadline(), None, "SIGHUP is no stop");
    assert_eq!(world.signal(Signal::TERM), [forward(Signal::TERM)]);
    assert_eq!(world.advance(seconds(4)), []);
    assert_eq!(world.signal(Signal::INT), [forward(Signal::INT)]);
    assert_eq!(world.remaining(), Some(seconds(5)), "a second stop signal gives no more time");
    assert_eq!(world.advance(seconds(5)), KILL_ALL);
    assert_eq!(world.machine.deadline(), None);
    assert_eq!(world.signal(Signal::TERM), [forward(Signal::TERM)]);
    assert_eq!(world.machine.deadline(), None, "it was killed already");
    assert_eq!(world.ended(Status::Killed(Signal::KILL), false), [Action::Exit(137)]);
}

#[test]
fn leftovers_get_term_then_time_then_kill() {
    let mut world = World::running(|_| ());
    let polite = [to_everyone(Signal::TERM), to_everyone(Signal::CONT)];
    assert_eq!(world.ended(Status::Exited(3), true), polite);
    assert_eq!(world.remaining(), Some(seconds(2)));
    assert_eq!(world.signal(Signal::INT), [to_everyone(Signal::INT)], "an impatient user is heard");
    assert_eq!(world.signal(Signal::HUP), []);
    assert_eq!(world.advance(seconds(2)), KILL_ALL);
    assert_eq!(world.signal(Signal::INT), []);
    assert_eq!(world.tell(Event::NoChildren), [Action::Exit(3)]);
    assert_eq!(world.tell(Event::NoChildren), []);
}

#[test]
fn the_last_leftover_ends_the_waiting_at_once() {
    let mut world = World::running(|_| ());
    world.ended(Status::Exited(0), true);
    world.advance(Duration::from_millis(3));
    assert_eq!(world.tell(Event::NoChildren), [Action::Exit(0)]);
    assert_eq!(world.machine.deadline(), None);
}

#[test]
fn what_even_sigkill_does_not_end_is_left_behind() {
    let mut world = World::running(|_| ());
    world.ended(Status::Exited(5), true);
    world.advance(seconds(2));
    assert_eq!(world.remaining(), Some(KILL_WAIT));
    assert_eq!(world.advance(KILL_WAIT), [Action::Tell(Decision::LeftBehind), Action::Exit(5)]);
}

#[test]
fn a_stop_and_its_leftovers_share_one_grace() {
    let mut world = World::running(|policy| policy.grace = Some(GRACE));
    world.signal(Signal::TERM);
    world.advance(seconds(8));
    world.ended(Status::Exited(0), true);
    assert_eq!(world.remaining(), Some(seconds(1)), "the engine's own clock started at the stop signal");
    assert_eq!(world.advance(seconds(1)), KILL_ALL);
    assert_eq!(world.tell(Event::NoChildren), [Action::Exit(0)], "main's code, not the leftovers'");
}

#[test]
fn leftovers_of_a_killed_main_are_killed_without_a_second_grace() {
    let mut world = World::running(|policy| policy.grace = Some(GRACE));
    world.signal(Signal::TERM);
    world.advance(GRACE);
    assert_eq!(world.ended(Status::Killed(Signal::KILL), true), [to_everyone(Signal::KILL)]);
    assert_eq!(world.remaining(), Some(KILL_WAIT));
    assert_eq!(world.tell(Event::NoChildren), [Action::Exit(137)]);
}

#[test]
fn codes_that_count_as_success() {
    let mut world = World::running(|policy| policy.zero.insert(143));
    world.signal(Signal::TERM);
    assert_eq!(world.ended(Status::Killed(Signal::TERM), false), [Action::Exit(0)]);
}

#[test]
fn a_main_that_cannot_start_gives_its_code_or_the_signal_that_came_for_it() {
    let waiting = Some(Signal::TERM);
    assert_eq!(World::with(|_| ()).machine.start_failed(127, None), 127);
    assert_eq!(World::with(|_| ()).machine.start_failed(127, waiting), 143);
    let peer = |policy: &mut Policy| {
        policy.waiting_signal_decides = false;
        policy.zero_covers_failures = true;
        policy.zero.insert(127);
    };
    assert_eq!(World::with(peer).machine.start_failed(127, waiting), 0);
    assert_eq!(World::with(|policy| policy.zero.insert(127)).machine.start_failed(127, None), 127);
}

#[test]
fn tini_ends_at_once_and_is_deaf_to_its_terminal() {
    let mut world = World::running(|policy| {
        policy.end = End::AtOnce;
        policy.job_control = JobControl::None;
        policy.deaf = SignalSet::of(&[Signal::TTIN, Signal::TTOU]);
    });
    assert_eq!(world.signal(Signal::TTIN), []);
    assert_eq!(world.signal(Signal::TSTP), [forward(Signal::TSTP)]);
    assert_eq!(world.stopped(Signal::TSTP, Front::Mains, true), []);
    assert_eq!(world.ended(Status::Exited(1), true), [Action::Exit(1)]);
}

#[test]
fn dumb_init_stops_itself_after_forwarding_and_ends_with_term_for_the_group() {
    let mut world = World::with(|policy| {
        policy.end = End::TermGroup;
        policy.job_control = JobControl::AfterForwarding;
        policy.target = Target::Group;
        policy.rewrites.set_default(Signal::TSTP, Signal::STOP);
        policy.rewrites.set(Signal::TERM, None);
    });
    world.machine.started(Terminal { hung_up: true, ..Terminal::default() });
    let hand_off = |signal| [Action::Tell(Decision::HandOff(signal))];
    assert_eq!(world.signal(Signal::HUP), hand_off(Signal::HUP));
    assert_eq!(world.signal(Signal::CONT), hand_off(Signal::CONT));
    let to_group = |signal| Action::Forward { to: Target::Group, signal, value: None };
    assert_eq!(world.signal(Signal::HUP), [to_group(Signal::HUP)], "only the first");
    assert_eq!(
        world.signal(Signal::TSTP),
        [
            Action::Tell(Decision::Rewritten { from: Signal::TSTP, to: Some(Signal::STOP) }),
            to_group(Signal::STOP),
            Action::Tell(Decision::Suspending),
            Action::Suspend(Suspension::Hard),
        ]
    );
    // `-r 15:0` takes the SIGTERM at the end away, too.
    let end = world.ended(Status::Exited(2), true);
    assert_eq!(end.last(), Some(&Action::Exit(2)));
    assert!(!end.iter().any(|action| matches!(action, Action::Forward { .. })));
}

fn suspended(how: Suspension) -> [Action; 2] {
    [Action::Tell(Decision::Suspending), Action::Suspend(how)]
}

#[test]
fn ctrl_z_stops_us_with_main_and_fg_brings_both_back() {
    for signal in [Signal::TSTP, Signal::STOP] {
        let mut world = World::on_terminal(|_| ());
        let [tell, suspend] = suspended(Suspension::Group(Signal::TSTP));
        assert_eq!(world.stopped(signal, Front::Mains, true), [Action::TakeTerminal, tell, suspend]);
        assert_eq!(world.stopped(signal, Front::Ours, true), [], "the SIGCONT is on its way");
        assert_eq!(world.signal(Signal::CONT), [Action::GiveTerminal, WAKE]);
        assert_eq!(
            world.signal(Signal::CONT),
            [Action::GiveTerminal, forward(Signal::CONT)],
            "a later one is main's, as any signal"
        );
    }
}

#[test]
fn ctrl_z_is_void_where_nobody_could_say_fg() {
    let mut world = World::on_terminal(|_| ());
    assert_eq!(world.stopped(Signal::TSTP, Front::Mains, false), [WAKE]);
    assert_eq!(world.stopped(Signal::STOP, Front::Mains, false), [], "somebody meant it");
    assert_eq!(world.ended(Status::Exited(0), false), [Action::TakeTerminal, Action::Exit(0)]);
}

#[test]
fn where_the_kernel_keeps_us_awake_main_is_continued() {
    let mut world = World::on_terminal(|_| ());
    world.stopped(Signal::TSTP, Front::Mains, true);
    assert_eq!(world.tell(Event::StayedAwake), [Action::GiveTerminal, WAKE]);
    for signal in [Signal::TTIN, Signal::STOP] {
        world.stopped(signal, Front::Others, true);
        assert_eq!(world.tell(Event::StayedAwake), [Action::GiveTerminal], "not for ever and ever");
    }
    assert_eq!(world.tell(Event::StayedAwake), []);
}

#[test]
fn a_main_that_was_stopped_for_want_of_the_terminal_gets_it_when_it_is_to_be_had() {
    for signal in [Signal::TTIN, Signal::TTOU] {
        let mut world = World::on_terminal(|_| ());
        assert_eq!(world.stopped(signal, Front::Ours, true), [Action::GiveTerminal, WAKE]);
        assert_eq!(world.stopped(signal, Front::Mains, true), [WAKE]);
        let regained = [Action::TakeTerminal, Action::GiveTerminal, WAKE];
        assert_eq!(world.stopped(signal, Front::Nobodys, false), regained);
        assert_eq!(world.stopped(signal, Front::Others, false), [], "it would only ask, and stop, again");
        let [tell, suspend] = suspended(Suspension::Group(signal));
        assert_eq!(world.stopped(signal, Front::Others, true), [Action::TakeTerminal, tell, suspend]);
    }
}

#[test]
fn a_key_that_finds_us_in_the_foreground_goes_to_main_s_group_and_the_terminal_with_it() {
    let mut world = World::on_terminal(|_| ());
    let to_group = Action::Forward { to: Target::Group, signal: Signal::INT, value: None };
    assert_eq!(world.signal_from(Signal::INT, Origin::Kernel), [to_group, Action::GiveTerminal]);
    assert_eq!(world.signal_from(Signal::INT, Origin::Process), [forward(Signal::INT)]);
}

#[test]
fn a_death_by_a_key_of_the_terminal_is_nothing_to_tell() {
    let end = [Action::TakeTerminal, Action::Exit(130)];
    assert_eq!(World::on_terminal(|_| ()).ended(Status::Killed(Signal::INT), false), end);
    let mut world = World::running(|policy| policy.job_control = JobControl::SharedGroup);
    world.signal_from(Signal::INT, Origin::Kernel);
    assert_eq!(world.ended(Status::Killed(Signal::INT), false), [Action::Exit(130)]);
}

#[test]
fn the_terminal_comes_back_at_main_s_end_and_again_when_its_last_job_is_gone() {
    let mut world = World::on_terminal(|_| ());
    assert_eq!(world.ended(Status::Exited(0), true).first(), Some(&Action::TakeTerminal));
    assert_eq!(world.tell(Event::NoChildren), [Action::TakeTerminal, Action::Exit(0)]);
}

#[test]
fn without_a_terminal_a_stopped_main_is_left_alone() {
    for signal in [Signal::TSTP, Signal::TTIN, Signal::STOP] {
        assert_eq!(World::running(|_| ()).stopped(signal, Front::Others, true), []);
    }
    assert_eq!(World::running(|_| ()).signal(Signal::CONT), [forward(Signal::CONT)]);
}

#[test]
fn in_a_shared_group_the_terminal_s_signals_are_not_sent_twice() {
    let chosen = World::running(|policy| policy.job_control = JobControl::SharedGroup);
    let mut found = World::with(|_| ());
    found.machine.started(Terminal { shared: true, ..Terminal::default() });
    for mut world in [chosen, found] {
        assert_eq!(world.signal_from(Signal::INT, Origin::Kernel), []);
        assert_eq!(world.signal_from(Signal::INT, Origin::Process), [forward(Signal::INT)]);
        assert_eq!(world.signal_from(Signal::TSTP, Origin::Kernel), []);
        assert_eq!(world.stopped(Signal::TSTP, Front::Others, false), [WAKE], "nobody could say fg");
        world.machine.terminal.job_control = true;
        let own = suspended(Suspension::Own(Signal::TSTP));
        assert_eq!(world.signal_from(Signal::TSTP, Origin::Kernel), own);
        assert_eq!(world.tell(Event::StayedAwake), [], "the kernel did not stop main either");
        // A hang-up is for the leader of the session alone.
        assert_eq!(world.signal_from(Signal::HUP, Origin::Kernel), [forward(Signal::HUP)]);
        assert_eq!(world.stopped(Signal::TSTP, Front::Others, true), []);
    }
}

#[test]
fn a_pause_ends_with_zero_on_term_or_int_alone() {
    let paused = || World::with(|policy| policy.pause = true);
    assert_eq!(paused().signal(Signal::TERM), [Action::Exit(0)]);
    assert_eq!(paused().signal(Signal::INT), [Action::Exit(0)]);
    assert_eq!(paused().signal(Signal::HUP), []);
    assert_eq!(paused().tell(Event::NoChildren), []);
}

mod any_order {
    use proptest::prelude::*;

    use super::*;

    fn event() -> impl Strategy<Value = Event> {
        let signal = (1..=64).prop_map(|number| Signal::new(number).unwrap());
        let origin =
            prop_oneof![Just(Origin::Process), Just(Origin::Kernel), any::<usize>().prop_map(Origin::Queued)];
        let front =
            prop_oneof![Just(Front::Ours), Just(Front::Mains), Just(Front::Nobodys), Just(Front::Others)];
        prop_oneof![
            8 => (signal.clone(), origin)
                .prop_map(|(signal, origin)| Event::Signal(Caught { signal, origin })),
            1 => (signal.clone(), front, any::<bool>()).prop_map(|(signal, front, job_control)| {
                Event::MainStopped(Stop { signal, front, job_control })
            }),
            1 => Just(Event::StayedAwake),
            1 => (any::<u8>(), any::<bool>())
                .prop_map(|(code, children_left)| Event::MainEnded { status: Status::Exited(code), children_left }),
            1 => Just(Event::NoChildren),
            2 => Just(Event::Deadline),
        ]
    }

    fn any_policy() -> impl Strategy<Value = Policy> {
        let end = prop_oneof![
            Just(End::AtOnce),
            Just(End::TermGroup),
            (0..5000u64).prop_map(|milliseconds| End::Leftovers(Duration::from_millis(milliseconds)))
        ];
        let job_control = prop_oneof![
            Just(JobControl::None),
            Just(JobControl::AfterForwarding),
            Just(JobControl::Foreground),
            Just(JobControl::SharedGroup)
        ];
        let grace = proptest::option::of((0..5000u64).prop_map(Duration::from_millis));
        (end, job_control, grace, any::<u64>(), any::<bool>()).prop_map(
            |(end, job_control, grace, deaf, group)| {
                let target = if group { Target::Group } else { Target::Main };
                Policy { end, job_control, grace, target, deaf: SignalSet::from_bits(deaf), ..policy() }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// Whatever comes in whatever order: never more actions than there is room for, one Exit at most and
        /// nothing after it, no deadline after the end, and the end comes in bounded time once main is gone.
        #[test]
        fn the_machine_ends_once(
            policy in any_policy(),
            terminal: (bool, bool, bool),
            events in proptest::collection::vec((event(), 0..3000u64), 0..60),
        ) {
            let (lent, shared, hung_up) = terminal;
            let mut world = World { machine: Machine::new(policy), now: Instant::now() };
            world.machine.started(Terminal { lent, shared, job_control: lent != shared, hung_up });
            let mut exit = None;
            for (event, milliseconds) in events {
                world.now += Duration::from_millis(milliseconds);
                let actions = world.tell(event);
                prop_assert!(exit.is_none() || actions.is_empty(), "{actions:?} after the end");
                prop_assert!(!actions[..actions.len().saturating_sub(1)].iter().any(|a| matches!(a, Action::Exit(_))));
                if let Some(Action::Exit(code)) = actions.last() {
                    exit = Some(*code);
                    prop_assert_eq!(world.machine.deadline(), None);
                }
            }
            if exit.is_none() {
                let last = world.ended(Status::Exited(9), true);
                let mut ended = matches!(last.last(), Some(Action::Exit(_)));
                for _ in 0..3 {
                    ended |= matches!(world.advance(seconds(6)).last(), Some(Action::Exit(_)));
                }
                prop_assert!(ended);
            }
        }
    }
}
