//! `cook exec`: one command in a machine of its own.

mod guest;
mod machine;

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use exec_protocol::{Decoder, Item, MAX_INPUT, ToGuest, ToHost, VERSION};
use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::disk;
use crate::plan::{Lock, Plan};
use crate::tree::Tree;
use machine::Machine;

/// What every run needs built.
const PARTS: [&str; 3] = ["kernel", "base-initfs", "execd"];
/// What reads the disk, in the initial file system.
const DISK_READER: &str = "bin/redoxfsd";
/// How long a machine may take until the command starts.
const BOOT: Duration = Duration::from_secs(120);
/// How long a command may go on after a signal before its machine is stopped.
const GRACE: Duration = Duration::from_secs(3);
/// How many things that have happened may wait to be attended to.
const EVENTS: usize = 16;
/// How long the last word may take to be written.
const LAST_WORD: Duration = Duration::from_secs(1);
/// How many of the last bytes of the boot's log are kept for a failure.
const LOG: usize = 4096;
/// What the kernel says when there is nothing to wait for any more.
const FATAL: [&str; 2] = ["kernel: panicked at", "kernel: cannot start"];

/// The exit status when the time is up.
const TIMED_OUT: u8 = 124;
/// The exit status when the machine failed.
const FAILED: u8 = 125;
/// The exit status when there is such a command, which cannot be run.
const CANNOT_RUN: u8 = 126;
/// The exit status when there is no such command.
const NOT_FOUND: u8 = 127;

/// What to run, and in what.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The image: a name in config/ or a path to a TOML file.
    #[arg(short, long, default_value = "default")]
    pub config: String,
    /// A host file or folder that the command finds in the guest, in /root if nothing else is said.
    #[arg(short, long = "file", value_name = "HOST[:GUEST]")]
    pub files: Vec<String>,
    /// A variable of the command's environment.
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// Stop the machine after so many seconds, with status 124.
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<f64>,
    /// Memory in MiB.
    #[arg(long, default_value_t = 512, value_name = "MIB")]
    pub mem: u32,
    /// Processors of the machine, of which the kernel uses one.
    #[arg(long, default_value_t = 1)]
    pub cpus: u32,
    /// Count instructions: time in the guest is their number, the same in every run.
    #[arg(long)]
    pub icount: bool,
    /// Run on the processor itself, where that works; instructions are translated otherwise.
    #[arg(long, conflicts_with = "icount")]
    pub kvm: bool,
    /// Show the log of kernel and boot on the standard error output.
    #[arg(short, long)]
    pub verbose: bool,
    /// The folder in the guest that the command starts in, if not `/root`.
    #[arg(skip)]
    pub folder: Option<String>,
    /// Names in host folders of what is not taken along.
    #[arg(skip)]
    pub without: Vec<String>,
    /// The command and its arguments.
    #[arg(required = true, last = true)]
    pub command: Vec<OsString>,
}

/// Options of `cook exec` for programs that `cook cargo run` and `test` start.
const CARGO_OPTIONS: &str = "COOK_EXEC";

/// What happens while a command runs.
enum Event {
    /// The agent says something about the command.
    Message(ToHost),
    /// The kernel said that it can do no more.
    Fatal,
    LineEnd,
    /// The command's output cannot be passed on.
    Unwritable(io::Error),
    Input(Vec<u8>),
    Signal(i32),
}

/// The end of what kernel and boot said.
type Log = Arc<Mutex<Vec<u8>>>;

/// Why a run is over.
enum End {
    Status(u8),
    /// The machine's failure.
    Failed(String),
}

impl Options {
    /// The options that the environment says for cargo's runs, without a command.
    pub fn from_environment() -> Result<Self> {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            options: Options,
        }
        let said = std::env::var(CARGO_OPTIONS).unwrap_or_default();
        let words = ["cook exec"].into_iter().chain(said.split_whitespace());
        // The command is what cargo says.
        let words = words.chain(["--", "command"]);
        let line = <Line as clap::Parser>::try_parse_from(words)
            .with_context(|| format!("the variable {CARGO_OPTIONS}"))?;
        Ok(line.options)
    }
}

/// Runs the command; the exit status is its own.
pub fn run(tree: &Tree, options: &Options) -> ExitCode {
    match try_run(tree, options) {
        Ok(End::Status(status)) => ExitCode::from(status),
        Ok(End::Failed(why)) => {
            complain(why);
            ExitCode::from(FAILED)
        }
        Err(error) => {
            complain(format!("{error:#}"));
            ExitCode::from(FAILED)
        }
    }
}

