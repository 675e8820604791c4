//! A model of how programs read their words: `getopt_long(3)` as glibc has it, and `find(1)`.

/// Whether an option takes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Never.
    Nothing,
    /// Only one that is attached: `--color=never`, `-i.bak`.
    Attached,
    /// Always: what is attached, or else the next word.
    Value,
}

/// How a program reads its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// `getopt_long(3)`, options anywhere.
    Permute,
    /// The same up to the first operand (`POSIXLY_CORRECT`, or `+` in front of the letters).
    UpToOperand,
    /// Single words with one dash.
    Words,
    /// There are no options.
    None,
}

/// What a program makes of its words.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Read {
    /// The options, as the program's own table names them.
    pub options: Vec<String>,
    /// The operands.
    pub operands: Vec<String>,
    /// Whether every option was written as the table names it.
    pub exact: bool,
}

/// A program.
#[derive(Debug)]
pub struct Program {
    /// How it reads its words.
    pub way: Way,
    /// Its options with their dashes, no name twice.
    pub options: Vec<(String, Takes)>,
}

impl Program {
    /// Reads words as the program does. None where it would refuse them: an unknown or ambiguous
    /// option, or one whose value is missing or not wanted.
    pub fn read(&self, words: &[String]) -> Option<Read> {
        let mut read = Read { exact: true, ..Read::default() };
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let is_option = self.way != Way::None && word.starts_with('-') && word != "-";
            if !is_option {
                read.operands.push(word.clone());
                if self.way == Way::UpToOperand {
                    break;
                }
                continue;
            }
            let takes = match self.way {
                Way::Words => self.word(word, &mut read)?,
                _ if word == "--" => break,
                _ if word.starts_with("--") => self.long(word, &mut read)?,
                _ => self.cluster(&word[1..], &mut read)?,
            };
            if takes == Takes::Value {
                rest.next()?;
            }
        }
        read.operands.extend(rest.cloned());
        Some(read)
    }

    fn find(&self, name: &str) -> Option<&(String, Takes)> {
        self.options.iter().find(|(own, _)| own == name)
    }

    /// `find(1)`: no values attached, no abbreviations.
    fn word(&self, word: &str, read: &mut Read) -> Option<Takes> {
        let (name, takes) = self.find(word)?;
        read.options.push(name.clone());
        Some(if *takes == Takes::Attached { Takes::Nothing } else { *takes })
    }

    /// What still has to come from the next word.
    fn long(&self, word: &str, read: &mut Read) -> Option<Takes> {
        let (typed, value) = word.split_once('=').map_or((word, None), |(n, v)| (n, Some(v)));
        let (name, takes) = match self.find(typed) {
            Some(exact) => exact,
            None => {
                let long = self.options.iter().filter(|(own, _)| own.starts_with("--"));
                let mut meant = long.filter(|(own, _)| own.starts_with(typed));
                // getopt_long(3): an abbreviation must be unique.
                let only = meant.next()?;
                if meant.next().is_some() {
                    return None;
                }
                read.exact = false;
                only
            }
        };
        read.options.push(name.clone());
        match (takes, value) {
            (Takes::Nothing, Some(_)) => None,
            (Takes::Nothing | Takes::Attached, None) | (_, Some(_)) => Some(Takes::Nothing),
            (Takes::Value, None) => Some(Takes::Value),
        }
    }

    fn cluster(&self, letters: &str, read: &mut Read) -> Option<Takes> {
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            let (name, takes) = self.find(&format!("-{letter}"))?;
            read.options.push(name.clone());
            match takes {
                Takes::Nothing => {}
                Takes::Attached => return Some(Takes::Nothing),
                Takes::Value if rest.as_str().is_empty() => return Some(Takes::Value),
                Takes::Value => return Some(Takes::Nothing),
            }
        }
        Some(Takes::Nothing)
    }
}
