//! `<search.h>`: AVL trees, hash tables, linear search and queues.

use crate::string::bytes;
use crate::sys::{free, malloc, set_errno};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ffi::{c_char, c_int, c_void};
use core::ptr::null_mut;
use relibc_core::errno;

type Compare = unsafe extern "C" fn(*const c_void, *const c_void) -> c_int;

/// A tree's node. Its first word is the key, which is all that callers know.
#[repr(C)]
struct Node {
    key: *const c_void,
    left: *mut Node,
    right: *mut Node,
    height: i32,
}

unsafe fn height(node: *mut Node) -> i32 {
    if node.is_null() { 0 } else { (*node).height }
}

unsafe fn update(node: *mut Node) {
    (*node).height = 1 + height((*node).left).max(height((*node).right));
}

unsafe fn rotate(node: *mut Node, left_rises: bool) -> *mut Node {
    let risen;
    if left_rises {
        risen = (*node).left;
        (*node).left = (*risen).right;
        (*risen).right = node;
    } else {
        risen = (*node).right;
        (*node).right = (*risen).left;
        (*risen).left = node;
    }
    update(node);
    update(risen);
    risen
}

unsafe fn balance(node: *mut Node) -> *mut Node {
    update(node);
    let lean = height((*node).left) - height((*node).right);
    if lean > 1 {
        let left = (*node).left;
        if height((*left).left) < height((*left).right) {
            (*node).left = rotate(left, false);
        }
        rotate(node, true)
    } else if lean < -1 {
        let right = (*node).right;
        if height((*right).right) < height((*right).left) {
            (*node).right = rotate(right, true);
        }
        rotate(node, false)
    } else {
        node
    }
}

unsafe fn rebalance(path: &[*mut *mut Node]) {
    for link in path.iter().rev() {
        if !(**link).is_null() {
            **link = balance(**link);
        }
    }
}

unsafe fn walk(
    node: *const Node,
    action: unsafe extern "C" fn(*const c_void, c_int, c_int),
    level: c_int,
) {
    if node.is_null() {
        return;
    }
    if (*node).left.is_null() && (*node).right.is_null() {
        return action(node.cast(), 3, level);
    }
    action(node.cast(), 0, level);
    walk((*node).left, action, level + 1);
    action(node.cast(), 1, level);
    walk((*node).right, action, level + 1);
    action(node.cast(), 2, level);
}

/// `ENTRY`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Entry {
    pub key: *mut c_char,
    pub data: *mut c_void,
}

/// `struct hsearch_data`.
#[repr(C)]
pub struct Table {
    entries: *mut BTreeMap<Vec<u8>, Box<Entry>>,
}

static mut GLOBAL: Table = Table {
    entries: null_mut(),
};

/// The links of a queue's element.
#[repr(C)]
struct Link {
    next: *mut Link,
    previous: *mut Link,
}

