//! What the arguments of `contain` mean: which schemes, directories and variables a program is to have.
//!
//! Nothing here opens anything. What is not named is not there: a plan without schemes and directories
//! is a program without a namespace.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;

use alloc::vec::Vec;
use core::fmt;

use getargs::{Arg, Options};

/// What `--help` says.
pub const HELP: &str = "\
Usage: contain [OPTION]... [--] COMMAND [ARGUMENT]...

Runs COMMAND with nothing but what is named here.

  --scheme NAME       the scheme NAME; `prefix*` for all that begin so
  --dir PATH[:ro]     the directory PATH, at its own path, with what is below it;
                      with :ro, nothing in it can be changed
  --env NAME=VALUE    an environment variable; there are no others
  --dry-run           show what the command would have, and do not run it
  --help              show this

Each option can be given several times. Without --scheme and --dir the command
has no namespace: it can name nothing, and has standard input, output and error
only. It cannot leave a directory, by `..` or by a link, and of processes it
knows only those that it starts itself. With --dir it starts in `/`, where the
way to the directories begins: name files by absolute paths.

COMMAND is found and loaded by contain, by PATH or as a path; the command itself
need not be able to reach it.

Programs that need random numbers (many in Rust) ask --scheme rand for them.

Exit status: the command's. When a signal ended it, contain ends by the same.
  125  contain itself has failed
  126  COMMAND cannot be run
  127  COMMAND cannot be found
";

/// What may be done in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whatever the caller may do.
    Full,
    /// Nothing that changes anything.
    ReadOnly,
}

/// A directory that is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dir<'a> {
    /// As it was written.
    pub path: &'a [u8],
    /// What may be done there.
    pub access: Access,
}

/// What is to be run, and with what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan<'a> {
    /// Names of schemes, or `prefix*`.
    pub schemes: Vec<&'a [u8]>,
    /// Directories.
    pub dirs: Vec<Dir<'a>>,
    /// `NAME=VALUE`.
    pub env: Vec<&'a [u8]>,
    /// Only to be shown.
    pub dry_run: bool,
    /// The command and its arguments.
    pub command: Vec<&'a [u8]>,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// The help.
    Help,
    /// To run something.
    Run(Plan<'a>),
}

/// What is wrong with the arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong<'a> {
    /// There is no such option.
    Unknown(&'a [u8]),
    /// The option lacks its value.
    NoValue(&'a [u8]),
    /// The option takes none.
    Surplus(&'a [u8]),
    /// No command was given.
    NoCommand,
    /// The value of `--scheme` is no name.
    Name(&'a [u8]),
    /// The value of `--dir` is empty.
    NoPath,
    /// The value of `--env` is not `NAME=VALUE`.
    Variable(&'a [u8]),
    /// The scheme is there as a whole, and directories of it as well.
    Whole,
}

struct Text<'a>(&'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match core::str::from_utf8(self.0) {
            Ok(text) => f.write_str(text),
            Err(_) => self.0.escape_ascii().fmt(f),
        }
    }
}

impl fmt::Display for Wrong<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(option) => write!(f, "there is no option `{}`", Text(option)),
            Self::NoValue(option) => write!(f, "`--{}` needs a value", Text(option)),
            Self::Surplus(option) => write!(f, "`--{}` takes no value", Text(option)),
            Self::NoCommand => f.write_str("there is no command to run"),
            Self::Name(name) => write!(f, "--scheme: `{}` is no name of a scheme", Text(name)),
            Self::NoPath => f.write_str("--dir: the path is empty"),
            Self::Variable(text) => write!(f, "--env: `{}` is not NAME=VALUE", Text(text)),
            Self::Whole => f.write_str(
                "`--scheme file` is all files, and `--dir` some of them: give one or the other",
            ),
        }
    }
}

