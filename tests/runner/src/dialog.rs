//! Somebody at the machine's console: what they wait for, and what they type then.
//!
//! A script is a TOML file of steps, each of which is a test:
//!
//! ```toml
//! [[step]]
//! name = "asks_for_a_name"
//! expect = "login: "      # waited for, behind what the step before has seen
//! without = ["panic"]     # what must not be seen until then
//! send = "user\r"         # typed then
//! ```
//!
//! With `ends = true` before the steps, the machine must switch itself off after the last.
//!
//! Carriage returns that the machine sends count for nothing.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// What is to be done.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Script {
    #[serde(default)]
    ends: bool,
    #[serde(rename = "step")]
    steps: Vec<Step>,
}

/// One thing that is waited for, and what is typed then.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Step {
    name: String,
    expect: String,
    #[serde(default)]
    without: Vec<String>,
    #[serde(default)]
    send: String,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Type this.
    Send(String),
    /// Tell the judge this line.
    Tell(String),
}

/// A script and how far it is.
#[derive(Debug)]
pub struct Dialog {
    steps: std::vec::IntoIter<Step>,
    current: Option<Step>,
    count: usize,
    seen: Vec<u8>,
    /// Whether the machine's end is still to come.
    ends: bool,
}

/// The test that the machine switches itself off.
const THE_END: &str = "the_machine_switches_itself_off";

impl Script {
    /// Reads a script.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    /// The script in `text`.
    pub fn parse(text: &str) -> Result<Self> {
        let script: Self = toml::from_str(text)?;
        Ok(Self {
            ends: script.ends,
            ..Self::new(script.steps)?
        })
    }

    /// The script of some steps: at least one, and each waits for something.
    pub fn new(steps: Vec<Step>) -> Result<Self> {
        if steps.is_empty() {
            bail!("a script without steps");
        }
        if let Some(step) = steps.iter().find(|step| step.expect.is_empty()) {
            bail!("step {:?} waits for nothing", step.name);
        }
        Ok(Self { ends: false, steps })
    }
}

impl Step {
    /// The step called `name`, which waits for `expect` and then types `send`.
    pub fn new(name: String, expect: String, send: String) -> Self {
        Self {
            name,
            expect,
            without: Vec::new(),
            send,
        }
    }
}

impl Dialog {
    /// At the beginning of a script.
    pub fn new(script: Script) -> Self {
        let count = script.steps.len() + usize::from(script.ends);
        let mut steps = script.steps.into_iter();
        Self {
            current: steps.next(),
            steps,
            count,
            seen: Vec::new(),
            ends: script.ends,
        }
    }

    /// What the judge is told first.
    pub fn plan(&self) -> String {
        format!("@test plan {}", self.count)
    }

    /// The machine has said this.
    pub fn hear(&mut self, bytes: &[u8]) -> Vec<Act> {
        self.seen
            .extend(bytes.iter().filter(|byte| **byte != b'\r'));
        let mut acts = Vec::new();
        while let Some(step) = &self.current {
            let Some(at) = find(&self.seen, step.expect.as_bytes()) else {
                break;
            };
            let before = &self.seen[..at];
            let wrong = |text: &&String| find(before, text.as_bytes()).is_some();
            let name = &step.name;
            acts.push(Act::Tell(match step.without.iter().find(wrong) {
                None => format!("@test ok {name}"),
                Some(text) => format!("@test FAIL {name}: {text:?} was seen"),
            }));
            if !step.send.is_empty() {
                acts.push(Act::Send(step.send.clone()));
            }
            self.seen.drain(..at + step.expect.len());
            self.current = self.steps.next();
            if self.current.is_none() && !self.ends {
                acts.push(Act::Tell("@done 0".to_owned()));
            }
        }
        acts
    }

    /// The machine has ended, by being switched off or otherwise: what the judge is told.
    pub fn end(&mut self, off: bool) -> Vec<String> {
        if self.current.is_some() || !std::mem::take(&mut self.ends) {
            return Vec::new();
        }
        if off {
            vec![format!("@test ok {THE_END}"), "@done 0".to_owned()]
        } else {
            vec![format!("@test FAIL {THE_END}: it ended otherwise")]
        }
    }