fn try_run(tree: &Tree, options: &Options) -> Result<End> {
    let request = guest::request(options)?;
    let parts: Vec<String> = PARTS.iter().map(|part| (*part).to_owned()).collect();
    // The standard error output is the command's.
    let plan = Plan::new(tree, &parts)?.quiet();
    let lock = Lock::take(tree)?;
    plan.build()?;
    // The image is the root if the initial file system can read one; else there are files in memory.
    let disk = if guest::has(tree, DISK_READER)? {
        let settings = disk::Settings::read(tree, &options.config)?;
        let mut packages = settings.packages();
        packages.extend(parts);
        let plan = Plan::new(tree, &packages)?.quiet();
        plan.build()?;
        disk::write(tree, &settings, &plan)?;
        Some(settings.disk())
    } else {
        None
    };
    // From here on there is something to be left behind.
    let (sender, events) = mpsc::sync_channel(EVENTS);
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT]).context("cannot catch signals")?;
    let of_signals = sender.clone();
    thread::spawn(move || {
        for signal in &mut signals {
            if of_signals.send(Event::Signal(signal)).is_err() {
                return;
            }
        }
    });
    let folder = tempfile::Builder::new()
        .prefix("cook-exec-")
        .tempdir()
        .context("cannot create a temporary folder")?;
    let disk = match disk {
        Some(disk) => {
            // What the machine writes goes with its folder; another may be running from the image itself.
            let copy = folder.path().join("disk");
            disk::copy(&disk, &copy)?;
            Some(copy)
        }
        None => None,
    };
    let initfs = folder.path().join("initfs");
    guest::write_initfs(tree, &request, &initfs)?;
    let kernel = folder.path().join("kernel");
    std::fs::copy(
        tree.recipe_build("kernel").join("stage/boot/kernel"),
        &kernel,
    )
    .context("cannot copy the kernel")?;
    drop(lock);

    let mut machine = Machine::start(options, &kernel, &initfs, disk.as_deref())?;
    let input = machine.output()?;
    let log = Arc::new(Mutex::new(Vec::new()));
    let mut line = Line {
        sender: sender.clone(),
        decoder: Decoder::new(),
        log: Arc::clone(&log),
        verbose: options.verbose,
    };
    thread::spawn(move || line.carry(input));
    let mut run = Run {
        options,
        machine,
        log,
        input: None,
        sender,
        greeted: false,
        stopping: None,
    };
    run.attend(&events)
}

/// A command that runs.
struct Run<'a> {
    options: &'a Options,
    machine: Machine,
    log: Log,
    /// Tells the reader of standard input that another piece may come.
    input: Option<Sender<()>>,
    sender: SyncSender<Event>,
    greeted: bool,
    /// The signal after which the machine is stopped, and when.
    stopping: Option<(i32, Instant)>,
}

