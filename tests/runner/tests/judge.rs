//! What lines are worth.

use proptest::prelude::*;
use test_runner::judge::{End, Judge, Report, Step};

fn judge(lines: &str, end: End) -> Report {
    let mut judge = Judge::new();
    for line in lines.split('|') {
        judge.line(line);
    }
    judge.finish(end)
}

/// Lines, end; passed, skipped, failures, problems.
type Case<'a> = (&'a str, End, u64, u64, &'a [&'a str], &'a [&'a str]);

#[test]
fn verdicts() {
    use End::*;
    let failed = || Failed("qemu: boom".to_owned());
    let cases: &[Case] = &[
        ("@test plan 1|@test ok a|@done 0", Stopped, 1, 0, &[], &[]),
        (
            "boot|@test plan 2|@test ok a\r|log|@test skip b: no|@done 0\r|bye",
            Stopped,
            1,
            1,
            &[],
            &[],
        ),
        (
            "@test plan 1|@test ok a|@test plan 1|@test ok b|@done 0",
            Stopped,
            2,
            0,
            &[],
            &[],
        ),
        ("@bench x 12|@done 0", Stopped, 0, 0, &[], &[]),
        ("@test plan 0|@done 0", Stopped, 0, 0, &[], &[]),
        (
            "@test plan 2|@test FAIL a: 1: 2|@test FAIL b|@done 0",
            Stopped,
            0,
            0,
            &["a=1: 2", "b="],
            &[],
        ),
        (
            "@done 0",
            Stopped,
            0,
            0,
            &[],
            &["neither tests nor benchmarks"],
        ),
        (
            "",
            Stopped,
            0,
            0,
            &[],
            &["the machine stopped before @done"],
        ),
        ("@test ok a|@done 0", Stopped, 1, 0, &[], &["no @test plan"]),
        (
            "@test plan 2|@test ok a|@done 0",
            Stopped,
            1,
            0,
            &[],
            &["2 tests announced, 1 reported"],
        ),
        (
            "@test plan 1|@test ok a|@test ok b|@done 0",
            Stopped,
            2,
            0,
            &[],
            &["1 tests announced, 2 reported"],
        ),
        (
            "@test plan 1|@test ok a|@done 7",
            Stopped,
            1,
            0,
            &[],
            &["the guest ended with status 7"],
        ),
        (
            "@test plan 1|@test ok a",
            Stopped,
            1,
            0,
            &[],
            &["the machine stopped before @done"],
        ),
        (
            "@test plan 1|@test ok a",
            TimedOut(5),
            1,
            0,
            &[],
            &["still running after 5 s"],
        ),
        (
            "@test plan 1|@test ok a",
            failed(),
            1,
            0,
            &[],
            &["qemu: boom"],
        ),
        (
            "@test plan 2|@test ok a|@test ok a|@done 0",
            Stopped,
            1,
            0,
            &[],
            &[
                "not understood: @test ok a",
                "2 tests announced, 1 reported",
            ],
        ),
        (
            "@bench a 1|@bench a 2|@done 0",
            Stopped,
            0,
            0,
            &[],
            &["not understood: @bench a 2"],
        ),
        (
            "@test plan 1|@test ok a|Kernel: panicked at x|kernel: panicked at y",
            Stopped,
            1,
            0,
            &[],
            &["Kernel: panicked at x"],
        ),
        (
            "@test plan 1|@test ok a|@done 0|@test ok b",
            Stopped,
            1,
            0,
            &[],
            &["after @done: @test ok b"],
        ),
        (
            "@test plan x|@done 0",
            Stopped,
            0,
            0,
            &[],
            &["not understood: @test plan x"],
        ),
        (
            "@test okay a|@bench b|@bench b c|@bench b -1|@what|@done 0",
            Stopped,
            0,
            0,
            &[],
            &[
                "not understood: @test okay a",
                "not understood: @bench b",
                "not understood: @bench b c",
                "not understood: @bench b -1",
                "not understood: @what",
            ],
        ),
        (
            "@test plan 1|@test ok two words|@done 0",
            Stopped,
            0,
            0,
            &[],
            &[
                "not understood: @test ok two words",
                "1 tests announced, 0 reported",
            ],
        ),
        (
            "@test plan 1| @test ok a|log @test ok a|@done 0",
            Stopped,
            0,
            0,
            &[],
            &["1 tests announced, 0 reported"],
        ),
        (
            "@test plan 18446744073709551615|@test plan 1|@done 0",
            Stopped,
            0,
            0,
            &[],
            &[
                "not understood: @test plan 1",
                "18446744073709551615 tests announced, 0 reported",
            ],
        ),
    ];
    for (lines, end, passed, skipped, failures, problems) in cases {
        let report = judge(lines, end.clone());
        let found: Vec<_> = report
            .failures
            .iter()
            .map(|f| format!("{}={}", f.name, f.reason))
            .collect();
        assert_eq!(found, *failures, "{lines}");
        assert_eq!(report.problems, *problems, "{lines}");
        assert_eq!(
            (report.passed, report.skipped),
            (*passed, *skipped),
            "{lines}"
        );
        assert_eq!(
            report.failed(),
            (failures.len() + problems.len()) as u64,
            "{lines}"
        );
    }
}

#[test]
fn benchmarks_and_tests_may_share_names() {
    let report = judge(
        "@test plan 1|@test ok a|@bench a 5|@bench b 0|@done 0",
        End::Stopped,
    );
    assert_eq!(
        report.benches.into_iter().collect::<Vec<_>>(),
        [("a".to_owned(), 5), ("b".to_owned(), 0)]
    );
    assert_eq!(report.problems, [""; 0]);
}

#[test]
fn steps_and_progress() {
    let mut judge = Judge::new();
    let steps = [
        ("booting", Step::Log, (0, 0)),
        ("@test plan 3", Step::Progress, (0, 3)),
        ("@test ok a", Step::Progress, (1, 3)),
        ("@test nonsense", Step::Log, (1, 3)),
        ("@test FAIL b: c", Step::Progress, (2, 3)),
        ("kernel: cannot start: no", Step::Panic, (2, 3)),
        ("kernel: panicked at x", Step::Log, (2, 3)),
        ("@done 0", Step::Done, (2, 3)),
    ];
    for (line, step, progress) in steps {
        assert_eq!(
            (judge.line(line), judge.progress()),
            (step, progress),
            "{line}"
        );
    }
}

proptest! {
    /// Whatever it says, a guest that was cut off has failed.
    #[test]
    fn no_noise_passes_without_done(lines in proptest::collection::vec("(@test |@bench |@)?[ -~]{0,20}", 0..20)) {
        prop_assume!(!lines.iter().any(|line| line.starts_with("@done")));
        prop_assert!(judge(&lines.join("|"), End::Stopped).failed() > 0);
    }
}
