//! Any sequence of requests to a treefs: each is answered, limits hold, nothing found beneath a
//! directory is outside it, and what is removed and closed is gone.
#![no_main]

use arbitrary::Arbitrary;
use cap_abi::resolve::RESOLVE_BENEATH;
use libfuzzer_sys::fuzz_target;
use treefs::{Caller, Config, Fs, TimeSpec};

#[derive(Arbitrary, Debug)]
enum Request<'a> {
    Open(u8, &'a str, u64),
    /// Opens beneath a directory and checks that what was opened is there.
    OpenBeneath(u8, &'a str, u32),
    Unlink(u8, &'a str, u64),
    Rename(u8, &'a str, u8, &'a str, u32),
    Link(u8, u8, &'a str, u32),
    Read(u8, u16, u64),
    Write(u8, &'a [u8], u64, u32),
    Truncate(u8, u64),
    Chmod(u8, u16),
    Chown(u8, u32, u32),
    Times(u8, i64, i32),
    List(u8, u64),
    Close(u8),
}

const MAX_BYTES: u64 = 1 << 20;

fuzz_target!(|requests: Vec<(u8, Request<'_>)>| {
    let now = TimeSpec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    let config = Config {
        max_bytes: MAX_BYTES,
        max_inodes: 100,
        max_handles: 64,
        ..Config::default()
    };
    let Ok(mut fs) = Fs::<treefs::Tree<treefs::SparsePages>>::new(config, Caller::SUPERUSER, now) else {
        return;
    };
    let Ok(root) = fs.open_root() else { return };
    let mut handles = vec![root.handle];
    for (who, request) in requests {
        let uid = u32::from(who & 3);
        let caller = Caller { uid, gid: uid };
        let pick = |number: u8| handles[usize::from(number) % handles.len()];
        match request {
            Request::Open(dir, path, flags) => {
                if let Ok(opened) = fs.openat(pick(dir), path, flags as usize, caller, now) {
                    handles.push(opened.handle);
                }
            }
            Request::OpenBeneath(dir, path, flags) => {
                let dir = pick(dir);
                let flags = flags as usize | RESOLVE_BENEATH;
                if let Ok(opened) = fs.openat(dir, path, flags, caller, now) {
                    handles.push(opened.handle);
                    let mut inside = fs.relpathat(opened.handle, dir).is_ok();
                    // One with several names may be known by one that is elsewhere.
                    let several = fs.fstat(opened.handle).is_ok_and(|stat| stat.st_nlink > 1);
                    let is_dir = opened.kind == treefs::Kind::Directory;
                    inside |= several && !is_dir;
                    inside |= fs.fpath(opened.handle).is_err();
                    assert!(inside, "{path:?} led out of its directory");
                }
            }
            Request::Unlink(dir, path, flags) => {
                let _ = fs.unlinkat(pick(dir), path, flags as usize, caller, now);
            }
            Request::Rename(dir, path, other, to, flags) => {
                let (old, new) = ((pick(dir), path), (pick(other), to));
                let _ = fs.frenameat(old, new, flags, caller, now);
            }
            Request::Link(target, dir, path, flags) => {
                let _ = fs.flinkat(pick(target), pick(dir), path, flags, caller, now);
            }
            Request::Read(handle, len, offset) => {
                let mut buf = vec![0; usize::from(len)];
                let _ = fs.read(pick(handle), &mut buf, offset, now);
            }
            Request::Write(handle, data, offset, flags) => {
                let _ = fs.write(pick(handle), data, offset, flags, caller, now);
            }
            Request::Truncate(handle, size) => {
                let _ = fs.ftruncate(pick(handle), size, caller, now);
            }
            Request::Chmod(handle, mode) => {
                let _ = fs.fchmod(pick(handle), mode, caller, now);
            }
            Request::Chown(handle, uid, gid) => {
                let _ = fs.fchown(pick(handle), uid, gid, caller, now);
            }
            Request::Times(handle, tv_sec, tv_nsec) => {
                let time = TimeSpec { tv_sec, tv_nsec };
                let _ = fs.futimens(pick(handle), &[time, time], caller, now);
            }
            Request::List(handle, after) => {
                let mut last = after;
                let _ = fs.getdents(pick(handle), after, |entry| {
                    assert!(entry.cookie > last);
                    last = entry.cookie;
                    true
                });
            }
            Request::Close(handle) => {
                let at = usize::from(handle) % handles.len();
                if at != 0 {
                    fs.close(handles.remove(at));
                }
            }
        }
        let (usage, open) = fs.usage();
        assert!(usage.inodes <= 100 && open == handles.len());
        // A rename to a longer name may pass the limit by that.
        assert!(usage.bytes <= MAX_BYTES + 100 * 255);
    }
});
