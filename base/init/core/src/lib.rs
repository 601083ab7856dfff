//! Unit files: what they say, in which order units are started, and which are started again.
//!
//! A unit is a TOML file `NAME.service`:
//!
//! ```toml
//! [unit]
//! description = "Files in memory"
//! requires = ["log"]              # units that are started before; `log.service` is the same
//! requires_weak = ["pcid"]        # the same, but if there is none or it fails, that is no obstacle
//! unless = ["rootfs"]             # it is left out if one of these has been started
//! optional = true                 # whether it is started or not, nobody is told
//!
//! [service]
//! cmd = "ramfsd"                  # a path, or a program in /usr/bin or /scheme/initfs/bin; see below
//! args = ["file", "$SIZE"]        # `$NAME` is a variable of init's environment; left out if there is none
//! envs = { LEVEL = "info" }       # its environment
//! inherit_envs = ["ROOT"]         # variables of init's that it has too
//! type = { scheme = "file" }      # or { bus = … }, "daemon", "notify", "oneshot", "oneshot_async", "console"
//! restart = "on-failure"          # or "always", "never" (the default)
//! schemes = ["log", "tty*"]       # what its namespace holds; nothing unless said
//! start_limit = 60                # seconds that it has to count as started; then it is ended; 0: any time
//! ```
//!
//! That is upstream's format but for `unless`, `optional`, `restart`, `schemes`, `start_limit`, and the types `bus` and
//! `console`, which are ours. Unless said, `start_limit` is [`START_LIMIT`], and for a `"oneshot"` there is
//! none. `default_dependencies` means nothing: there are none. A unit with `condition_architecture` is left out
//! unless [`ARCHITECTURE`] is among them.
//!
//! The program of a unit of the initial file system is looked for there first, that of any other in `/usr/bin`.
//! So nothing that files depend on is read from those files, which cannot be read while it is not there.
//!
//! | type | what it has | started when |
//! |---|---|---|
//! | `{ scheme = "NAME" }` | its socket and the right to bind NAME, once; a namespace if it names schemes | it has bound NAME |
//! | `{ bus = "NAME" }` | the same | it has bound NAME, and so have the drivers of what `/scheme/NAME/functions` lists |
//! | `"daemon"`, `"oneshot_async"` | | it runs |
//! | `"notify"` | a pipe, whose descriptor's number the variable [`NOTIFY`] has | it has written to the pipe |
//! | `"oneshot"` | | it has ended well |
//! | `"console"` | the console | everything else is started; its end is the system's |
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

use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use serde::Deserialize;

/// How a unit file's name ends.
pub const SUFFIX: &str = ".service";

/// What `condition_architecture` calls this one.
pub const ARCHITECTURE: &str = "x86_64";
/// The variable with the number of the descriptor by which a program says that it is ready.
pub const NOTIFY: &str = "INIT_NOTIFY";

/// A unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its file's name without [`SUFFIX`].
    pub name: String,
    /// For people.
    pub description: String,
    /// Names of units that are started before.
    pub requires: Vec<String>,
    /// Names of units that are started before, if there are any and they can be.
    pub requires_weak: Vec<String>,
    /// Names of units of which one that is started takes this one's place.
    pub unless: Vec<String>,
    /// Whether it is nothing to report when it cannot be started.
    pub optional: bool,
    /// What is run.
    pub service: Service,
    /// For a driver: the path of what it drives, which is opened for it.
    pub device: Option<String>,
    /// Whether it is one of the initial file system's. Then so is its program, if there is one there: the files
    /// may be just what cannot be reached without it.
    pub initial: bool,
    /// Whether it is meant for this machine.
    pub here: bool,
}

