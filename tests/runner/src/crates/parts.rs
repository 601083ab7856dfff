//! A suite in parts, each in a machine of its own: what hangs, or takes the machine along, costs one test.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::log;

/// What to run of a suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Everything.
    All,
    /// Nothing: the log is judged anew.
    None,
    /// What has no outcome in the log, of a suite in parts.
    Rest,
    /// Tests whose names begin so, once more, of a suite in parts.
    Only(Vec<String>),
}

/// Runs tests, `size` at a time: all of the list, or those whose names begin as one of `only`. `before` is what the log of
/// a run before says, if that counts. `run` is given words for the test program, and answers what was said, which the
/// log gets.
pub(super) fn run(
    which: &Which,
    size: usize,
    only: &[String],
    before: &str,
    mut run: impl FnMut(&[&str]) -> Result<String>,
) -> Result<()> {
    let tests = if *which == Which::All {
        log::listed(&run(&["--list"])?, only)
    } else {
        log::listed(before, only)
    };
    if tests.is_empty() {
        bail!("there is no list of its tests, which a whole run begins with");
    }
    let done = log::done(before);
    let wanted = |test: &&String| match which {
        Which::All => true,
        Which::None => false,
        Which::Rest => !done.contains(*test),
        Which::Only(prefixes) => prefixes.iter().any(|prefix| test.starts_with(prefix)),
    };
    let mut left: Vec<&str> = tests.iter().filter(wanted).map(String::as_str).collect();
    let mut failed_before = false;
    while !left.is_empty() {
        println!("  {} of {} tests to run", left.len(), tests.len());
        let mut words = vec!["--exact", "--test-threads=1"];
        words.extend(left.iter().take(size));
        let done: BTreeSet<String> = log::done_in_part(&run(&words)?).collect();
        let count = left.len();
        left.retain(|test| !done.contains(*test));
        // A machine may fail once for reasons of its own.
        let failed = left.len() == count;
        if failed && failed_before {
            bail!("twice in a row no test had an outcome");
        }
        failed_before = failed;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A suite of four tests, of which `b` hangs, and a machine that does not start the second time.
    fn suite(which: &Which, size: usize, before: &str) -> (Vec<String>, String) {
        let mut runs = Vec::new();
        let mut all = before.to_owned();
        run(which, size, &[], before, |words| {
            runs.push(words.join(" "));
            let mut said = String::new();
            if words == ["--list"] {
                said += "a: test\nb: test\nc: test\nd::e: test\n";
            } else if runs.len() != 2 {
                said += &format!("running {} tests\n", words.len() - 2);
                for word in &words[2..] {
                    if *word == "b" {
                        said += "test b ... cook exec: the time is up";
                        break;
                    }
                    said += &format!("test {word} ... ok\n");
                }
            } else {
                said += "no machine";
            }
            said += &format!("\n{}0\n", log::STATUS);
            all += &said;
            Ok(said)
        })
        .unwrap();
        (runs, all)
    }

    #[test]
    fn all_have_an_outcome() {
        let (runs, said) = suite(&Which::All, 3, "");
        let words = "--exact --test-threads=1";
        assert_eq!(
            runs,
            [
                "--list".to_owned(),
                format!("{words} a b c"),
                format!("{words} a b c"),
                format!("{words} c d::e"),
            ]
        );
        let found = log::read_parts(&said, &[]);
        assert_eq!((found.planned, found.passed), (4, 3));
        assert_eq!(found.failed, BTreeSet::from(["b".to_owned()]));
    }

    #[test]
    fn some_are_run_again() {
        let list = format!("a: test\nb: test\nc: test\nd::e: test\n{}0\n", log::STATUS);
        let cut = format!("{list}running 4 tests\ntest a ... ok\ntest c ... ok\n");
        let words = "--exact --test-threads=1";
        let (runs, said) = suite(&Which::Only(vec!["d:".into(), "a".into()]), 9, &cut);
        assert_eq!(runs, [format!("{words} a d::e")]);
        assert_eq!(log::done(&said).len(), 3);
        let (runs, _) = suite(&Which::Rest, 9, &format!("{cut}{}0\n", log::STATUS));
        assert_eq!(runs[0], format!("{words} b d::e"));
        assert!(suite(&Which::None, 9, &cut).0.is_empty());
        let never = |_: &[&str]| -> Result<String> { unreachable!() };
        assert!(run(&Which::Rest, 9, &[], "", never).is_err());
    }

    #[test]
    fn two_machines_that_fail_end_it() {
        let mut runs = 0;
        let failed = run(&Which::All, 1, &[], "", |words| {
            runs += 1;
            let list = if words == ["--list"] { "a: test\n" } else { "" };
            Ok(format!("{list}oh\n{}1\n", log::STATUS))
        });
        assert!(failed.is_err());
        assert_eq!(runs, 3);
    }
}
