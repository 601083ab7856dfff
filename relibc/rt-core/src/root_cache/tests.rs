use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::vec::Vec;
use std::{format, thread, thread_local};

use super::*;

thread_local! {
    static CLOSED: core::cell::RefCell<Vec<usize>> = const { core::cell::RefCell::new(Vec::new()) };
}

fn note(root: usize) {
    CLOSED.with_borrow_mut(|closed| closed.push(root));
}

fn closed() -> Vec<usize> {
    CLOSED.take()
}

fn hit(cache: &RootCache, name: &[u8]) -> Option<usize> {
    match cache.look_up(name, false) {
        Lookup::Hit(held) => Some(held.root()),
        _ => None,
    }
}

fn ask(cache: &RootCache, name: &[u8]) -> usize {
    match cache.look_up(name, true) {
        Lookup::Ask(epoch) => epoch,
        _ => panic!("{name:?} is held or not asked for"),
    }
}

#[test]
fn the_second_miss_asks_and_a_hit_finds() {
    let cache = RootCache::new(note);
    assert!(matches!(cache.look_up(b"file", false), Lookup::Miss));
    let Lookup::Ask(epoch) = cache.look_up(b"file", false) else {
        panic!()
    };
    assert!(cache.hold(b"file", 70, epoch).is_ok());
    assert_eq!(hit(&cache, b"file"), Some(70));
    assert_eq!(hit(&cache, b"fil"), None);
    assert_eq!(hit(&cache, b"filf"), None);
    assert_eq!(closed(), []);
}

#[test]
fn names_may_be_as_long_as_there_is_room() {
    let cache = RootCache::new(note);
    let longest = [b'a'; MAX_NAME];
    let epoch = ask(&cache, &longest);
    assert!(cache.hold(&longest, 1, epoch).is_ok());
    assert_eq!(hit(&cache, &longest), Some(1));
    let longer = [b'a'; MAX_NAME + 1];
    assert!(matches!(cache.look_up(&longer, true), Lookup::Miss));
    assert!(matches!(cache.hold(&longer, 2, epoch), Err(2)));
    assert_eq!(hit(&cache, &longest), Some(1));
}

#[test]
fn what_is_retired_is_closed_when_nobody_uses_it() {
    let cache = RootCache::new(note);
    let epoch = ask(&cache, b"file");
    let Ok(Lookup::Hit(first)) = cache.hold(b"file", 70, epoch) else {
        panic!()
    };
    let Lookup::Hit(second) = cache.look_up(b"file", false) else {
        panic!()
    };
    first.retire();
    assert_eq!(hit(&cache, b"file"), None);
    assert_eq!(closed(), []);
    // No place as long as the former one is in use.
    assert!(matches!(cache.hold(b"file", 71, epoch), Err(71)));
    drop(second);
    assert_eq!(closed(), [70]);
    assert!(cache.hold(b"file", 71, epoch).is_ok());
    assert_eq!(hit(&cache, b"file"), Some(71));
}

#[test]
fn another_epoch_finds_nothing_of_the_last() {
    let cache = RootCache::new(note);
    let epoch = ask(&cache, b"file");
    assert!(cache.hold(b"file", 70, epoch).is_ok());
    cache.begin_epoch();
    assert_eq!(closed(), [70]);
    assert_eq!(hit(&cache, b"file"), None);
    // What was asked for in the last epoch comes too late.
    assert!(matches!(cache.hold(b"file", 71, epoch), Err(71)));
    assert!(cache.hold(b"file", 72, epoch + 1).is_ok());
    cache.forget();
    assert_eq!(closed(), [72]);
}