c_api! {
    fn tsearch(key: *const c_void, root: *mut *mut c_void, compare: Compare) -> *mut c_void {
        if root.is_null() {
            return null_mut();
        }
        let mut link: *mut *mut Node = root.cast();
        let mut path = Vec::new();
        while !(*link).is_null() {
            let node = *link;
            path.push(link);
            link = match compare(key, (*node).key).signum() {
                0 => return node.cast(),
                -1 => &raw mut (*node).left,
                _ => &raw mut (*node).right,
            };
        }
        let node = malloc(size_of::<Node>()).cast::<Node>();
        if node.is_null() {
            return null_mut();
        }
        node.write(Node { key, left: null_mut(), right: null_mut(), height: 1 });
        *link = node;
        rebalance(&path);
        node.cast()
    }
    fn tfind(key: *const c_void, root: *const *mut c_void, compare: Compare) -> *mut c_void {
        let mut node: *mut Node = if root.is_null() { null_mut() } else { (*root).cast() };
        while !node.is_null() {
            node = match compare(key, (*node).key).signum() {
                0 => return node.cast(),
                -1 => (*node).left,
                _ => (*node).right,
            };
        }
        null_mut()
    }
    fn tdelete(key: *const c_void, root: *mut *mut c_void, compare: Compare) -> *mut c_void {
        if root.is_null() {
            return null_mut();
        }
        let mut link: *mut *mut Node = root.cast();
        let mut path = Vec::new();
        let mut parent: *mut Node = null_mut();
        loop {
            let node = *link;
            if node.is_null() {
                return null_mut();
            }
            let order = compare(key, (*node).key);
            if order == 0 {
                break;
            }
            path.push(link);
            parent = node;
            link = if order < 0 { &raw mut (*node).left } else { &raw mut (*node).right };
        }
        let node = *link;
        if (*node).left.is_null() || (*node).right.is_null() {
            *link = if (*node).left.is_null() { (*node).right } else { (*node).left };
        } else {
            // The next key in order takes the node's place.
            path.push(link);
            let start = path.len();
            let mut next = &raw mut (*node).right;
            while !(**next).left.is_null() {
                path.push(next);
                next = &raw mut (**next).left;
            }
            let heir = *next;
            *next = (*heir).right;
            (*heir).left = (*node).left;
            (*heir).right = (*node).right;
            *link = heir;
            if let Some(first) = path.get_mut(start) {
                *first = &raw mut (*heir).right;
            }
        }
        free(node.cast());
        rebalance(&path);
        // The value only has to differ from null when the root itself went.
        if parent.is_null() { root.cast() } else { parent.cast() }
    }
    fn twalk(root: *const c_void, action: unsafe extern "C" fn(*const c_void, c_int, c_int)) { walk(root.cast(), action, 0); }
    fn tdestroy(root: *mut c_void, release: Option<unsafe extern "C" fn(*mut c_void)>) {
        let node = root.cast::<Node>();
        if node.is_null() {
            return;
        }
        tdestroy((*node).left.cast(), release);
        tdestroy((*node).right.cast(), release);
        if let Some(release) = release {
            release((*node).key.cast_mut());
        }
        free(node.cast());
    }
    fn hcreate_r(_count: usize, table: *mut Table) -> c_int {
        (*table).entries = Box::into_raw(Box::default());
        1
    }
    fn hdestroy_r(table: *mut Table) {
        if !(*table).entries.is_null() {
            drop(Box::from_raw((*table).entries));
            (*table).entries = null_mut();
        }
    }
    fn hsearch_r(entry: Entry, action: c_int, result: *mut *mut Entry, table: *mut Table) -> c_int {
        *result = null_mut();
        let Some(entries) = (*table).entries.as_mut() else {
            set_errno(errno::EINVAL);
            return 0;
        };
        let key = bytes(entry.key);
        if action == 1 && !entries.contains_key(key) {
            entries.insert(key.to_vec(), Box::new(entry));
        }
        match entries.get_mut(key) {
            Some(found) => {
                *result = &raw mut **found;
                1
            }
            None => {
                set_errno(errno::ESRCH);
                0
            }
        }
    }
    fn hcreate(count: usize) -> c_int {
        if !GLOBAL.entries.is_null() {
            return 0;
        }
        hcreate_r(count, &raw mut GLOBAL)
    }
    fn hdestroy() { hdestroy_r(&raw mut GLOBAL); }
    fn hsearch(entry: Entry, action: c_int) -> *mut Entry {
        let mut result = null_mut();
        hsearch_r(entry, action, &mut result, &raw mut GLOBAL);
        result
    }
    fn lfind(key: *const c_void, base: *const c_void, count: *mut usize, size: usize, compare: Compare) -> *mut c_void {
        (0..*count).map(|i| base.cast::<u8>().add(i * size)).find(|e| compare(key, e.cast()) == 0).map_or(null_mut(), |e| e.cast_mut().cast())
    }
    fn lsearch(key: *const c_void, base: *mut c_void, count: *mut usize, size: usize, compare: Compare) -> *mut c_void {
        let found = lfind(key, base, count, size, compare);
        if !found.is_null() {
            return found;
        }
        let end = base.cast::<u8>().add(*count * size);
        core::ptr::copy_nonoverlapping(key.cast::<u8>(), end, size);
        *count += 1;
        end.cast()
    }
    fn insque(element: *mut c_void, before: *mut c_void) {
        let (element, before) = (element.cast::<Link>(), before.cast::<Link>());
        if before.is_null() {
            *element = Link { next: null_mut(), previous: null_mut() };
            return;
        }
        *element = Link { next: (*before).next, previous: before };
        (*before).next = element;
        if !(*element).next.is_null() {
            (*(*element).next).previous = element;
        }
    }
    fn remque(element: *mut c_void) {
        let element = element.cast::<Link>();
        if !(*element).next.is_null() {
            (*(*element).next).previous = (*element).previous;
        }
        if !(*element).previous.is_null() {
            (*(*element).previous).next = (*element).next;
        }
    }
}