/// Reads the arguments, without the program's name.
///
/// # Errors
/// The first thing that is wrong with them.
pub fn parse<'a>(args: &[&'a [u8]]) -> Result<Asked<'a>, Wrong<'a>> {
    let mut options = Options::new(args.iter().copied());
    let mut plan = Plan::default();
    let wrong = |error| match error {
        getargs::Error::RequiresValue(option) => Wrong::NoValue(name_of(option)),
        getargs::Error::DoesNotRequireValue(option) => Wrong::Surplus(name_of(option)),
        _ => Wrong::NoCommand,
    };
    while let Some(arg) = options.next_arg().map_err(wrong)? {
        match arg {
            Arg::Long(b"help") | Arg::Short(b'h') => return Ok(Asked::Help),
            Arg::Long(b"dry-run") => plan.dry_run = true,
            Arg::Long(b"scheme") => plan.schemes.push(scheme(options.value().map_err(wrong)?)?),
            Arg::Long(b"dir") => plan.dirs.push(dir(options.value().map_err(wrong)?)?),
            Arg::Long(b"env") => plan.env.push(variable(options.value().map_err(wrong)?)?),
            Arg::Long(other) => return Err(Wrong::Unknown(other)),
            Arg::Short(_) => return Err(Wrong::Unknown(short(args))),
            // The command ends the options: what follows is its own.
            Arg::Positional(command) => {
                plan.command.push(command);
                break;
            }
        }
    }
    plan.command.extend(options.positionals());
    if plan.command.is_empty() {
        return Err(Wrong::NoCommand);
    }
    let whole = |wanted: &&[u8]| match wanted.split_last() {
        Some((b'*', prefix)) => b"file".starts_with(prefix),
        _ => *wanted == b"file",
    };
    if !plan.dirs.is_empty() && plan.schemes.iter().any(whole) {
        return Err(Wrong::Whole);
    }
    Ok(Asked::Run(plan))
}

fn name_of(option: getargs::Opt<&[u8]>) -> &[u8] {
    match option {
        getargs::Opt::Long(name) => name,
        getargs::Opt::Short(_) => b"",
    }
}

/// The argument with the short option: there is only one that is right.
fn short<'a>(args: &[&'a [u8]]) -> &'a [u8] {
    let is_short = |arg: &&&[u8]| arg.first() == Some(&b'-') && arg.get(1) != Some(&b'-');
    args.iter().find(is_short).copied().unwrap_or(b"-")
}

fn scheme(name: &[u8]) -> Result<&[u8], Wrong<'_>> {
    let bare = name.strip_suffix(b"*").unwrap_or(name);
    let bad = |byte: &u8| matches!(byte, b'/' | b':' | b'*' | 0);
    let reserved = matches!(name, b"" | b"." | b".." | b"namespace");
    if reserved || name.len() > 255 || bare.iter().any(bad) || core::str::from_utf8(name).is_err() {
        return Err(Wrong::Name(name));
    }
    Ok(name)
}

fn dir(value: &[u8]) -> Result<Dir<'_>, Wrong<'_>> {
    let (path, access) = if let Some(path) = value.strip_suffix(b":ro") {
        (path, Access::ReadOnly)
    } else {
        (value, Access::Full)
    };
    if path.is_empty() {
        return Err(Wrong::NoPath);
    }
    Ok(Dir { path, access })
}

fn variable(text: &[u8]) -> Result<&[u8], Wrong<'_>> {
    match text.iter().position(|byte| *byte == b'=') {
        Some(1..) => Ok(text),
        _ => Err(Wrong::Variable(text)),
    }
}

/// A path as a place is bound at, if the words alone tell it: absolute, without `.` and `..`. Slashes
/// are as many as it takes.
#[must_use]
pub fn plain(path: &[u8]) -> Option<Vec<u8>> {
    if path.first() != Some(&b'/') {
        return None;
    }
    let mut plain = Vec::new();
    for part in components(path) {
        if matches!(part, b"." | b"..") {
            return None;
        }
        plain.push(b'/');
        plain.extend_from_slice(part);
    }
    if plain.is_empty() {
        plain.push(b'/');
    }
    Some(plain)
}

fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty())
}

/// Whether a path is a directory or in it.
#[must_use]
pub fn is_in(path: &[u8], directory: &[u8]) -> bool {
    let mut parts = components(path);
    components(directory).all(|part| parts.next() == Some(part))
}