#[test]
fn a_refused_root_is_asked_for_again_much_later() {
    let cache = RootCache::new(note);
    ask(&cache, b"scoped");
    cache.refused(b"scoped");
    for _ in 0..PATIENCE {
        assert!(matches!(cache.look_up(b"scoped", false), Lookup::Miss));
    }
    assert!(matches!(cache.look_up(b"scoped", false), Lookup::Ask(_)));
    cache.refused(b"scoped");
    // Another name does not wait for it.
    let slot = |name: &[u8]| Name::new(name).map(|name| name.hash % SLOTS);
    let other = (0..)
        .map(|n| format!("n{n}"))
        .find(|name| slot(name.as_bytes()) == slot(b"scoped"))
        .unwrap();
    assert!(matches!(
        cache.look_up(other.as_bytes(), false),
        Lookup::Miss
    ));
    assert!(matches!(
        cache.look_up(other.as_bytes(), false),
        Lookup::Ask(_)
    ));
}

#[test]
fn any_number_of_names_takes_turns() {
    let cache = RootCache::new(note);
    let mut open = BTreeSet::new();
    for n in 0..1000 {
        let name = format!("scheme{}", n % 40);
        if hit(&cache, name.as_bytes()).is_some() {
            continue;
        }
        let epoch = ask(&cache, name.as_bytes());
        assert!(cache.hold(name.as_bytes(), n, epoch).is_ok());
        assert_eq!(hit(&cache, name.as_bytes()), Some(n));
        open.insert(n);
        for root in closed() {
            assert!(open.remove(&root), "{root} closed twice");
        }
        assert!(open.len() <= SLOTS);
    }
}

/// What threads hold open: a root that is used must be in it.
static OPEN: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

fn close_shared(root: usize) {
    assert!(OPEN.lock().unwrap().remove(&root), "{root} closed twice");
}

#[test]
fn threads_never_use_what_is_closed() {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    static DONE: AtomicBool = AtomicBool::new(false);
    let cache = RootCache::new(close_shared);
    let names: Vec<_> = (0..12).map(|n| format!("s{n}")).collect();
    let work = |seed: usize| {
        for round in 0..20_000usize {
            let which = (round.wrapping_mul(7) + seed) % names.len();
            let name = names[which].as_bytes();
            match cache.look_up(name, false) {
                Lookup::Hit(held) => {
                    // Roots tell whose they are.
                    assert_eq!(held.root() % names.len(), which);
                    assert!(OPEN.lock().unwrap().contains(&held.root()));
                    if round % 97 == 0 {
                        held.retire();
                    }
                }
                Lookup::Ask(epoch) => {
                    let root = NEXT.fetch_add(1, Ordering::Relaxed) * names.len() + which;
                    OPEN.lock().unwrap().insert(root);
                    if let Err(root) = cache.hold(name, root, epoch) {
                        close_shared(root);
                    }
                }
                Lookup::Miss => {}
            }
            if seed == 0 && round % 501 == 0 {
                cache.begin_epoch();
            }
        }
        DONE.store(true, Ordering::Relaxed);
    };
    thread::scope(|scope| {
        for seed in 0..4 {
            scope.spawn(move || work(seed));
        }
    });
    cache.forget();
    assert!(DONE.load(Ordering::Relaxed));
    assert_eq!(OPEN.lock().unwrap().len(), 0, "everything is closed");
}

#[test]
fn words_are_the_bytes_in_order() {
    let bytes = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];
    for len in 0..8 {
        let mut padded = [0; 8];
        padded[..len].copy_from_slice(&bytes[..len]);
        assert_eq!(word_of(&bytes[..len]), u64::from_le_bytes(padded), "{len}");
    }
}

#[test]
fn a_name_is_told_from_those_that_begin_with_it() {
    let all = "abcdefghijklmnopqrstuvwxyzabcdefghijklmn".as_bytes();
    assert_eq!(all.len(), MAX_NAME);
    for held in 1..=MAX_NAME {
        let slot = Slot::new();
        for (place, word) in slot.name.iter().zip(Name::new(&all[..held]).unwrap().words) {
            place.store(word, Ordering::Relaxed);
        }
        for asked in 1..=MAX_NAME {
            let name = Name::new(&all[..asked]).unwrap();
            assert_eq!(name.is_in(&slot), asked == held, "{asked} in {held}");
        }
    }
    assert!(Name::new(&[b'a'; MAX_NAME + 1]).is_none());
}
