use proptest::prelude::*;

use super::flags::*;
use super::*;

const STACK: AlternateStack = AlternateStack {
    base: 0x10_0000,
    len: 0x4000,
};
const SP: usize = 0x7fff_0000_1238;
const FRAME: usize = 1200;

fn function(flags: u32, mask: u64) -> Action {
    Action {
        handler: Handler::Function(0x20_1000),
        flags,
        mask,
    }
}

#[test]
fn numbers() {
    for (raw, want) in [
        (0, Err(EINVAL)),
        (1, Ok(1)),
        (64, Ok(64)),
        (65, Err(EINVAL)),
        (-1, Err(EINVAL)),
        (257, Err(EINVAL)),
    ] {
        assert_eq!(number(raw), want, "{raw}");
    }
    assert_eq!((bit(0), bit(1), bit(64), bit(65)), (0, 1, 1 << 63, 0));
}

#[test]
fn masks() {
    let rows = [
        (0b0011, 0, 0b0110, Ok(0b0111)),
        (0b0011, 1, 0b0110, Ok(0b0001)),
        (0b0011, 2, 0b0110, Ok(0b0110)),
        (0, 2, !0, Ok(!UNBLOCKABLE)),
        (0, 0, UNBLOCKABLE, Ok(0)),
        (0, 3, 0, Err(EINVAL)),
        (0, -1, 0, Err(EINVAL)),
    ];
    for (old, how, set, want) in rows {
        assert_eq!(change_mask(old, how, set), want, "{old:#x} {how} {set:#x}");
    }
}

#[test]
fn order() {
    assert_eq!(first_of(0), None);
    assert_eq!(first_of(bit(40) | bit(15) | bit(64)), Some(15));
    assert_eq!(first_of(bit(64)), Some(64));
}

/// What kernel and process manager read from the first word.
#[test]
fn told_to_the_kernel() {
    let default = Action::DEFAULT;
    let ignore = Action {
        handler: Handler::Ignore,
        ..default
    };
    let rows = [
        (15, default, false, false),
        (15, ignore, true, false),
        (SIGCHLD, default, true, false),
        (SIGWINCH, default, true, false),
        (SIGCONT, default, true, false),
        (SIGTSTP, default, false, true),
        (SIGTTIN, default, false, true),
        (SIGTTOU, ignore, true, false),
        (SIGTSTP, function(0, 0), false, false),
        (SIGCHLD, function(SA_NOCLDSTOP, 0), false, true),
        (SIGCHLD, function(0, 0), false, false),
        (SIGSTOP, default, false, false),
    ];
    for (signal, action, ignored, specific) in rows {
        let [first, _] = pack(signal, &action).unwrap();
        assert_eq!(
            (first & IGNORED != 0, first & SPECIFIC != 0),
            (ignored, specific),
            "{signal} {action:?}"
        );
    }
    assert_eq!(
        pack(
            15,
            &Action {
                handler: Handler::Function(1 << 47),
                ..default
            }
        ),
        Err(EINVAL)
    );
}