impl Run<'_> {
    fn attend(&mut self, events: &Receiver<Event>) -> Result<End> {
        let started = Instant::now();
        let limit = match self.options.timeout {
            Some(seconds) => Some(
                started
                    + Duration::try_from_secs_f64(seconds).context("--timeout: no such time")?,
            ),
            None => None,
        };
        loop {
            let boot = (!self.greeted).then_some(started + BOOT);
            let stop = self.stopping.map(|(_, when)| when);
            let next = [limit, boot, stop].into_iter().flatten().min();
            // Whatever else is going on.
            let now = Instant::now();
            if let Some((signal, when)) = self.stopping
                && now >= when
            {
                return Ok(End::Status(128 + signal as u8));
            }
            if limit.is_some_and(|limit| now >= limit) {
                complain("the time is up".to_owned());
                return Ok(End::Status(TIMED_OUT));
            }
            if boot.is_some_and(|boot| now >= boot) {
                return Ok(self.failed("the system did not get as far as the command"));
            }
            let wait = next.map_or(Duration::from_secs(3600), |at| {
                at.saturating_duration_since(now)
            });
            let event = match events.recv_timeout(wait) {
                Ok(event) => event,
                Err(RecvTimeoutError::Disconnected) => return Ok(self.lost()),
                Err(RecvTimeoutError::Timeout) => continue,
            };
            let end = match event {
                Event::Message(message) => self.message(message),
                Event::Fatal => Some(self.failed("the kernel gave up")),
                Event::LineEnd => Some(self.lost()),
                // Nobody there to read it ends the run as it would end the command.
                Event::Unwritable(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    Some(End::Status(128 + SIGPIPE as u8))
                }
                Event::Unwritable(error) => {
                    return Err(error).context("cannot write the command's output");
                }
                Event::Input(bytes) => {
                    let message = if bytes.is_empty() {
                        ToGuest::InputEnd
                    } else {
                        ToGuest::Input(bytes)
                    };
                    self.machine.send(&message);
                    None
                }
                Event::Signal(signal) => self.signal(signal),
            };
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    /// A signal goes to the command; then the machine is stopped. The second one does not wait.
    fn signal(&mut self, signal: i32) -> Option<End> {
        if self.stopping.is_some() || !self.greeted {
            return Some(End::Status(128 + signal as u8));
        }
        self.machine.send(&ToGuest::Signal(signal.cast_unsigned()));
        self.stopping = Some((signal, Instant::now() + GRACE));
        None
    }

    fn message(&mut self, message: ToHost) -> Option<End> {
        let low = |code: u32| (code & 0xff) as u8;
        match message {
            ToHost::Hello(VERSION) => {
                self.greeted = true;
                self.read_input();
                None
            }
            ToHost::Hello(other) => Some(End::Failed(format!(
                "the agent in the guest speaks version {other}, this program {VERSION}"
            ))),
            ToHost::Taken => {
                if let Some(input) = &self.input {
                    // After its end nobody waits.
                    let _ = input.send(());
                }
                None
            }
            // The line has shown it.
            ToHost::Output(_) | ToHost::Error(_) => None,
            ToHost::Exited(code) => Some(End::Status(low(code))),
            ToHost::Killed(signal) => Some(End::Status(low(128 + signal))),
            ToHost::NotFound(why) => {
                complain(why);
                Some(End::Status(NOT_FOUND))
            }
            ToHost::CannotRun(why) => {
                complain(why);
                Some(End::Status(CANNOT_RUN))
            }
            ToHost::Failed(why) => Some(self.failed(&why)),
        }
    }

    /// Reads standard input, a piece each time that the guest has taken one.
    fn read_input(&mut self) {
        let (more, taken) = mpsc::channel();
        let sender = self.sender.clone();
        self.input = Some(more);
        thread::spawn(move || {
            let mut stdin = io::stdin();
            let mut buffer = [0; MAX_INPUT];
            loop {
                let len = match stdin.read(&mut buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read.unwrap_or(0),
                };
                if sender.send(Event::Input(buffer[..len].to_vec())).is_err() || len == 0 {
                    return;
                }
                if taken.recv().is_err() {
                    return;
                }
            }
        });
    }

    /// The line has ended without a word of how the command did.
    fn lost(&mut self) -> End {
        let why = self.machine.failure();
        self.failed(&why)
    }

    fn failed(&self, why: &str) -> End {
        let log = lock(&self.log);
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let shown = &lines[lines.len().saturating_sub(15)..];
        let mut text = format!("the machine failed: {why}");
        // With -v they have been seen.
        if !self.options.verbose {
            for line in shown {
                text.push_str("\n  | ");
                text.push_str(line);
            }
        }
        End::Failed(text)
    }
}

/// Says something on the standard error output, unless the command's own words wait there for a reader.
fn complain(text: String) {
    let (done, said) = mpsc::channel();
    thread::spawn(move || {
        eprintln!("cook exec: {text}");
        let _ = done.send(());
    });
    let _ = said.recv_timeout(LAST_WORD);
}

/// The line from the machine. It has a thread of its own, which waits for whoever reads the command's output: the
/// machine then waits for it in turn, and time and signals for neither.
struct Line {
    sender: SyncSender<Event>,
    decoder: Decoder,
    log: Log,
    verbose: bool,
}

impl Line {
    /// Passes on what comes until nobody wants it any more.
    fn carry(&mut self, mut line: impl Read) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let len = match line.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.unwrap_or(0),
            };
            if len == 0 {
                // Nobody is there to be told only when the run is over.
                let _ = self.sender.send(Event::LineEnd);
                return;
            }
            if !self.pieces(&buffer[..len]) {
                return;
            }
        }
    }

    /// Answers whether more is wanted.
    fn pieces(&mut self, bytes: &[u8]) -> bool {
        for item in self.decoder.push::<ToHost>(bytes) {
            let event = match item {
                Item::Text(text) => self.text(&text).then_some(Event::Fatal),
                Item::Message(ToHost::Output(bytes)) => show(&mut io::stdout(), &bytes),
                Item::Message(ToHost::Error(bytes)) => show(&mut io::stderr(), &bytes),
                Item::Message(message) => Some(Event::Message(message)),
            };
            if let Some(event) = event
                && self.sender.send(event).is_err()
            {
                return false;
            }
        }
        true
    }

    /// Keeps the kernel's words. Answers whether they were its last.
    fn text(&mut self, text: &[u8]) -> bool {
        if self.verbose {
            // What cannot be shown is lost; the command's own words go on.
            let _ = io::stderr().write_all(text);
        }
        let mut log = lock(&self.log);
        log.extend_from_slice(text);
        let surplus = log.len().saturating_sub(LOG);
        log.drain(..surplus);
        let log = String::from_utf8_lossy(&log);
        FATAL
            .iter()
            .any(|words| log.find(words).is_some_and(|at| log[at..].contains('\n')))
    }
}

fn lock(log: &Log) -> MutexGuard<'_, Vec<u8>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes output on.
fn show(to: &mut impl Write, bytes: &[u8]) -> Option<Event> {
    let written = to.write_all(bytes).and_then(|()| to.flush());
    written.err().map(Event::Unwritable)
}
