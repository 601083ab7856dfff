//! `<mntent.h>`.

use alloc::vec::Vec;
use core::ffi::{c_char, c_int};
use core::ptr::null_mut;
use core::slice::from_raw_parts_mut;
use relibc_core::errno;
use relibc_core::mounts;

use crate::stdio::{self, FILE};
use crate::string::bytes;
use crate::sys::set_errno;

/// `struct mntent`.
#[repr(C)]
pub struct Entry {
    texts: [*mut c_char; 4],
    numbers: [c_int; 2],
}

/// Room for the answer of `getmntent`.
const ROOM: usize = 4096;
static mut ENTRY: Entry = Entry {
    texts: [null_mut(); 4],
    numbers: [0; 2],
};
static mut TEXT: [u8; ROOM] = [0; ROOM];

unsafe fn read(table: *mut FILE, entry: *mut Entry, buffer: &mut [u8]) -> *mut Entry {
    loop {
        let mut line = [0 as c_char; ROOM];
        if stdio::fgets(line.as_mut_ptr(), ROOM as c_int, table).is_null() {
            return null_mut();
        }
        let Some(mount) = mounts::parse(bytes(line.as_ptr()).trim_ascii()) else {
            continue;
        };
        let mut at = 0;
        for (text, place) in mount.texts.iter().zip(&mut (*entry).texts) {
            let Some(room) = buffer.get_mut(at..at + text.len() + 1) else {
                set_errno(errno::ERANGE);
                return null_mut();
            };
            let (head, end) = room.split_at_mut(text.len());
            head.copy_from_slice(text);
            end.fill(0);
            *place = room.as_mut_ptr().cast();
            at += text.len() + 1;
        }
        (*entry).numbers = mount.numbers;
        return entry;
    }
}

c_api! {
    fn setmntent(path: *const c_char, mode: *const c_char) -> *mut FILE { stdio::fopen(path, mode) }
    fn endmntent(table: *mut FILE) -> c_int {
        if !table.is_null() {
            stdio::fclose(table);
        }
        1
    }
    fn getmntent(table: *mut FILE) -> *mut Entry { read(table, &raw mut ENTRY, &mut *(&raw mut TEXT)) }
    fn getmntent_r(table: *mut FILE, entry: *mut Entry, buffer: *mut c_char, size: c_int) -> *mut Entry {
        read(table, entry, from_raw_parts_mut(buffer.cast(), size.max(0) as usize))
    }
    fn addmntent(table: *mut FILE, entry: *const Entry) -> c_int {
        let mut line = Vec::new();
        for text in (*entry).texts {
            line.extend_from_slice(&mounts::escape(bytes(text)));
            line.push(b' ');
        }
        line.extend_from_slice(alloc::format!("{} {}\n", (*entry).numbers[0], (*entry).numbers[1]).as_bytes());
        // The table may just have been read.
        if stdio::fseek(table, 0, 2) != 0 || stdio::fwrite(line.as_ptr().cast(), 1, line.len(), table) != line.len() {
            return 1;
        }
        c_int::from(stdio::fflush(table) != 0)
    }
    fn hasmntopt(entry: *const Entry, option: *const c_char) -> *mut c_char {
        let options = (*entry).texts[3];
        match mounts::find_option(bytes(options), bytes(option)) {
            Some(at) => options.add(at),
            None => null_mut(),
        }
    }
}