#[test]
fn deliveries() {
    let call = |mask, frame, reset| {
        Delivery::Call(Call {
            handler: 0x20_1000,
            mask,
            frame,
            reset,
        })
    };
    let below = (SP - RED_ZONE - FRAME) & !15;
    let on_stack = (STACK.base + STACK.len - FRAME) & !15;
    let inside = STACK.base + 0x2000;
    let none = AlternateStack::default();
    let rows = [
        (
            "default ends",
            15,
            Action::DEFAULT,
            SP,
            none,
            Delivery::Terminate,
        ),
        (
            "default ignores",
            SIGCHLD,
            Action::DEFAULT,
            SP,
            none,
            Delivery::Nothing,
        ),
        (
            "default stops",
            SIGTSTP,
            Action::DEFAULT,
            SP,
            none,
            Delivery::Stop,
        ),
        (
            "realtime default ends",
            40,
            Action::DEFAULT,
            SP,
            none,
            Delivery::Terminate,
        ),
        (
            "ignored",
            15,
            Action {
                handler: Handler::Ignore,
                ..Action::DEFAULT
            },
            SP,
            none,
            Delivery::Nothing,
        ),
        (
            "blocked itself",
            15,
            function(0, bit(2)),
            SP,
            none,
            call(bit(1) | bit(2) | bit(15), below, false),
        ),
        (
            "not deferred",
            15,
            function(SA_NODEFER, 0),
            SP,
            none,
            call(bit(1), below, false),
        ),
        (
            "once",
            15,
            function(SA_RESETHAND, 0),
            SP,
            none,
            call(bit(1) | bit(15), below, true),
        ),
        (
            "alternate not asked for",
            15,
            function(0, 0),
            SP,
            STACK,
            call(bit(1) | bit(15), below, false),
        ),
        (
            "alternate",
            15,
            function(SA_ONSTACK, 0),
            SP,
            STACK,
            call(bit(1) | bit(15), on_stack, false),
        ),
        (
            "alternate not there",
            15,
            function(SA_ONSTACK, 0),
            SP,
            none,
            call(bit(1) | bit(15), below, false),
        ),
        (
            "already on it",
            15,
            function(SA_ONSTACK, 0),
            inside,
            STACK,
            call(bit(1) | bit(15), (inside - RED_ZONE - FRAME) & !15, false),
        ),
        (
            "no stack",
            15,
            function(0, 0),
            100,
            none,
            Delivery::Terminate,
        ),
        (
            "no stack but the alternate",
            11,
            function(SA_ONSTACK, 0),
            100,
            STACK,
            call(bit(1) | bit(11), on_stack, false),
        ),
        (
            "unblockable stay so",
            15,
            function(0, !0),
            SP,
            none,
            call(!UNBLOCKABLE, below, false),
        ),
    ];
    for (name, signal, action, sp, alternate, want) in rows {
        assert_eq!(
            deliver(signal, &action, bit(1), sp, alternate, FRAME),
            want,
            "{name}"
        );
    }
}

#[test]
fn alternate_stacks() {
    let none = AlternateStack::default();
    let rows = [
        (none, SP, 0x10_0000, 0x4000, 0, Ok(STACK)),
        (none, SP, 0x10_0000, 0x4000, SS_ONSTACK, Ok(STACK)),
        (none, SP, 0x10_0000, MIN_STACK - 1, 0, Err(ENOMEM)),
        (none, SP, usize::MAX, 0x4000, 0, Err(ENOMEM)),
        (none, SP, 0x10_0000, 0x4000, 4, Err(EINVAL)),
        (STACK, SP, 0, 0, SS_DISABLE, Ok(none)),
        (STACK, STACK.base + 8, 0, 0, SS_DISABLE, Err(EPERM)),
    ];
    for (old, sp, base, len, flags, want) in rows {
        assert_eq!(
            old.replace(sp, base, len, flags),
            want,
            "{old:?} {base:#x} {len:#x} {flags}"
        );
    }
    assert_eq!(none.c_flags(SP), SS_DISABLE);
    assert_eq!(STACK.c_flags(SP), 0);
    assert_eq!(STACK.c_flags(STACK.base + STACK.len), SS_ONSTACK);
    assert_eq!(STACK.c_flags(STACK.base), 0);
}

#[test]
fn exceptions() {
    for (vector, signal) in [
        (0, SIGFPE),
        (3, SIGTRAP),
        (6, SIGILL),
        (13, SIGSEGV),
        (14, SIGSEGV),
        (17, SIGBUS),
        (19, SIGFPE),
        (99, SIGSEGV),
    ] {
        assert_eq!(of_exception(vector).0, signal, "{vector}");
    }
}

proptest! {
    #[test]
    fn packing_is_lossless(signal in 1u8..=64, handler in 0usize..1 << 47, mask: u64, flags: u32) {
        let action = Action { handler: Handler::from_c(handler), flags: flags & ALL & !SA_RESTORER, mask: mask & !UNBLOCKABLE };
        prop_assert_eq!(unpack(pack(signal, &action).unwrap()), action);
    }

    /// A frame never overlaps what it must not: the red zone above it, or memory outside the
    /// alternate stack when that is used.
    #[test]
    fn frames_fit(sp: usize, base: usize, len in 0usize..1 << 20, frame_len in 1usize..5000, wanted: bool) {
        let alternate = AlternateStack { base, len };
        if let Some(at) = frame(sp, wanted, alternate, frame_len) {
            prop_assert_eq!(at % 16, 0);
            if wanted && len != 0 && !alternate.contains(sp) {
                prop_assert!(at + frame_len <= base + len);
            } else {
                prop_assert!(at + frame_len + RED_ZONE <= sp);
            }
        }
    }
}
