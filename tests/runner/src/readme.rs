//! A text for readers, done as its readers would: what it shows of a terminal is typed, and what comes must be
//! what it shows.
//!
//! A fenced block of `console` is a terminal on the host: lines after the prompt `$ ` are commands, and those below a
//! command are what it prints on its standard output. All blocks are one terminal, which begins at the top of
//! the tree. A block of `console guest` is the console of the machine that the block above it starts with its last
//! command: what follows one of the guest's prompts is typed there, and the rest must be seen as it stands.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::dialog::{Dialog, Script, Step};
use crate::qemu;

/// How long the machine may take for everything in one block, in seconds.
const GUEST_TIME: u64 = 300;
/// Stands before the status of a command, in what the shell says between commands. No command prints it.
const MARK: &str = "\u{1e}status ";
/// Where temporary files are, in the reader's home.
const TEMPORARY: &str = ".tmp";

/// A block of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Block {
    /// Commands, each with what it prints.
    Host(Vec<Exchange>),
    /// Commands as before, the last of which starts a machine, and what is seen at that machine's console.
    Guest {
        before: Vec<Exchange>,
        start: String,
        console: Vec<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Exchange {
    command: String,
    output: String,
}

/// Finds the blocks.
fn blocks(text: &str) -> Result<Vec<Block>> {
    let mut found: Vec<Block> = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else {
            continue;
        };
        let body: Vec<String> = lines
            .by_ref()
            .map(|(_, line)| line.to_owned())
            .take_while(|line| line != "```")
            .collect();
        let place = || format!("line {}", number + 1);
        match kind {
            "console" => found.push(Block::Host(exchanges(&body).with_context(place)?)),
            "console guest" => {
                let Some(Block::Host(mut before)) = found.pop() else {
                    bail!("{}: no block above starts the machine", place());
                };
                let last = before.pop().filter(|last| last.output.is_empty());
                let last = last.with_context(|| {
                    format!("{}: no last command above starts the machine", place())
                })?;
                found.push(Block::Guest {
                    before,
                    start: last.command,
                    console: body,
                });
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Takes a terminal's lines apart.
fn exchanges(lines: &[String]) -> Result<Vec<Exchange>> {
    let mut all: Vec<Exchange> = Vec::new();
    for line in lines {
        if let Some(command) = line.strip_prefix("$ ") {
            all.push(Exchange {
                command: command.to_owned(),
                output: String::new(),
            });
        } else {
            let last = all.last_mut();
            let last = last.with_context(|| format!("{line:?} is printed by no command"))?;
            last.output.push_str(line);
            last.output.push('\n');
        }
    }
    Ok(all)
}

/// Where a line of the guest's console is a prompt, where that ends.
fn prompt(line: &str) -> Option<usize> {
    let ends = |mark: &str| line.find(mark).map(|at| at + mark.len());
    if line.starts_with('/') {
        return ends(" $ ").or_else(|| ends(" # "));
    }
    ["login: ", "Password: "]
        .iter()
        .find(|word| line.starts_with(**word))
        .map(|word| word.len())
}

/// What is waited for and typed at the guest's console.
fn script(console: &[String]) -> Result<Script> {
    let mut steps = Vec::new();
    let mut seen = String::new();
    for line in console {
        let Some(end) = prompt(line) else {
            seen.push_str(line);
            seen.push('\n');
            continue;
        };
        let (shown, typed) = line.split_at(end);
        seen.push_str(shown);
        steps.push(Step::new(
            format!("{}:{typed}", steps.len() + 1).replace(char::is_whitespace, "_"),
            std::mem::take(&mut seen),
            format!("{typed}\r"),
        ));
        // What is typed is seen before its answer, but a password is not.
        if !shown.starts_with("Password") && !shown.starts_with("login") {
            seen = format!("{typed}\n");
        }
    }
    if !seen.is_empty() {
        steps.push(Step::new("the_end".to_owned(), seen, String::new()));
    }
    Script::new(steps)
}

/// Does what the text in `file` shows; the guest's consoles are kept in the folder `logs`. Answers whether anything was
/// different.
pub fn run(file: &Path, logs: &Path) -> Result<bool> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let blocks = blocks(&text).with_context(|| file.display().to_string())?;
    if blocks.is_empty() {
        bail!("{} shows no terminal", file.display());
    }
    fs::create_dir_all(logs).with_context(|| format!("cannot create {}", logs.display()))?;
    let mut terminal = Terminal::new()?;
    let (mut passed, mut failed) = (0, 0);
    for (number, block) in blocks.iter().enumerate() {
        let commands = match block {
            Block::Host(commands) => commands,
            Block::Guest { before, .. } => before,
        };
        for problem in terminal.problems(commands)? {
            match problem {
                None => passed += 1,
                Some(text) => {
                    failed += 1;
                    println!("  FAIL {text}");
                }
            }
        }
        if let Block::Guest { start, console, .. } = block {
            let log = logs.join(format!("readme-{number}.serial"));
            let outcome = qemu::run(
                &mut terminal.shell(&format!("{start} 2>/dev/null")),
                Some(Dialog::new(script(console)?)),
                GUEST_TIME,
                &log,
                |_, _| {},
            )?;
            passed += outcome.report.passed;
            failed += outcome.report.failed();
            for failure in &outcome.report.failures {
                println!("  FAIL guest {}: {}", failure.name, failure.reason);
            }
            for problem in &outcome.report.problems {
                println!("  FAIL guest: {problem} (see {})", log.display());
            }
        }
    }
    println!("readme: {passed} passed, {failed} failed");
    Ok(failed > 0)
}

/// The reader's terminal: a folder and variables that last from command to command, and a home that nobody misses.
struct Terminal {
    home: TempDir,
    /// What brings a new shell to where the last one was.
    history: String,
}

impl Terminal {
    fn new() -> Result<Self> {
        let home = tempfile::Builder::new()
            .prefix("readme-")
            .tempdir()
            .context("cannot create a temporary folder")?;
        let state = home.path().join(".terminal");
        fs::write(&state, "").with_context(|| format!("cannot write {}", state.display()))?;
        let temporary = home.path().join(TEMPORARY);
        fs::create_dir(&temporary)
            .with_context(|| format!("cannot create {}", temporary.display()))?;
        Ok(Self {
            history: format!(". '{}'", state.display()),
            home,
        })
    }

    /// A shell where the last one was left.
    fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        command.arg("-c").arg(format!("{}\n{script}", self.history));
        // cargo and rustup find what they have through the home that is replaced here.
        if let Some(old) = std::env::var_os("HOME") {
            for (variable, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
                if std::env::var_os(variable).is_none() {
                    command.env(variable, Path::new(&old).join(folder));
                }
            }
        }
        // What is done to the disk is forgotten, and so are files of commands that are killed with the machine.
        command
            .env("HOME", self.home.path())
            .env("TMPDIR", self.home.path().join(TEMPORARY))
            .env("QEMUFLAGS", "-snapshot");
        command
    }

    /// Types commands; for each, what was wrong.
    fn problems(&mut self, commands: &[Exchange]) -> Result<Vec<Option<String>>> {
        let mut script = String::new();
        for exchange in commands {
            script += &format!("{}\nprintf '{MARK}%s\\n' $?\n", exchange.command);
        }
        script += "{ declare -p PATH; printf 'cd %q\\n' \"$PWD\"; } >\"$HOME/.terminal\"\n";
        let mut shell = self
            .shell(&script)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start bash")?;
        let mut errors = shell.stderr.take().context("no error output")?;
        // Shown only when something is wrong.
        let errors = std::thread::spawn(move || {
            let mut kept = Vec::new();
            let _ = std::io::copy(&mut errors, &mut kept);
            kept
        });
        let output = shell.wait_with_output().context("cannot wait for bash")?;
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = errors.join().unwrap_or_default();
        let problems = judge(commands, &output);
        if problems.iter().any(Option::is_some) {
            let _ = std::io::stderr().write_all(&errors);
        }
        Ok(problems)
    }
}

/// Compares what the commands printed with what they should.
fn judge(commands: &[Exchange], output: &str) -> Vec<Option<String>> {
    let mut rest = output;
    commands
        .iter()
        .map(|Exchange { command, output }| {
            let Some((printed, behind)) = rest.split_once(MARK) else {
                return Some(format!("`{command}` did not end, but printed {rest:?}"));
            };
            let (status, behind) = behind.split_once('\n').unwrap_or((behind, ""));
            rest = behind;
            if status != "0" {
                Some(format!("`{command}` ended with {status}"))
            } else if printed != output {
                Some(format!(
                    "`{command}` printed {printed:?} instead of {output:?}"
                ))
            } else {
                None
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(command: &str, output: &str) -> Exchange {
        Exchange {
            command: command.to_owned(),
            output: output.to_owned(),
        }
    }

    #[test]
    fn blocks_are_found() {
        let text = "# A\n```sh\nnothing\n```\n```console\n$ a\n1\n2\n$ b\n```\ntext\n```console guest\nlogin: user\n```\n";
        let found = blocks(text).unwrap();
        let guest = Block::Guest {
            before: vec![exchange("a", "1\n2\n")],
            start: "b".to_owned(),
            console: vec!["login: user".to_owned()],
        };
        assert_eq!(found, [guest]);
        for wrong in [
            "```console\nx\n```\n",
            "```console guest\nlogin: a\n```\n",
            "```console\n$ a\nsays\n```\n```console guest\nlogin: a\n```\n",
        ] {
            assert!(blocks(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_console_is_waited_for_and_typed_at() {
        let lines = [
            "login: user",
            "Welcome.",
            "/home/user $ a b",
            "1",
            "/home/user $ ",
        ];
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let steps = script(&lines).unwrap();
        let expected = Script::new(vec![
            Step::new("1:user".into(), "login: ".into(), "user\r".into()),
            Step::new(
                "2:a_b".into(),
                "Welcome.\n/home/user $ ".into(),
                "a b\r".into(),
            ),
            Step::new("3:".into(), "a b\n1\n/home/user $ ".into(), "\r".into()),
            Step::new("the_end".into(), "\n".into(), String::new()),
        ]);
        assert_eq!(steps, expected.unwrap());
    }

    #[test]
    fn what_is_printed_is_compared() {
        let commands = [
            exchange("a", "1\n"),
            exchange("b", ""),
            exchange("c", "x\n"),
            exchange("d", ""),
        ];
        let output = format!("1\n{MARK}0\n{MARK}2\ny\n{MARK}0\nleft");
        let problems = judge(&commands, &output);
        assert_eq!(problems[0], None);
        assert_eq!(problems[1].as_deref(), Some("`b` ended with 2"));
        assert_eq!(
            problems[2].as_deref(),
            Some("`c` printed \"y\\n\" instead of \"x\\n\"")
        );
        assert_eq!(
            problems[3].as_deref(),
            Some("`d` did not end, but printed \"left\"")
        );
    }

    /// The folder and the search path last, on this host's own shell.
    #[test]
    fn a_terminal_remembers() {
        let mut terminal = Terminal::new().unwrap();
        let first = [
            exchange("mkdir -p ~/a && cd ~/a", ""),
            exchange("export PATH=/x:$PATH", ""),
        ];
        assert_eq!(terminal.problems(&first).unwrap(), [None, None]);
        let second = [exchange("basename $PWD; echo ${PATH%%:*}", "a\n/x\n")];
        assert_eq!(terminal.problems(&second).unwrap(), [None]);
    }

    #[test]
    fn temporary_files_go_with_the_terminal() {
        let mut terminal = Terminal::new().unwrap();
        let command = "file=$(mktemp); echo ${file%/*} | sed \"s:^$HOME:home:\"";
        let left = [exchange(command, "home/.tmp\n")];
        assert_eq!(terminal.problems(&left).unwrap(), [None]);
    }
}