/// What a unit runs.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// A path, or the name of a program of the initial file system.
    pub cmd: String,
    /// Its arguments, without its name.
    #[serde(default)]
    pub args: Vec<String>,
    /// Its environment.
    #[serde(default)]
    pub envs: BTreeMap<String, String>,
    /// Variables that it has from this program's environment.
    #[serde(default)]
    pub inherit_envs: Vec<String>,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Whether it is started again.
    #[serde(default)]
    pub restart: Restart,
    /// What its namespace holds: names, or `prefix*`.
    #[serde(default)]
    pub schemes: Vec<String>,
    /// How many seconds it has to count as started, if that is said; see [`Unit::start_limit`].
    #[serde(default)]
    pub start_limit: Option<u32>,
}

/// What a unit is.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It serves a scheme of this name.
    Scheme(String),
    /// It serves a scheme of this name, which lists what there are drivers for.
    Bus(String),
    /// It runs.
    #[serde(alias = "oneshot_async")]
    Daemon,
    /// It runs, and says when it is ready.
    Notify,
    /// It does something and ends.
    Oneshot,
    /// It is what the user sees.
    Console,
}

/// When a unit that has ended is started again.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Not at all.
    #[default]
    Never,
    /// When it did not exit with 0.
    OnFailure,
    /// Always.
    Always,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    unit: Header,
    service: Service,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    #[serde(default)]
    description: String,
    #[serde(default)]
    requires: Vec<String>,
    #[serde(default)]
    requires_weak: Vec<String>,
    #[serde(default)]
    unless: Vec<String>,
    #[serde(default)]
    optional: bool,
    /// Whether it has the usual dependencies; there are none.
    #[serde(default, rename = "default_dependencies")]
    _default_dependencies: bool,
    condition_architecture: Option<Vec<String>>,
}

/// Why a unit is not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The file does not say what a unit file says; with the reason and its place.
    Malformed(String),
    /// It requires a unit that there is not.
    Missing(String),
    /// It requires itself, perhaps by way of others.
    Cycle,
    /// It requires one that is not started.
    Blocked(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => f.write_str(why),
            Self::Missing(name) => write!(f, "it requires `{name}`, which there is not"),
            Self::Cycle => f.write_str("it requires itself, perhaps by way of others"),
            Self::Blocked(name) => write!(f, "it requires `{name}`, which is not started"),
        }
    }
}

/// The paths at which a program is looked for, in this order; of the initial file system's first those there.
#[must_use]
pub fn programs(cmd: &str, initial: bool) -> Vec<String> {
    if cmd.contains('/') {
        return alloc::vec![cmd.to_string()];
    }
    let mut paths = alloc::vec![
        alloc::format!("/usr/bin/{cmd}"),
        alloc::format!("/scheme/initfs/bin/{cmd}"),
    ];
    if initial {
        paths.reverse();
    }
    paths
}

/// Reads a unit file.
///
/// # Errors
/// [`Error::Malformed`].
pub fn parse(name: &str, text: &str) -> Result<Unit, Error> {
    let file: File = toml::from_str(text).map_err(|e| Error::Malformed(place(text, &e)))?;
    let bad = |what: &str| Err(Error::Malformed(what.to_string()));
    if file.service.cmd.is_empty() {
        return bad("`cmd` is empty");
    }
    if let Kind::Scheme(scheme) | Kind::Bus(scheme) = &file.service.kind
        && scheme.is_empty()
    {
        return bad("the scheme's name is empty");
    }
    let bare = |name: &str| name.strip_suffix(SUFFIX).unwrap_or(name).to_string();
    let all = |names: Vec<String>| names.iter().map(|name| bare(name)).collect();
    let architectures = file.unit.condition_architecture;
    Ok(Unit {
        name: bare(name),
        description: file.unit.description,
        requires: all(file.unit.requires),
        requires_weak: all(file.unit.requires_weak),
        unless: all(file.unit.unless),
        optional: file.unit.optional,
        service: file.service,
        device: None,
        initial: false,
        here: architectures.is_none_or(|list| list.iter().any(|name| name == ARCHITECTURE)),
    })
}