/// Two directories that cannot both be had as they are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clash {
    /// The same twice.
    Twice(Vec<u8>),
    /// One that is to be read-only is in one that is not, and so can be changed by way of that.
    Weaker(Vec<u8>, Vec<u8>),
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice(path) => write!(f, "--dir: `{}` is named twice", Text(path)),
            Self::Weaker(inner, outer) => write!(
                f,
                "--dir: `{}` cannot be read-only: it is in `{}`, which is not",
                Text(inner),
                Text(outer)
            ),
        }
    }
}

/// Looks at all the directories together, at the paths where they will be.
///
/// # Errors
/// The first two that clash.
pub fn check(places: &[(Vec<u8>, Access)]) -> Result<(), Clash> {
    for (index, (path, access)) in places.iter().enumerate() {
        for (other_index, (other, others)) in places.iter().enumerate() {
            if index == other_index || !is_in(path, other) {
                continue;
            }
            if is_in(other, path) {
                return Err(Clash::Twice(path.clone()));
            }
            if *access == Access::ReadOnly && *others == Access::Full {
                return Err(Clash::Weaker(path.clone(), other.clone()));
            }
        }
    }
    Ok(())
}

/// Looks at the same directories once more, by what their file systems call them: links lead by one name to
/// what has another.
///
/// # Errors
/// The first that is to be read-only and can be changed by way of another.
pub fn check_found(places: &[(Vec<u8>, Access)], found: &[Vec<u8>]) -> Result<(), Clash> {
    let all = || places.iter().zip(found);
    let read_only = all().filter(|((_, access), _)| *access == Access::ReadOnly);
    for ((path, _), inner) in read_only {
        let way = all().find(|((_, access), outer)| *access == Access::Full && is_in(inner, outer));
        if let Some(((other, _), _)) = way {
            return Err(Clash::Weaker(path.clone(), other.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(line: &'a str) -> Result<Asked<'a>, Wrong<'a>> {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        parse(if line.is_empty() { &[] } else { &args })
    }

    fn run<'a>(line: &'a str) -> Plan<'a> {
        match read(line) {
            Ok(Asked::Run(plan)) => plan,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn what_is_named_is_planned() {
        let plan =
            run("--scheme rand --dir /a/b:ro --env=K=V=W --dir c --scheme=tty* -- lua -e --x");
        let dir = |path: &'static str, access| Dir {
            path: path.as_bytes(),
            access,
        };
        assert_eq!(
            plan,
            Plan {
                schemes: vec![b"rand", b"tty*"],
                dirs: vec![dir("/a/b", Access::ReadOnly), dir("c", Access::Full)],
                env: vec![b"K=V=W"],
                dry_run: false,
                command: vec![b"lua", b"-e", b"--x"],
            }
        );
        assert_eq!(run("ls").command, [b"ls"]);
        assert_eq!(
            run("ls --dir /x -- y").command,
            [&b"ls"[..], b"--dir", b"/x", b"--", b"y"],
            "what follows the command is its own"
        );
        assert_eq!(run("-- --help").command, [b"--help"]);
        assert!(run("--dry-run x").dry_run);
        assert_eq!(run("--dir /a:rox x").dirs, [dir("/a:rox", Access::Full)]);
        assert_eq!(run("--env K= x").env, [b"K="]);
        for line in ["--help", "-h", "--scheme rand --help -- x"] {
            assert_eq!(read(line), Ok(Asked::Help), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let table = [
            ("", "there is no command to run"),
            ("--scheme rand", "there is no command to run"),
            ("--scheme rand --", "there is no command to run"),
            ("--scheme", "`--scheme` needs a value"),
            ("--dir", "`--dir` needs a value"),
            ("--dry-run=1 x", "`--dry-run` takes no value"),
            ("--schema rand x", "there is no option `schema`"),
            ("-x ls", "there is no option `-x`"),
            ("--scheme= x", "`` is no name of a scheme"),
            ("--scheme a/b x", "`a/b` is no name of a scheme"),
            ("--scheme .. x", "`..` is no name"),
            ("--scheme namespace x", "`namespace` is no name"),
            ("--scheme a*b x", "`a*b` is no name"),
            ("--dir= x", "the path is empty"),
            ("--dir :ro x", "the path is empty"),
            ("--env K x", "`K` is not NAME=VALUE"),
            ("--env =V x", "`=V` is not NAME=VALUE"),
            ("--scheme file --dir /a x", "give one or the other"),
            ("--dir /a --scheme f* x", "give one or the other"),
        ];
        for (line, expected) in table {
            let wrong = read(line).expect_err(line);
            assert!(wrong.to_string().contains(expected), "{line:?}: {wrong}");
        }
        assert!(read("--scheme f* x").is_ok());
    }

    #[test]
    fn plain_paths() {
        let table = [
            ("/", Some("/")),
            ("//", Some("/")),
            ("/a", Some("/a")),
            ("/a//b/", Some("/a/b")),
            ("/a/./b", None),
            ("/a/..", None),
            ("a", None),
            (".", None),
            ("/.a/..b", Some("/.a/..b")),
        ];
        for (path, expected) in table {
            let got = plain(path.as_bytes());
            assert_eq!(got.as_deref(), expected.map(str::as_bytes), "{path}");
        }
    }

    #[test]
    fn inside() {
        let table = [
            ("/a/b", "/a", true),
            ("/a", "/a", true),
            ("/ab", "/a", false),
            ("/a", "/a/b", false),
            ("/a", "/", true),
        ];
        for (path, directory, expected) in table {
            let got = is_in(path.as_bytes(), directory.as_bytes());
            assert_eq!(got, expected, "{path} {directory}");
        }
    }

    #[test]
    fn directories_together() {
        use Access::{Full, ReadOnly};
        let place = |path: &str, access| (path.as_bytes().to_vec(), access);
        let weaker = |a: &str, b: &str| Err(Clash::Weaker(a.into(), b.into()));
        type Places = Vec<(Vec<u8>, Access)>;
        let table: Vec<(Places, Result<(), Clash>)> = vec![
            (vec![], Ok(())),
            (vec![place("/a", Full), place("/b", ReadOnly)], Ok(())),
            (vec![place("/a", ReadOnly), place("/a/b", Full)], Ok(())),
            (vec![place("/", ReadOnly), place("/a/b", Full)], Ok(())),
            (
                vec![place("/a/b", ReadOnly), place("/a", Full)],
                weaker("/a/b", "/a"),
            ),
            (
                vec![place("/", Full), place("/a", ReadOnly)],
                weaker("/a", "/"),
            ),
            (
                vec![place("/a", Full), place("/a", ReadOnly)],
                Err(Clash::Twice(b"/a".to_vec())),
            ),
        ];
        for (places, expected) in table {
            assert_eq!(check(&places), expected, "{places:?}");
        }
    }

    #[test]
    fn directories_by_other_names() {
        use Access::{Full, ReadOnly};
        // Each as it is written, as it is found, and how it is to be had.
        type Row = &'static [(&'static str, &'static str, Access)];
        let table: [(Row, Option<(&str, &str)>); 7] = [
            (&[], None),
            (&[("/link", "/a", Full), ("/a", "/a", Full)], None),
            (&[("/link", "/a", ReadOnly), ("/a", "/a", ReadOnly)], None),
            (&[("/link", "/a", ReadOnly), ("/a/b", "/a/b", Full)], None),
            (
                &[("/link", "/a", Full), ("/a/b", "/a/b", ReadOnly)],
                Some(("/a/b", "/link")),
            ),
            (
                &[("/a", "/a", ReadOnly), ("/link", "/a", Full)],
                Some(("/a", "/link")),
            ),
            (
                &[
                    ("/b/link", "/a/b", ReadOnly),
                    ("/c", "/c", Full),
                    ("/a", "/a", Full),
                ],
                Some(("/b/link", "/a")),
            ),
        ];
        for (row, clash) in table {
            let places: Vec<_> = row
                .iter()
                .map(|(path, _, access)| (path.as_bytes().to_vec(), *access))
                .collect();
            let found: Vec<_> = row
                .iter()
                .map(|(_, found, _)| found.as_bytes().to_vec())
                .collect();
            assert_eq!(check(&places), Ok(()), "{row:?}");
            let expected = match clash {
                None => Ok(()),
                Some((inner, outer)) => Err(Clash::Weaker(inner.into(), outer.into())),
            };
            assert_eq!(check_found(&places, &found), expected, "{row:?}");
        }
    }
}
