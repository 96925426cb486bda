//! Signals as numbers with names. Pure: nothing here sends or receives one.

use std::fmt;

use nix::sys::signal::Signal as Standard;

/// The first real-time signal as programs see it: glibc and musl keep 32, 33 (and musl 34) for themselves, and
/// `kill -l` everywhere calls 34 SIGRTMIN (signal(7)).
const RT_MIN: u8 = 34;

/// A signal number that exists: 1 to 64 (signal(7); `_NSIG` in the kernel's asm/signal.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(u8);

impl Signal {
    /// Hang-up of the terminal, or "read your configuration again".
    pub const HUP: Self = Self(1);
    /// Ctrl-C.
    pub const INT: Self = Self(2);
    /// Ctrl-\, and a graceful stop for nginx and php-fpm.
    pub const QUIT: Self = Self(3);
    /// Cannot be caught.
    pub const KILL: Self = Self(9);
    /// A write to a pipe that nobody reads.
    pub const PIPE: Self = Self(13);
    /// The polite stop; what `docker stop` sends.
    pub const TERM: Self = Self(15);
    /// A child changed state.
    pub const CHLD: Self = Self(17);
    /// Go on after a stop.
    pub const CONT: Self = Self(18);
    /// Cannot be caught.
    pub const STOP: Self = Self(19);
    /// Ctrl-Z.
    pub const TSTP: Self = Self(20);
    /// A background job read from the terminal.
    pub const TTIN: Self = Self(21);
    /// A background job wrote to the terminal.
    pub const TTOU: Self = Self(22);
    /// The terminal changed its size.
    pub const WINCH: Self = Self(28);

    /// The signal with this number, if the kernel has one.
    #[must_use]
    pub const fn new(number: i32) -> Option<Self> {
        if number >= 1 && number <= 64 { Some(Self(number as u8)) } else { None }
    }

    /// Its number, 1 to 64.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0 as i32
    }

    /// A name with or without `SIG`, in any case, or a number: `TERM`, `sigterm`, `15`, `RTMIN+3`.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return Self::new(text.parse().ok()?);
        }
        let upper = text.to_ascii_uppercase();
        let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some(rest) = bare.strip_prefix("RTMIN") {
            let offset = if rest.is_empty() { 0 } else { rest.strip_prefix('+')?.parse::<u8>().ok()? };
            return Self::new(i32::from(RT_MIN) + i32::from(offset));
        }
        if let Some(rest) = bare.strip_prefix("RTMAX") {
            let offset = if rest.is_empty() { 0 } else { rest.strip_prefix('-')?.parse::<u8>().ok()? };
            return Self::new(64 - i32::from(offset)).filter(|signal| signal.0 >= RT_MIN);
        }
        (1..32).filter_map(Self::new).find(|signal| signal.standard().is_some_and(|name| &name[3..] == bare))
    }

    /// `SIGTERM` for the signals that have a fixed name (1 to 31).
    #[must_use]
    pub fn standard(self) -> Option<&'static str> {
        Standard::try_from(self.number()).ok().map(Standard::as_str)
    }

    /// Whether a process that does nothing about this signal ends by it (signal(7), "Standard signals").
    #[must_use]
    pub const fn ends_by_default(self) -> bool {
        !matches!(self.0, 17..=23 | 28)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.standard() {
            Some(name) => f.write_str(name),
            None if self.0 == RT_MIN => f.write_str("SIGRTMIN"),
            None if self.0 > RT_MIN => write!(f, "SIGRTMIN+{}", self.0 - RT_MIN),
            None => write!(f, "signal {}", self.0),
        }
    }
}

/// A set of signals: bit n−1 for signal n, as the kernel has it (`sigset_t` of rt_sigprocmask(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SignalSet(u64);

impl SignalSet {
    /// No signal.
    pub const EMPTY: Self = Self(0);
    /// Every signal, the C libraries' own ones (32 to 34) too.
    pub const ALL: Self = Self(u64::MAX);

    /// The set with the kernel's bits.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The set of these signals.
    #[must_use]
    pub const fn of(signals: &[Signal]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < signals.len() {
            bits |= 1 << (signals[i].0 - 1);
            i += 1;
        }
        Self(bits)
    }

    /// The kernel's bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether `signal` is in it.
    #[must_use]
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 >> (signal.0 - 1) & 1 == 1
    }

    /// Puts `signal` in.
    pub fn insert(&mut self, signal: Signal) {
        self.0 |= 1 << (signal.0 - 1);
    }

    /// Takes `signal` out; whether it was there.
    pub fn remove(&mut self, signal: Signal) -> bool {
        let had = self.contains(signal);
        self.0 &= !(1 << (signal.0 - 1));
        had
    }

    /// The signals in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The lowest signal for which `wanted` holds.
    pub fn find(self, mut wanted: impl FnMut(Signal) -> bool) -> Option<Signal> {
        (1..=64).filter_map(Signal::new).find(|signal| self.contains(*signal) && wanted(*signal))
    }
}

/// What the kernel raises in a process that itself went wrong. tini and catatonit leave these to their own fate.
pub const FAULTS: SignalSet =
    SignalSet::of(&[Signal(8), Signal(4), Signal(11), Signal(7), Signal(6), Signal(5), Signal(31)]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_meet() {
        for (text, number) in [
            ("TERM", 15),
            ("SIGTERM", 15),
            ("sigusr1", 10),
            ("1", 1),
            ("64", 64),
            ("PWR", 30),
            ("STKFLT", 16),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("RTMAX", 64),
            ("RTMAX-1", 63),
        ] {
            assert_eq!(Signal::parse(text.as_bytes()).map(Signal::number), Some(number), "{text}");
        }
        for text in ["", "0", "65", "SIG", "NOPE", "-1", "RTMIN+31", "RTMAX-31", "15x", "RTMIN3", "\u{e9}"] {
            assert_eq!(Signal::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn every_printed_name_is_read_back() {
        for number in (1..32).chain(34..65) {
            let signal = Signal::new(number).unwrap();
            assert_eq!(Signal::parse(signal.to_string().as_bytes()), Some(signal), "{signal}");
        }
    }

    #[test]
    fn the_signals_that_do_not_end_a_process() {
        let harmless: Vec<i32> = (1..=64).filter(|n| !Signal::new(*n).unwrap().ends_by_default()).collect();
        assert_eq!(harmless, [17, 18, 19, 20, 21, 22, 23, 28]);
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let mut set = SignalSet::of(&[Signal::HUP, Signal::CONT]);
        assert_eq!(set.bits(), 1 | 1 << 17);
        assert!(set.remove(Signal::HUP));
        assert!(!set.remove(Signal::HUP));
        assert_eq!(set.find(|_| true), Some(Signal::CONT));
        assert_eq!(SignalSet::ALL.find(|s| s.number() > 63).map(Signal::number), Some(64));
    }
}
