//! `test-runner`: what `make test` and `make bench` call when everything is built.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use disk_image::{Numbers, power::State};
use image::Programs;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tempfile::TempDir;
use test_runner::bench::{self, Reference, Results};
use test_runner::crates::{self, Which};
use test_runner::dialog::{Dialog, Script};
use test_runner::drives::Files;
use test_runner::fixture;
use test_runner::judge::Report;
use test_runner::power::{self, Cut, Round};
use test_runner::qemu::{self, Outcome};
use test_runner::readme;
use test_runner::suites::{Boot, Suite, Table};

/// Boot test suites in QEMU and judge them.
#[derive(Parser)]
#[command(name = "test-runner")]
struct Args {
    /// Tables of suites.
    #[arg(long, default_values = ["tests/suites.toml", "tests/ports/suites.toml", "tests/ports/sqlite3-tests.toml"])]
    suites: Vec<PathBuf>,
    /// The table of programs that every initial file system holds.
    #[arg(long, default_value = "config/initfs.toml")]
    initfs: PathBuf,
    /// The kernel's ELF file.
    #[arg(
        long,
        default_value = "build/target/kernel/x86_64-unknown-none/release/kernel"
    )]
    kernel: PathBuf,
    /// The folder that holds the guest programs.
    #[arg(
        long,
        default_value = "build/target/nostd/x86_64-unknown-redox/release"
    )]
    binaries: PathBuf,
    /// Where serial logs go, as NAME.serial.
    #[arg(long, default_value = "build/logs")]
    logs: PathBuf,
    /// UEFI firmware for suites that boot a disk.
    #[arg(long)]
    ovmf_code: Option<PathBuf>,
    /// The firmware's variables, of which each run gets a copy.
    #[arg(long)]
    ovmf_vars: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the guest packages that the suites need, as arguments for cargo.
    Packages,
    /// Run the test suites, all or the named ones.
    Test {
        /// How many machines run at once [default: one a processor, at most 4].
        #[arg(long)]
        jobs: Option<NonZeroUsize>,
        /// Which.
        names: Vec<String>,
    },
    /// Do what a text for readers shows: its blocks of `console`, on the host and in the guest.
    Readme {
        /// The text.
        #[arg(default_value = "README.md")]
        file: PathBuf,
    },
    /// Run published crates' own tests in the guest.
    Crates {
        /// The table of crates.
        #[arg(long, default_value = "tests/crates/crates.toml")]
        table: PathBuf,
        /// The page that tells what they found, whose rows are written where nothing was a surprise.
        #[arg(long, default_value = "docs/crates.md")]
        page: PathBuf,
        /// Run nothing, and judge what the last runs said.
        #[arg(long)]
        again: bool,
        /// Go on with the last run, of a suite in parts.
        #[arg(long, conflicts_with = "again")]
        rest: bool,
        /// Run tests whose names begin so once more, of a suite in parts.
        #[arg(long, value_name = "PREFIX", conflicts_with_all = ["again", "rest"])]
        only: Vec<String>,
        /// Which; all without any.
        names: Vec<String>,
    },
    /// Run the benchmarks.
    Bench {
        /// Where the results go, as {"operation": instructions}.
        #[arg(long, default_value = "bench/results.json")]
        results: PathBuf,
        /// Results to compare with.
        #[arg(long, default_value = "bench/baseline.json")]
        baseline: PathBuf,
        /// Another system's figures.
        #[arg(long, default_value = "bench/reference.json")]
        reference: PathBuf,
    },
}

fn main() -> ExitCode {
    carry_out(&Args::parse()).unwrap_or_else(|error| {
        // Without the backtrace that a `Result` would be shown with: what is wrong is the caller's.
        eprintln!("test-runner: {error:#}");
        ExitCode::FAILURE
    })
}

