//! How a process ended, and the code that stands for it.

use crate::signal::Signal;

/// How a process ended (wait(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// By exit(3) with this code.
    Exited(u8),
    /// By this signal.
    Killed(Signal),
}

impl Status {
    /// The code that shells, Docker and every restart policy read: N, or 128+S.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            Self::Killed(signal) => 128 + signal.number() as u8,
        }
    }
}

/// Exit codes that count as success (`-e`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodeSet([u64; 4]);

impl CodeSet {
    /// None.
    pub const NONE: Self = Self([0; 4]);

    /// Adds one.
    pub fn insert(&mut self, code: u8) {
        self.0[usize::from(code >> 6)] |= 1 << (code & 63);
    }

    /// 0 for a code in the set, else the code itself.
    #[must_use]
    pub const fn remap(&self, code: u8) -> u8 {
        if self.0[(code >> 6) as usize] >> (code & 63) & 1 == 1 { 0 } else { code }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_can_be_remapped_and_only_that_one() {
        for code in 0..=255 {
            let mut set = CodeSet::default();
            set.insert(code);
            for other in 0..=255 {
                assert_eq!(set.remap(other), if other == code { 0 } else { other });
            }
        }
    }

    #[test]
    fn a_death_by_signal_is_128_plus_its_number() {
        assert_eq!(Status::Exited(44).code(), 44);
        assert_eq!(Status::Killed(Signal::KILL).code(), 137);
        assert_eq!(Status::Killed(Signal::new(64).unwrap()).code(), 192);
    }
}