    /// Nothing more will be heard: what the judge is told of the step that waits.
    pub fn give_up(&self) -> Option<String> {
        let Some(step) = &self.current else {
            return self
                .ends
                .then(|| format!("@test FAIL {THE_END}: it goes on"));
        };
        let seen = String::from_utf8_lossy(&self.seen);
        let tail: Vec<&str> = seen.lines().rev().take(4).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        let (name, expect) = (&step.name, &step.expect);
        Some(format!(
            "@test FAIL {name}: {expect:?} was not seen, but {:?}",
            tail.join("\n")
        ))
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|part| part == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = r#"
        [[step]]
        name = "name"
        expect = "login: "
        send = "user\r"
        [[step]]
        name = "list"
        expect = "$ "
        without = ["secret", "\u0007"]
    "#;

    fn tell(text: &str) -> Act {
        Act::Tell(text.to_owned())
    }

    #[test]
    fn steps_are_taken_one_after_the_other() {
        let mut dialog = Dialog::new(Script::parse(SCRIPT).unwrap());
        assert_eq!(dialog.plan(), "@test plan 2");
        assert_eq!(dialog.hear(b"$ \r\nlog"), []);
        let typed = Act::Send("user\r".to_owned());
        assert_eq!(dialog.hear(b"in: $"), [tell("@test ok name"), typed]);
        assert!(dialog.give_up().unwrap().contains("list: \"$ \""));
        let done = [tell("@test ok list"), tell("@done 0")];
        assert_eq!(dialog.hear(b" "), done);
        assert_eq!(dialog.give_up(), None);
        assert_eq!(dialog.hear(b"more"), []);
    }

    #[test]
    fn what_must_not_be_seen_fails_the_step() {
        let mut dialog = Dialog::new(Script::parse(SCRIPT).unwrap());
        let acts = dialog.hear(b"login: a sec\rret\n$ ");
        assert_eq!(acts[2], tell("@test FAIL list: \"secret\" was seen"));
        // What is seen before or behind is another step's affair.
        let mut dialog = Dialog::new(Script::parse(SCRIPT).unwrap());
        let acts = dialog.hear(b"secret login: x$ secret");
        assert_eq!(acts[2], tell("@test ok list"));
    }

    #[test]
    fn the_machine_may_have_to_end() {
        let script = || Script::parse(&format!("ends = true\n{SCRIPT}")).unwrap();
        let said = b"login: $ ";
        let mut dialog = Dialog::new(script());
        assert_eq!(dialog.plan(), "@test plan 3");
        // Too early: the step that waits is what has failed.
        assert!(dialog.end(true).is_empty());
        assert_eq!(dialog.hear(said).last(), Some(&tell("@test ok list")));
        assert!(dialog.give_up().unwrap().ends_with("goes on"));
        let rows = [
            (
                true,
                vec!["@test ok the_machine_switches_itself_off", "@done 0"],
            ),
            (
                false,
                vec!["@test FAIL the_machine_switches_itself_off: it ended otherwise"],
            ),
        ];
        for (off, wanted) in rows {
            let mut dialog = Dialog::new(script());
            dialog.hear(said);
            assert_eq!(dialog.end(off), wanted);
            assert_eq!(dialog.give_up(), None);
        }
        let mut dialog = Dialog::new(Script::parse(SCRIPT).unwrap());
        dialog.hear(said);
        assert!(dialog.end(true).is_empty());
    }

    #[test]
    fn bad_scripts_are_refused() {
        let rows = [
            "",
            "step = []",
            "[[step]]\nname = 'a'",
            "[[step]]\nname = 'a'\nexpect = ''",
            "[[step]]\nname = 'a'\nexpect = 'b'\nsent = 'c'",
        ];
        for text in rows {
            assert!(Script::parse(text).is_err(), "{text:?}");
        }
    }
}