fn carry_out(args: &Args) -> Result<ExitCode> {
    let status = |failed| ExitCode::from(u8::from(failed));
    let suites = || Table::read_all(&args.suites);
    match &args.command {
        Command::Readme { file } => Ok(status(readme::run(file, &args.logs)?)),
        Command::Crates {
            table,
            page,
            again,
            rest,
            only,
            names,
        } => {
            let table = crates::Table::read(table)?;
            let which = match (again, rest, &only[..]) {
                (true, ..) => Which::None,
                (_, true, _) => Which::Rest,
                (_, _, []) => Which::All,
                (_, _, only) => Which::Only(only.to_vec()),
            };
            Ok(status(crates::run(&table, names, page, &which)?))
        }
        Command::Packages => packages(&suites()?, args),
        Command::Test { jobs, names } => {
            let jobs = jobs.map_or_else(processors, NonZeroUsize::get);
            let (_, failed) = run_all(&suites()?.select(false, names)?, args, jobs)?;
            Ok(status(failed))
        }
        Command::Bench {
            results,
            baseline,
            reference,
        } => {
            let table = suites()?;
            let suites = table.select(true, &[])?;
            if suites.is_empty() {
                bail!("no suite has bench = true");
            }
            let (found, failed) = run_all(&suites, args, 1)?;
            if failed {
                bail!(
                    "a benchmark failed; {} is left as it was",
                    results.display()
                );
            }
            show(&found, results, baseline, reference)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn packages(table: &Table, args: &Args) -> Result<ExitCode> {
    let mut all: Vec<Programs> = vec![Programs::read(&args.initfs)?];
    all.extend(table.suites.iter().map(Suite::extra_programs));
    let names: std::collections::BTreeSet<&str> = all
        .iter()
        .flat_map(|programs| programs.packages())
        .collect();
    let words: Vec<String> = names.iter().map(|name| format!("-p {name}")).collect();
    println!("{}", words.join(" "));
    Ok(ExitCode::SUCCESS)
}

/// How many machines this host runs well at once.
fn processors() -> usize {
    thread::available_parallelism().map_or(1, |count| count.get().min(4))
}

/// Runs the suites, so many at once, and tells of each when it has ended. Returns the benchmarks' results, and whether
/// anything failed.
fn run_all(suites: &[&Suite], args: &Args, at_once: usize) -> Result<(Results, bool)> {
    fs::create_dir_all(&args.logs)
        .with_context(|| format!("cannot create {}", args.logs.display()))?;
    let (mut passed, mut failed) = (0, 0);
    let mut results = Results::new();
    let bars = MultiProgress::new();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        for _ in 0..at_once {
            let (tell, next, bars) = (tell.clone(), &next, &bars);
            scope.spawn(move || {
                while let Some(suite) = suites.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // Nobody listens any more after an error.
                    if tell.send((suite, run(suite, args, bars))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        for (suite, outcome) in told {
            let outcome = outcome.with_context(|| format!("suite {}", suite.name))?;
            bars.suspend(|| describe(suite, args, &outcome));
            passed += outcome.report.passed;
            failed += outcome.report.failed();
            results.extend(outcome.report.benches);
        }
        anyhow::Ok(())
    })?;
    println!("{passed} passed, {failed} failed");
    Ok((results, failed > 0))
}

fn run(suite: &Suite, args: &Args, bars: &MultiProgress) -> Result<Outcome> {
    let folder = TempDir::new().context("cannot create a temporary folder")?;
    let own = |name: &str| folder.path().join(name);
    let (initfs, vars) = (own("initfs"), own("vars.fd"));
    let boot = match &suite.disk {
        Some(disk) => {
            let (Some(code), Some(original)) = (&args.ovmf_code, &args.ovmf_vars) else {
                bail!("boots a disk, which needs --ovmf-code and --ovmf-vars");
            };
            fs::copy(original, &vars)
                .with_context(|| format!("cannot copy {}", original.display()))?;
            Boot::Uefi {
                code,
                vars: &vars,
                disk: existing(disk)?,
            }
        }
        None => {
            let mut programs = Programs::read(&args.initfs)?;
            programs.extend(&suite.extra_programs());
            if let Some(path) = &suite.fixture {
                let trees = own("fixture");
                fixture::make(&trees, &format!("/scheme/initfs/{path}"))?;
                programs.files.insert(path.clone(), trees);
            }
            fs::write(&initfs, programs.build(&args.binaries)?)
                .with_context(|| format!("cannot write {}", initfs.display()))?;
            Boot::Pvh {
                kernel: existing(&args.kernel)?,
                initfs: &initfs,
            }
        }
    };

    // Hidden by itself when the standard error output is no terminal.
    let bar = bars.add(ProgressBar::new(0));
    bar.set_style(ProgressStyle::with_template(
        "{spinner} {msg} {pos}/{len} {elapsed}",
    )?);
    bar.set_message(suite.name.clone());
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    let dialog = match &suite.dialog {
        Some(path) => Some(Dialog::new(Script::read(path)?)),
        None => None,
    };
    let drives: Vec<Files> = (0..suite.drives.len())
        .map(|index| Files::new(folder.path(), index))
        .collect();
    for (drive, files) in suite.drives.iter().zip(&drives) {
        drive.make(files)?;
    }
    for (index, port) in suite.ports.iter().enumerate() {
        port.serve(folder.path(), index)?;
    }
    if let Some(cut) = suite.cut {
        let outcome = cut_power(suite, cut, &boot, folder.path(), &drives, args, &bar);
        bar.finish_and_clear();
        return outcome;
    }
    let outcome = qemu::run(
        process::Command::new(qemu::QEMU).args(suite.qemu_args(&boot, folder.path(), &drives)),
        dialog,
        suite.timeout,
        &log_path(suite, args),
        |reported, planned| {
            bar.set_length(planned);
            bar.set_position(reported);
        },
    );
    bar.finish_and_clear();
    let mut outcome = outcome?;
    for (index, (drive, files)) in suite.drives.iter().zip(&drives).enumerate() {
        if let Some(what) = drive.check(files)? {
            outcome
                .report
                .problems
                .push(format!("drive {index}: {what}"));
        }
    }
    Ok(outcome)
}

/// Starts machines whose power goes.
fn cut_power(
    suite: &Suite,
    cut: Cut,
    boot: &Boot<'_>,
    folder: &Path,
    drives: &[Files],
    args: &Args,
    bar: &ProgressBar,
) -> Result<Outcome> {
    let (Some(drive), Some(files)) = (suite.drives.first(), drives.first()) else {
        bail!("there is no disk");
    };
    let started = Instant::now();
    let mut report = Report::default();
    let mut moments = Numbers::new(power::any_seed());
    let mut synced = State::default();
    bar.set_length(u64::from(cut.rounds));
    let round = Round {
        image: files.image(),
        folder,
        log: &log_path(suite, args),
        copies: cut.copies,
        timeout: Duration::from_secs(suite.timeout),
    };
    for number in 1..=cut.rounds {
        if number > 1 && (number - 1) % power::ROUNDS_OF_A_DISK == 0 {
            drive.make(files)?;
            synced = State::default();
        }
        let mut machine = suite.clone();
        machine.cmdline = format!("{} {synced}", suite.cmdline);
        let words = machine.qemu_args(boot, folder, drives);
        let mut emulator = process::Command::new(qemu::QEMU);
        match round.run(
            emulator.args(&words),
            number,
            synced,
            &mut moments,
            &mut report,
        ) {
            Ok(now) => synced = now,
            Err(error) => {
                report.problems.push(format!("round {number}: {error:#}"));
                break;
            }
        }
        bar.set_position(u64::from(number));
    }
    Ok(Outcome {
        report,
        tail: Vec::new(),
        time: started.elapsed(),
    })
}

fn existing(path: &Path) -> Result<&Path> {
    if !path.is_file() {
        bail!("{} is missing: has it been built?", path.display());
    }
    Ok(path)
}

fn log_path(suite: &Suite, args: &Args) -> PathBuf {
    args.logs.join(format!("{}.serial", suite.name))
}

fn describe(suite: &Suite, args: &Args, outcome: &Outcome) {
    let Report {
        passed,
        skipped,
        failures,
        problems,
        ..
    } = &outcome.report;
    let mut line = format!("{}: {passed} passed", suite.name);
    if outcome.report.failed() > 0 {
        line += &format!(", {} failed", outcome.report.failed());
    }
    if *skipped > 0 {
        line += &format!(", {skipped} skipped");
    }
    println!("{line} ({:.1} s)", outcome.time.as_secs_f64());
    for failure in failures {
        println!("  FAIL {}: {}", failure.name, failure.reason);
    }
    for problem in problems {
        println!("  FAIL {problem}");
    }
    if outcome.report.failed() > 0 {
        let log = log_path(suite, args);
        println!("  last lines of {}:", log.display());
        for line in &outcome.tail {
            println!("  | {line}");
        }
    }
}

fn show(found: &Results, results: &Path, baseline: &Path, reference: &Path) -> Result<()> {
    let text = serde_json::to_string_pretty(found)?;
    fs::write(results, text + "\n")
        .with_context(|| format!("cannot write {}", results.display()))?;
    let old: Option<Results> = if baseline.exists() {
        Some(read_json(baseline)?)
    } else {
        None
    };
    let other: Reference = if reference.exists() {
        read_json(reference)?
    } else {
        Reference::default()
    };
    print!("{}", bench::table(found, old.as_ref(), &other));
    if !other.columns.is_empty() {
        println!("{}: {}", other.columns.join(", "), other.system);
    }
    if old.is_none() {
        println!(
            "no baseline to compare with: copy {} to {} to make this one it",
            results.display(),
            baseline.display()
        );
    }
    Ok(())
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}