/// The drivers that a bus's list of functions names. A line is a function's name, two words about it, the
/// program that drives it, the scheme that this serves, and the names that its namespace holds, separated by
/// commas; `-` for nothing.
#[must_use]
pub fn drivers(bus: &str, list: &str) -> Vec<Unit> {
    let unit = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let function = words.next()?;
        let [program, scheme, names] = [words.nth(2)?, words.next()?, words.next()?];
        if program == "-" || scheme == "-" {
            return None;
        }
        let names = names.split(',').filter(|name| *name != "-");
        Some(Unit {
            name: alloc::format!("{bus}/{function}"),
            description: alloc::format!("Driver of {function}"),
            requires: Vec::new(),
            requires_weak: Vec::new(),
            unless: Vec::new(),
            optional: false,
            service: Service {
                cmd: program.to_string(),
                args: Vec::new(),
                envs: BTreeMap::new(),
                inherit_envs: Vec::new(),
                kind: Kind::Scheme(scheme.to_string()),
                restart: Restart::Always,
                schemes: names.map(ToString::to_string).collect(),
                start_limit: None,
            },
            device: Some(alloc::format!("/scheme/{bus}/{function}")),
            initial: false,
            here: true,
        })
    };
    list.lines().filter_map(unit).collect()
}

impl Unit {
    /// How many seconds it has to count as started; `None`: as long as it takes.
    #[must_use]
    pub fn start_limit(&self) -> Option<u32> {
        let usual = (self.service.kind != Kind::Oneshot).then_some(START_LIMIT);
        self.service
            .start_limit
            .map_or(usual, |seconds| (seconds > 0).then_some(seconds))
    }

    /// Whether it is what a unit of this name lists, or that unit itself.
    #[must_use]
    pub fn belongs_to(&self, name: &str) -> bool {
        let rest = self.name.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The paths at which its program is looked for, in this order.
    #[must_use]
    pub fn programs(&self) -> Vec<String> {
        programs(&self.service.cmd, self.initial)
    }

    /// Puts the values of variables where arguments name them, and into its environment what it inherits. What it
    /// sets itself wins.
    pub fn substitute<'a>(&mut self, value: impl Fn(&str) -> Option<&'a str>) {
        let args = core::mem::take(&mut self.service.args).into_iter();
        let args = args.filter_map(|arg| match arg.strip_prefix('$') {
            Some(name) => value(name).map(ToString::to_string),
            None => Some(arg),
        });
        self.service.args = args.collect();
        for name in &self.service.inherit_envs {
            if let Some(value) = value(name) {
                let own = self.service.envs.entry(name.clone());
                own.or_insert_with(|| value.to_string());
            }
        }
    }

    /// Its environment, as a program has it.
    #[must_use]
    pub fn environment(&self) -> Vec<String> {
        let variables = self.service.envs.iter();
        variables
            .map(|(name, value)| alloc::format!("{name}={value}"))
            .collect()
    }
}

fn place(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(1, |text| text.split('\n').count());
    alloc::format!("line {line}: {}", error.message())
}

