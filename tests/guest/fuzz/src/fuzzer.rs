//! The process that makes the calls. It has a pipe and nothing else: not even itself.

use core::sync::atomic::Ordering;

use redox_rt::tcb::Tcb;
use redox_rt::{Result, sys};
use syscall::flag::{MapFlags, O_NONBLOCK};
use syscall::number::*;
use syscall::{Map, UPPER_FDTBL_TAG};

use crate::State;
use crate::random::{ARENA, READ_END, Random, WRITE_END, ZONE, ZONE_LEN, bump, call, word};

/// Copies of the pipe's ends, at numbers that the random ones do not meet.
const SPARE: [usize; 2] = [UPPER_FDTBL_TAG + 1000, UPPER_FDTBL_TAG + 1001];
/// So many calls between two beginnings.
const ROUND: usize = 1000;

fn raw(number: usize, args: [usize; 6]) -> Result<usize> {
    // SAFETY: `harmless` has looked at the calls that change mappings; what others write to is memory
    // of the zone, or is refused.
    unsafe { sys::raw(number, args) }
}

/// Moves the pipe to its numbers and gives up everything else. `pipe` is its reading and writing end.
pub fn give_up_everything(pipe: [usize; 2]) -> Result<()> {
    let own = Tcb::current().and_then(Tcb::thread_fd);
    let table = own
        .ok_or(redox_rt::Error::new(syscall::ESRCH))?
        .file_table()?;
    for (end, spare) in pipe.into_iter().zip(SPARE) {
        sys::dup(end, b"", spare)?;
    }
    let mut numbers = [0; 256];
    let count = table.numbers(&mut numbers, 0)?;
    for &number in numbers.get(..count).unwrap_or(&[]) {
        if number != table.fd().raw() && !SPARE.contains(&number) {
            sys::close(number)?;
        }
    }
    // Its descriptor is the last to go.
    drop(table);
    begin_again(&mut Random(0));
    Ok(())
}

/// Gives the zone its memory and the pipe its numbers, whatever the calls have done to them.
fn begin_again(r: &mut Random) {
    let _ = raw(SYS_FUNMAP, [ZONE, ZONE_LEN, 0, 0, 0, 0]);
    for number in (0..64).chain(UPPER_FDTBL_TAG..UPPER_FDTBL_TAG + 64) {
        let _ = sys::close(number);
    }
    for (spare, number) in SPARE.into_iter().zip([READ_END, WRITE_END]) {
        let _ = sys::dup(spare, b"", number);
        let flags = if r.one_in(4) { 0 } else { O_NONBLOCK };
        let _ = raw(SYS_FCNTL, [number, syscall::F_SETFL, flags, 0, 0, 0]);
    }
    let flags = MapFlags::MAP_FIXED | MapFlags::PROT_READ | MapFlags::PROT_WRITE;
    let kind = if r.one_in(4) {
        MapFlags::MAP_SHARED
    } else {
        MapFlags::MAP_PRIVATE
    };
    let map = Map {
        offset: 0,
        size: ARENA,
        flags: flags | kind,
        address: ZONE,
    };
    // SAFETY: nothing of the program is in the zone.
    if unsafe { sys::fmap(sys::ANONYMOUS, &map) }.is_ok() {
        for i in 0..ARENA / 8 {
            // SAFETY: just mapped for writing.
            unsafe { ((ZONE + 8 * i) as *mut u64).write(word(r)) };
        }
    }
    // What is left in the pipe would fill it some day.
    let mut rest = [0; 4096];
    let _ = raw(SYS_FCNTL, [SPARE[0], syscall::F_SETFL, O_NONBLOCK, 0, 0, 0]);
    while let Ok(4096) = sys::read(SPARE[0], &mut rest) {}
    for _ in 0..r.below(3) {
        let _ = sys::write(SPARE[1], &rest[..r.below(100)]);
    }
}

/// Whether a range has nothing of the program: it lies in the zone, or is none of user memory.
fn is_free(base: usize, len: usize) -> bool {
    let end = base.checked_add(len);
    let in_zone = base >= ZONE && end.is_some_and(|end| end <= ZONE + ZONE_LEN);
    // Rounding to pages may make an impossible range possible; only those far off are sure.
    let impossible = base >= 1 << 47 && end.is_none_or(|end| end > 1 << 48);
    in_zone || impossible || len == 0
}

/// Whether the call leaves the program alive. `map` is set for calls that map.
fn harmless(r: &mut Random, number: usize, args: &mut [usize; 6], map: &mut Map) -> bool {
    let [a, b, c, d, e, _] = *args;
    match number {
        SYS_FUNMAP | SYS_MPROTECT => is_free(a, b),
        SYS_MREMAP => is_free(a, b) && is_free(c, d) && (e & 3 == 0 || is_free(c, d)),
        SYS_FMAP => {
            map.offset = word(r) as usize;
            map.size = b;
            map.address = if r.one_in(2) {
                ZONE + 4096 * r.below(64)
            } else {
                word(r) as usize
            };
            map.flags = MapFlags::from_bits_retain(d ^ (r.next() as usize & 0x7_001f));
            if map.flags.contains(MapFlags::MAP_FIXED) && !is_free(map.address, map.size) {
                return false;
            }
            args[0] = if r.one_in(2) { usize::MAX } else { a };
            // Memory of the zone could hold anything by now.
            args[1] = if r.one_in(8) {
                1 << r.below(64)
            } else {
                core::ptr::from_ref(map) as usize
            };
            args[2] = if r.one_in(8) { c } else { size_of::<Map>() };
            args[1] & !0xffff_ffff != ZONE
        }
        // The copies of the pipe are not for closing.
        SYS_CLOSE | SYS_CALL => !SPARE.contains(&a),
        SYS_DUP2 => !SPARE.contains(&b),
        _ => true,
    }
}

/// Makes calls until the process is ended.
pub fn run(state: &State, seed: u64) -> ! {
    let mut r = Random(seed);
    let mut map = Map::default();
    let mut mapped = [(0, 0); 64];
    loop {
        begin_again(&mut r);
        let mut made = 0;
        while made < ROUND {
            let (number, mut args) = call(&mut r);
            if !harmless(&mut r, number, &mut args, &mut map) {
                continue;
            }
            for (place, word) in state.last.iter().zip([number].into_iter().chain(args)) {
                place.store(word, Ordering::Relaxed);
            }
            let outcome = raw(number, args);
            made += 1;
            bump(&state.calls);
            bump(if outcome.is_ok() {
                &state.good
            } else {
                &state.bad
            });
            if let (Ok(address), SYS_FMAP | SYS_MREMAP) = (outcome, number) {
                let len = if number == SYS_FMAP {
                    map.size
                } else {
                    args[3]
                };
                let i = made % mapped.len();
                // What the kernel placed itself is unmapped later on.
                let (old, old_len) = core::mem::replace(&mut mapped[i], (address, len));
                if old_len > 0 && !(ZONE..ZONE + ZONE_LEN).contains(&old) {
                    let _ = raw(SYS_FUNMAP, [old, old_len, 0, 0, 0, 0]);
                }
            }
        }
        for (address, len) in core::mem::replace(&mut mapped, [(0, 0); 64]) {
            if len > 0 && !(ZONE..ZONE + ZONE_LEN).contains(&address) {
                let _ = raw(SYS_FUNMAP, [address, len, 0, 0, 0, 0]);
            }
        }
    }
}
