//! What test programs on the machine share: a line protocol on standard output, and a runner that
//! speaks it.
//!
//! ```text
//! @test plan 3
//! @test ok pipe.reads_what_was_written
//! @test FAIL pipe.closed_end: at tests/…/pipe.rs:31: write: expected EPIPE, got 1
//! @bench pipe.round_trip 5123
//! ```
//!
//! A case is a function that answers a [`Outcome`]; a program is one table of them:
//!
//! ```ignore
//! redox_rt::entry!(main);
//! fn main(_: &redox_rt::start::Start) -> i32 {
//!     guest_test::run!["pipe" => reads_what_was_written, closed_end]
//! }
//! ```
//!
//! A panic in a case ends the program; whoever reads the output sees that cases of the plan are missing.
#![no_std]

pub mod contexts;

use core::fmt::{self, Write};

use redox_rt::futex::Mutex;
use redox_rt::println;

/// How a case ended: well, or why not.
pub type Outcome = Result<(), Failure>;

/// A case failed; the reason is kept aside until it is reported.
#[derive(Debug)]
pub struct Failure(());

/// The last reason, cut to what fits.
static REASON: Mutex<Text> = Mutex::new(Text {
    bytes: [0; 400],
    len: 0,
});

struct Text {
    bytes: [u8; 400],
    len: usize,
}

impl Failure {
    /// From format arguments. Line ends become blanks: a report is one line.
    #[must_use]
    pub fn new(args: fmt::Arguments<'_>) -> Self {
        let mut text = REASON.lock();
        text.len = 0;
        // Writing to it never fails.
        let _ = text.write_fmt(args);
        Self(())
    }
}

impl Text {
    fn get(&self) -> &str {
        let bytes = self.bytes.get(..self.len).unwrap_or(&[]);
        match core::str::from_utf8(bytes) {
            Ok(s) => s,
            // Cut inside a character: what is before it is whole.
            Err(e) => {
                core::str::from_utf8(bytes.get(..e.valid_up_to()).unwrap_or(&[])).unwrap_or("")
            }
        }
    }
}

impl Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for byte in s.bytes() {
            if let Some(place) = self.bytes.get_mut(self.len) {
                *place = if byte == b'\n' { b' ' } else { byte };
                self.len += 1;
            }
        }
        Ok(())
    }
}

impl From<redox_rt::Error> for Failure {
    fn from(e: redox_rt::Error) -> Self {
        Self::new(format_args!("unexpected error {}: {e}", e.errno))
    }
}

/// Prints the reason of the last failure: for processes whose failure is another process's to report.
pub fn explain() {
    println!("  {}", REASON.lock().get());
}

/// A named case.
pub type Case = (&'static str, fn() -> Outcome);

/// Runs a table of cases and reports each. Answers the exit code: 0, or 1 when any failed.
pub fn run_table(group: &str, cases: &[Case]) -> i32 {
    println!("@test plan {}", cases.len());
    let mut failed = false;
    for (name, case) in cases {
        match case() {
            Ok(()) => println!("@test ok {group}.{name}"),
            Err(Failure(())) => {
                failed = true;
                println!("@test FAIL {group}.{name}: {}", REASON.lock().get());
            }
        }
    }
    i32::from(failed)
}

/// Reports a measured number.
pub fn bench(name: &str, value: u64) {
    println!("@bench {name} {value}");
}

/// Runs the named functions as one group: `run!["group" => first, second]`.
#[macro_export]
macro_rules! run {
    [$group:expr => $($case:ident),+ $(,)?] => {
        $crate::run_table($group, &[$((stringify!($case), $case as fn() -> $crate::Outcome)),+])
    };
}

/// Fails the case with a reason.
#[macro_export]
macro_rules! fail {
    ($($arg:tt)*) => {
        return Err($crate::Failure::new(format_args!("at {}:{}: {}", file!(), line!(), format_args!($($arg)*))))
    };
}

/// Fails the case unless the condition holds.
#[macro_export]
macro_rules! check {
    ($condition:expr $(, $($arg:tt)+)?) => {
        if !$condition {
            $crate::fail!("{}{}", stringify!($condition), $crate::check!(@ $($($arg)+)?));
        }
    };
    (@) => { "" };
    (@ $($arg:tt)+) => { format_args!(": {}", format_args!($($arg)+)) };
}

/// Fails the case unless both sides are equal.
#[macro_export]
macro_rules! check_eq {
    ($left:expr, $right:expr $(, $($arg:tt)+)?) => {
        match (&$left, &$right) {
            (left, right) => if *left != *right {
                $crate::fail!("{}: {left:?} is not {right:?}{}", stringify!($left), $crate::check!(@ $($($arg)+)?));
            }
        }
    };
}

/// Fails the case unless the call answers this error number.
#[macro_export]
macro_rules! check_error {
    ($call:expr, $errno:expr $(, $($arg:tt)+)?) => {
        match $call {
            Err(e) if e.errno == $errno => {}
            other => $crate::fail!(
                "{}: expected {}, got {:?}{}", stringify!($call), stringify!($errno), other, $crate::check!(@ $($($arg)+)?)
            ),
        }
    };
}
