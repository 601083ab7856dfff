//! Any sequence of memory calls on three address spaces, with any addresses: tables keep their shape,
//! copies stay in bounds, and every frame is given back.
#![no_main]

use arbitrary::Arbitrary;
use kernel_core::{
    machine::sim::Sim,
    paging::{Cache, PAGE_SIZE, Prot},
    space::{Access, AddrSpace, Lend, Loan, Progress, Request, Terms},
    user::UserSlice,
};
use libfuzzer_sys::fuzz_target;
use syscall::{MapFlags, MremapFlags};

const SPACES: usize = 3;
/// So many frames are there.
const BUDGET: usize = 600;

/// An address: mostly one of a few pages, else anything.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum At {
    Near(u16),
    Far(usize),
}

impl At {
    fn address(self) -> usize {
        match self {
            Self::Near(low) => 0x20_0000 + usize::from(low) * 64 - 0x8_0000,
            Self::Far(address) => address,
        }
    }

    fn size(self) -> usize {
        match self {
            Self::Near(low) => usize::from(low) * 32,
            Self::Far(size) => size,
        }
    }
}

#[derive(Arbitrary, Debug)]
enum Call {
    Anon(At, At, usize),
    Device(At, At, usize, u64),
    Contiguous(At, u8, usize),
    Unmap(At, At),
    UnmapPart(At, At, u8),
    Protect(At, At, usize),
    Fault(At, u8),
    Remap(At, At, At, At, usize),
    Clone,
    /// So many pages at a time, with the mappings changed in between or not.
    CloneParts(u8, Option<(At, At)>),
    Lend(At, u16, At, usize, bool),
    Take(At, u16, At, usize),
    CopyIn(At, u16),
    CopyOut(At, Vec<u8>),
    Copy(At, u16, At),
    Empty,
}

fn request(address: At, size: usize, flags: usize) -> Request {
    Request {
        address: address.address(),
        size,
        flags: MapFlags::from_bits_truncate(flags),
        min: PAGE_SIZE,
    }
}

fn perform(m: &mut Sim, spaces: &mut [AddrSpace; SPACES], which: u8, call: Call) -> Option<()> {
    let index = usize::from(which) % SPACES;
    let other = (index + 1) % SPACES;
    let quiet = &mut |_| {};
    let [space, second] = spaces.get_disjoint_mut([index, other]).ok()?;
    match call {
        Call::Anon(at, size, flags) => {
            space
                .map_anon(m, &request(at, size.size(), flags), quiet)
                .ok()?;
        }
        Call::Device(at, size, flags, physical) => {
            let size = size.size() % (64 * PAGE_SIZE);
            let request = request(at, size, flags);
            space
                .map_device(m, &request, physical, Cache::Uncached, Prot::ALL, quiet)
                .ok()?;
        }
        Call::Contiguous(at, pages, flags) => {
            let size = usize::from(pages % 16) * PAGE_SIZE;
            space
                .map_contiguous(m, &request(at, size, flags), Prot::ALL, quiet)
                .ok()?;
        }
        Call::Unmap(at, size) => space.unmap(m, at.address(), size.size(), quiet).ok()?,
        Call::UnmapPart(at, size, limit) => {
            let (at, size) = (at.address(), size.size());
            while !space.unmap_part(m, at, size, limit.into(), quiet).ok()? {}
        }
        Call::Protect(at, size, flags) => {
            let flags = MapFlags::from_bits_truncate(flags);
            space.protect(m, at.address(), size.size(), flags).ok()?;
        }
        Call::Fault(at, access) => {
            let access = [Access::Read, Access::Write, Access::Exec][usize::from(access) % 3];
            space.fault(m, at.address(), access).ok()?;
        }
        Call::Remap(old, old_size, new, new_size, flags) => {
            let flags = MremapFlags::from_bits_truncate(flags);
            let request = request(new, new_size.size(), 0);
            let old = (old.address(), old_size.size());
            space.remap(m, old, &request, flags, None, quiet).ok()?;
        }
        Call::Clone => {
            let copy = space.clone_cow(m, quiet).ok()?;
            core::mem::replace(second, copy).destroy(m, quiet);
        }
        Call::CloneParts(limit, change) => {
            let mut copying = space.begin_copy(m).ok()?;
            loop {
                match space.copy_part(m, &mut copying, limit.into()) {
                    Ok(Progress::More) => {}
                    Ok(Progress::Done) => {
                        core::mem::replace(second, copying.finish(quiet)).destroy(m, quiet);
                        break;
                    }
                    Ok(Progress::Stale) | Err(_) => {
                        copying.give_up().free_part(m, usize::MAX);
                        break;
                    }
                }
                if let Some((at, size)) = change {
                    let _ = space.unmap(m, at.address(), size.size(), quiet);
                }
            }
        }
        Call::Lend(at, pages, to, flags, shared) => {
            let way = if shared { Lend::Shared } else { Lend::Snapshot };
            let size = usize::from(pages % 64) * PAGE_SIZE;
            let loan: Loan = space.lend(m, at.address(), size, way).ok()?;
            let terms = Terms {
                record: None,
                offset: 0,
                max: Prot::ALL,
            };
            second
                .map_loan(m, &request(to, size, flags), loan, &terms, quiet)
                .ok()?;
        }
        Call::Take(at, pages, to, flags) => {
            let size = usize::from(pages % 64) * PAGE_SIZE;
            let request = request(to, size, flags);
            second
                .take_from(m, space, at.address(), size, &request, quiet)
                .ok()?;
        }
        Call::CopyIn(at, len) => {
            let mut bytes = vec![0; usize::from(len)];
            let slice = UserSlice::new(at.address(), bytes.len()).ok()?;
            assert_eq!(space.copy_in(m, slice, &mut bytes).ok()?, bytes.len());
        }
        Call::CopyOut(at, bytes) => {
            let slice = UserSlice::new(at.address(), bytes.len()).ok()?;
            let copied = space.copy_out(m, slice, &bytes).ok()?;
            let mut back = vec![0; bytes.len()];
            // A place that can be written can be read, and holds what was written.
            assert_eq!(space.copy_in(m, slice, &mut back), Ok(copied));
            assert_eq!(back, bytes);
        }
        Call::Copy(from, len, to) => {
            let from = UserSlice::new(from.address(), len.into()).ok()?;
            let to = UserSlice::new(to.address(), len.into()).ok()?;
            space.copy_to(m, from, second, to).ok()?;
            space.copy_within(m, from, to).ok()?;
        }
        Call::Empty => {
            let fresh = AddrSpace::new(m).ok()?;
            core::mem::replace(space, fresh).destroy(m, quiet);
        }
    }
    Some(())
}

fuzz_target!(|calls: Vec<(u8, Call)>| {
    let mut m = Sim::new();
    let spaces: Vec<_> = (0..SPACES)
        .filter_map(|_| AddrSpace::new(&mut m).ok())
        .collect();
    let Ok(mut spaces) = <[AddrSpace; SPACES]>::try_from(spaces) else {
        panic!("no memory at the start");
    };
    for (which, call) in calls {
        m.budget = Some(BUDGET.saturating_sub(m.frames.len()));
        perform(&mut m, &mut spaces, which, call);
        for space in &spaces {
            m.walk(space.root());
        }
    }
    for space in spaces {
        space.destroy(&mut m, &mut |_| {});
    }
    assert!(m.frames.is_empty(), "{} frames are left", m.frames.len());
});
