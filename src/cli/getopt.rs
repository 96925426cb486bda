//! getopt(3) and getopt_long(3) as the C libraries do them: clusters (`-vvg`), glued values (`-e143`), long names
//! with `=`, unambiguous abbreviations, and options behind operands where the program's own parser takes them.
//!
//! Own code, since swapping rinit in must change no line: none of the argument crates permutes, abbreviates, or can
//! tell its caller what getopt would have said.

use std::ffi::CStr;

use crate::sys::Strings;

/// One option: its letter (0 for none), its long name, whether it takes a value.
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    /// `v` for `-v`; 0 where there is no short form.
    pub letter: u8,
    /// Without dashes; empty where there is no long form.
    pub long: &'static str,
    /// Whether a value follows.
    pub takes_value: bool,
}

impl Opt {
    /// A short form alone.
    #[must_use]
    pub const fn short(letter: u8, takes_value: bool) -> Self {
        Self { letter, long: "", takes_value }
    }
}

/// What an operand means for the options behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The first operand ends the options (POSIX, and `+` in glibc).
    Stop,
    /// Options behind operands are options, too (glibc's default).
    Permute,
}

/// What is wrong with a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// No such letter.
    UnknownLetter(u8),
    /// No such long name.
    UnknownLong(&'static [u8]),
    /// A prefix of more than one long name.
    Ambiguous(&'static [u8]),
    /// A letter's value is missing.
    LetterWantsValue(u8),
    /// A long option's value is missing.
    LongWantsValue(&'static str),
    /// A long option was given a value that it does not take.
    UnwantedValue(&'static str),
}

/// The walk over one command line.
#[derive(Debug)]
pub struct Getopt<'a> {
    options: &'a [Opt],
    order: Order,
    arguments: Strings,
    next: usize,
    cluster: &'static [u8],
    operands: Vec<&'static CStr>,
    long: bool,
}

/// An option that was found: its entry's index in the table, and its value.
pub type Found = (usize, Option<&'static [u8]>);

impl<'a> Getopt<'a> {
    /// A walk over `arguments`, without argv\[0\]. Without any long name in the table, `--x` is a cluster of letters.
    #[must_use]
    pub fn new(options: &'a [Opt], order: Order, arguments: Strings) -> Self {
        let long = options.iter().any(|option| !option.long.is_empty());
        Self { options, order, arguments, next: 0, cluster: b"", operands: Vec::new(), long }
    }

    /// The next option, or `None` at the end of the options.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn next_option(&mut self) -> Result<Option<Found>, Wrong> {
        if !self.cluster.is_empty() {
            return self.letter().map(Some);
        }
        while let Some(argument) = self.arguments.get(self.next) {
            match argument.to_bytes() {
                b"--" => {
                    self.next += 1;
                    return Ok(None);
                }
                [b'-', b'-', name @ ..] if self.long => {
                    self.next += 1;
                    return self.long_name(name).map(Some);
                }
                [b'-', letters @ ..] if !letters.is_empty() => {
                    self.next += 1;
                    self.cluster = letters;
                    return self.letter().map(Some);
                }
                _ if self.order == Order::Stop => return Ok(None),
                _ => {
                    self.operands.push(argument);
                    self.next += 1;
                }
            }
        }
        Ok(None)
    }

    /// What is left: the operands in front of options, and all that the walk did not reach.
    #[must_use]
    pub fn rest(self) -> Strings {
        let tail = self.arguments.skip(self.next);
        if self.operands.is_empty() {
            return tail;
        }
        Strings::leak(self.operands.into_iter().chain(tail.iter()).collect())
    }

    /// Whether an operand has been passed on the way.
    #[must_use]
    pub fn has_passed_operand(&self) -> bool {
        !self.operands.is_empty()
    }

    fn letter(&mut self) -> Result<Found, Wrong> {
        let Some((letter, rest)) = self.cluster.split_first() else { return Err(Wrong::UnknownLetter(b'-')) };
        self.cluster = rest;
        let index = self
            .options
            .iter()
            .position(|option| option.letter == *letter && *letter != 0)
            .ok_or(Wrong::UnknownLetter(*letter))?;
        if !self.options[index].takes_value {
            return Ok((index, None));
        }
        self.cluster = b"";
        if !rest.is_empty() {
            return Ok((index, Some(rest)));
        }
        self.following().map(|value| (index, Some(value))).ok_or(Wrong::LetterWantsValue(*letter))
    }

    fn long_name(&mut self, text: &'static [u8]) -> Result<Found, Wrong> {
        let equals = text.iter().position(|byte| *byte == b'=');
        let (name, value) = match equals {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        let index = self.by_long_name(name, text)?;
        let option = self.options[index];
        match (option.takes_value, value) {
            (false, None) => Ok((index, None)),
            (false, Some(_)) => Err(Wrong::UnwantedValue(option.long)),
            (true, Some(value)) => Ok((index, Some(value))),
            (true, None) => {
                self.following().map(|value| (index, Some(value))).ok_or(Wrong::LongWantsValue(option.long))
            }
        }
    }

    fn by_long_name(&self, name: &[u8], text: &'static [u8]) -> Result<usize, Wrong> {
        let long = |index: &usize| self.options[*index].long.as_bytes();
        let all = 0..self.options.len();
        if let Some(exact) = all.clone().find(|index| !name.is_empty() && long(index) == name) {
            return Ok(exact);
        }
        let mut close = all.filter(|index| !long(index).is_empty() && long(index).starts_with(name));
        match (close.next(), close.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(Wrong::Ambiguous(text)),
            (None, _) => Err(Wrong::UnknownLong(text)),
        }
    }

    fn following(&mut self) -> Option<&'static [u8]> {
        let value = self.arguments.get(self.next)?.to_bytes();
        self.next += 1;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Opt] = &[
        Opt { letter: b'v', long: "verbose", takes_value: false },
        Opt { letter: b'V', long: "version", takes_value: false },
        Opt { letter: b'r', long: "rewrite", takes_value: true },
        Opt { letter: b'g', long: "", takes_value: false },
    ];

    fn walk(order: Order, arguments: Vec<&'static CStr>) -> Result<(String, Vec<&'static CStr>), Wrong> {
        let mut getopt = Getopt::new(TABLE, order, Strings::leak(arguments));
        let mut seen = String::new();
        while let Some((index, value)) = getopt.next_option()? {
            seen.push(char::from(TABLE[index].letter));
            seen.push_str(&String::from_utf8_lossy(value.unwrap_or_default()));
        }
        Ok((seen, getopt.rest().iter().collect()))
    }

    #[test]
    fn clusters_values_and_abbreviations() {
        for (arguments, seen) in [
            (vec![c"-vvg", c"x"], "vvg"),
            (vec![c"-vr1:2", c"x"], "vr1:2"),
            (vec![c"-r", c"1:2", c"x"], "r1:2"),
            (vec![c"--rew", c"1:2", c"x"], "r1:2"),
            (vec![c"--rewrite=1:2", c"x"], "r1:2"),
            (vec![c"--rewrite=", c"x"], "r"),
            (vec![c"--vers", c"--", c"x"], "V"),
            (vec![c"-r", c"--", c"x"], "r--"),
        ] {
            assert_eq!(walk(Order::Stop, arguments), Ok((seen.into(), vec![c"x"])));
        }
    }

    #[test]
    fn the_first_operand_ends_the_options_or_does_not() {
        let line = || vec![c"-v", c"prog", c"-g", c"-", c"--", c"-v", c"x"];
        let all = vec![c"prog", c"-g", c"-", c"--", c"-v", c"x"];
        assert_eq!(walk(Order::Stop, line()), Ok(("v".into(), all)));
        assert_eq!(walk(Order::Permute, line()), Ok(("vg".into(), vec![c"prog", c"-", c"-v", c"x"])));
    }

    #[test]
    fn each_mistake_has_its_name() {
        for (arguments, wrong) in [
            (vec![c"-x"], Wrong::UnknownLetter(b'x')),
            (vec![c"-vx"], Wrong::UnknownLetter(b'x')),
            (vec![c"--nope"], Wrong::UnknownLong(b"nope")),
            (vec![c"--ver"], Wrong::Ambiguous(b"ver")),
            (vec![c"-r"], Wrong::LetterWantsValue(b'r')),
            (vec![c"--rewrite"], Wrong::LongWantsValue("rewrite")),
            (vec![c"--verbose=1"], Wrong::UnwantedValue("verbose")),
        ] {
            assert_eq!(walk(Order::Stop, arguments), Err(wrong));
        }
    }

    #[test]
    fn without_long_names_two_dashes_are_letters() {
        let table = [Opt::short(b'v', false)];
        let mut getopt = Getopt::new(&table, Order::Permute, Strings::leak(vec![c"--help"]));
        assert_eq!(getopt.next_option(), Err(Wrong::UnknownLetter(b'-')));
    }

    proptest::proptest! {
        #[test]
        fn every_word_is_an_option_a_value_or_left(words: Vec<Vec<u8>>, permute: bool) {
            let words: Vec<&'static CStr> = Strings::leak_bytes(words).iter().collect();
            let order = if permute { Order::Permute } else { Order::Stop };
            if let Ok((_, rest)) = walk(order, words.clone()) {
                let mut all = words.iter();
                proptest::prop_assert!(rest.iter().all(|left| all.any(|word| word == left)));
            }
        }
    }
}
