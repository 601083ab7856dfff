//! What the kernel's command line asks of the first process.
//!
//! | word | meaning |
//! |---|---|
//! | `init=NAME` | the program of the initfs to start in place of the system |
//! | `grant=all` | it gets the kernel's scheme roots, the scheme-creation capability and the initfs |
//! | `root=UUID` | the volume that files are on |
//! | `verbose` | say what the machine is, and what is started |
//! | `--` | every further word is an argument of that program |
//!
//! Words are separated by blanks; of several of a kind the last counts. Unknown words are the
//! kernel's or somebody else's and are skipped.
#![no_std]
#![forbid(unsafe_code)]

/// How many arguments are passed on.
pub const MAX_ARGS: usize = 64;

/// A parsed command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine<'a> {
    /// Path in the initfs of a program to start in place of the system.
    pub init: Option<&'a [u8]>,
    /// Whether it gets everything that the first process has.
    pub grant_all: bool,
    /// The number of the volume that files are on.
    pub root: Option<&'a [u8]>,
    /// Whether to say what happens.
    pub verbose: bool,
    args: [&'a [u8]; MAX_ARGS],
    arg_count: usize,
}

/// There are more than [`MAX_ARGS`] words behind `--`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyArguments;

impl<'a> CommandLine<'a> {
    /// Parses. What is not UTF-8 is passed on as it is.
    pub fn parse(line: &'a [u8]) -> Result<Self, TooManyArguments> {
        let mut parsed = Self {
            init: None,
            grant_all: false,
            root: None,
            verbose: false,
            args: [&[]; MAX_ARGS],
            arg_count: 0,
        };
        let mut words = line
            .split(|b| b" \t\n\0".contains(b))
            .filter(|w| !w.is_empty());
        while let Some(word) = words.next() {
            if word == b"--" {
                for arg in words.by_ref() {
                    *parsed
                        .args
                        .get_mut(parsed.arg_count)
                        .ok_or(TooManyArguments)? = arg;
                    parsed.arg_count += 1;
                }
            } else if let Some(name) = word.strip_prefix(b"init=") {
                parsed.init = Some(name);
            } else if let Some(what) = word.strip_prefix(b"grant=") {
                parsed.grant_all = what == b"all";
            } else if let Some(uuid) = word.strip_prefix(b"root=") {
                parsed.root = Some(uuid);
            } else if word == b"verbose" {
                parsed.verbose = true;
            }
        }
        Ok(parsed)
    }

    /// The program's arguments, without its name.
    #[must_use]
    pub fn args(&self) -> &[&'a [u8]] {
        self.args.get(..self.arg_count).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let rows: &[(&str, &str, bool, &[&[u8]])] = &[
            ("", "", false, &[]),
            ("quiet -- a init=b", "", false, &[b"a", b"init=b"]),
            ("quiet init=ktest", "ktest", false, &[]),
            ("init=a init=b grant=all", "b", true, &[]),
            ("grant=all grant=none", "", false, &[]),
            (
                "  init=sys/call\t--  one init=x -- ",
                "sys/call",
                false,
                &[b"one", b"init=x", b"--"],
            ),
            ("init=t\n\0", "t", false, &[]),
            ("reinit=x xgrant=all", "", false, &[]),
        ];
        for (line, init, grant_all, args) in rows {
            let got = CommandLine::parse(line.as_bytes()).unwrap();
            assert_eq!(
                (got.init.unwrap_or(b""), got.grant_all, got.args()),
                (init.as_bytes(), *grant_all, *args),
                "{line:?}"
            );
        }
    }

    #[test]
    fn root() {
        let parsed = CommandLine::parse(b"quiet root=1 root=2-3 -- root=4").unwrap();
        assert_eq!(parsed.root, Some(&b"2-3"[..]));
        assert_eq!(CommandLine::parse(b"").unwrap().root, None);
    }

    #[test]
    fn verbose() {
        for (line, verbose) in [
            ("verbose", true),
            ("a verbose -- b", true),
            ("", false),
            ("-- verbose", false),
            ("verbose=1 xverbose", false),
        ] {
            let parsed = CommandLine::parse(line.as_bytes()).unwrap();
            assert_eq!(parsed.verbose, verbose, "{line:?}");
        }
    }

    #[test]
    fn limit() {
        let mut line = [b' '; 3 + 2 * (MAX_ARGS + 1)];
        line[..2].copy_from_slice(b"--");
        for i in 0..=MAX_ARGS {
            line[3 + 2 * i] = b'a';
        }
        assert_eq!(CommandLine::parse(&line), Err(TooManyArguments));
        assert_eq!(
            CommandLine::parse(&line[..3 + 2 * MAX_ARGS])
                .unwrap()
                .args()
                .len(),
            MAX_ARGS
        );
    }
}