/// The order in which units are started: each after those it requires, otherwise by name; what is a
/// console, last. With the units that cannot be started, and why. Those for other machines are in neither.
#[must_use]
pub fn order(mut units: Vec<Unit>) -> (Vec<Unit>, Vec<(Unit, Error)>) {
    units.retain(|unit| unit.here);
    units.sort_by(|a, b| {
        let last = |unit: &Unit| unit.service.kind == Kind::Console;
        (last(a), &a.name).cmp(&(last(b), &b.name))
    });
    let mut refused: Vec<(Unit, Error)> = Vec::new();
    let names: Vec<String> = units.iter().map(|unit| unit.name.clone()).collect();
    let mut started: Vec<Unit> = Vec::new();
    let mut waiting = Vec::new();
    for unit in units {
        match unit.requires.iter().find(|name| !names.contains(name)) {
            Some(name) => {
                let error = Error::Missing(name.clone());
                refused.push((unit, error));
            }
            None => waiting.push(unit),
        }
    }
    loop {
        let done = |list: &[Unit], name: &String| list.iter().any(|unit| unit.name == *name);
        // What may take a unit's place is tried before it.
        let ready = waiting.iter().position(|unit| {
            unit.requires.iter().all(|name| done(&started, name))
                && !unit.unless.iter().any(|name| done(&waiting, name))
                && !unit.requires_weak.iter().any(|name| done(&waiting, name))
        });
        if let Some(index) = ready {
            started.push(waiting.remove(index));
            continue;
        }
        let blocked = waiting.iter().enumerate().find_map(|(index, unit)| {
            let of = |name: &&String| refused.iter().any(|(other, _)| other.name == **name);
            let name = unit.requires.iter().find(of)?;
            Some((index, Error::Blocked(name.clone())))
        });
        if let Some((index, error)) = blocked {
            refused.push((waiting.remove(index), error));
            continue;
        }
        // What only wishes to come after another need not.
        let weak = waiting.iter().position(|unit| {
            !unit.requires_weak.is_empty()
                && unit.requires.iter().all(|name| done(&started, name))
                && !unit.unless.iter().any(|name| done(&waiting, name))
        });
        match weak {
            Some(index) => started.push(waiting.remove(index)),
            None => break,
        }
    }
    refused.extend(waiting.into_iter().map(|unit| (unit, Error::Cycle)));
    (started, refused)
}

/// A unit that is started, being started or to be started.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The unit.
    pub unit: &'a Unit,
    /// When it was started for the first time: after those with lower numbers.
    pub order: usize,
    /// Whether it is not there at the moment.
    pub is_down: bool,
}

/// Whether a unit needs one that is not there at the moment, perhaps by way of others. A unit that lists
/// drivers is there when they are. Of units that wish to come after each other the later waits.
#[must_use]
pub fn waits_for_others(unit: &Unit, order: usize, all: &[Known<'_>]) -> bool {
    fn needs(unit: &Unit) -> impl Iterator<Item = &str> {
        let both = unit.requires.iter().chain(&unit.requires_weak);
        both.map(String::as_str)
    }
    let mut seen: Vec<&str> = Vec::new();
    let mut names: Vec<&str> = needs(unit).collect();
    while let Some(name) = names.pop() {
        let meant = all.iter().filter(|other| other.unit.belongs_to(name));
        for other in meant.filter(|other| other.order < order) {
            if other.is_down {
                return true;
            }
            if !seen.contains(&&*other.unit.name) {
                seen.push(&other.unit.name);
                names.extend(needs(other.unit));
            }
        }
    }
    false
}

/// How many seconds a unit has to count as started, unless its file says so.
pub const START_LIMIT: u32 = 60;

/// How often a unit is started again before it is given up.
const RESTARTS: u32 = 5;
/// A unit that has run for so many seconds is forgiven how often it was started.
const STEADY: u64 = 10;
/// How many milliseconds pass before a unit is started again for the second time; twice as many each time after.
const PAUSE: u64 = 100;

/// How often a unit has been started again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attempts(u32);

impl Attempts {
    /// In how many milliseconds a unit is to be started again that has ended, well or not, so many seconds after
    /// it counted as started, if ever; `None`: not at all.
    pub const fn again(&mut self, restart: Restart, well: bool, seconds: u64) -> Option<u64> {
        if seconds >= STEADY {
            self.0 = 0;
        }
        let wanted = match restart {
            Restart::Never => false,
            Restart::OnFailure => !well,
            Restart::Always => true,
        };
        if !wanted || self.0 >= RESTARTS {
            return None;
        }
        let pause = match self.0.checked_sub(1) {
            Some(times) => PAUSE.saturating_mul(1_u64.wrapping_shl(times)),
            None => 0,
        };
        self.0 = self.0.saturating_add(1);
        Some(pause)
    }
}

#[cfg(test)]
mod tests;
