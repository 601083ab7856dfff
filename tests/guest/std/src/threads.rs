//! Threads and what they share.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Barrier, Condvar, Mutex, Once, RwLock};
use std::thread;
use std::time::Duration;

use crate::{Case, same};

pub const CASES: &[Case] = &[
    ("join_gives_the_result", join_gives_the_result),
    ("many_at_once", many_at_once),
    ("mutex_excludes", mutex_excludes),
    ("condvar_wakes", condvar_wakes),
    ("condvar_times_out", condvar_times_out),
    ("rwlock_and_once", rwlock_and_once),
    ("channel", channel),
    ("park_and_unpark", park_and_unpark),
    ("thread_local_destructors", thread_local_destructors),
    ("panic_stays_in_its_thread", panic_stays_in_its_thread),
    ("names_and_scopes", names_and_scopes),
    ("detached", detached),
];

fn join_gives_the_result() {
    let words = ["a", "b", "c"];
    let joined = thread::spawn(move || words.concat()).join();
    same(joined.ok().as_deref(), Some("abc"));
}

fn many_at_once() {
    for _ in 0..4 {
        let barrier = Arc::new(Barrier::new(16));
        let threads: Vec<_> = (0..16)
            .map(|i| {
                let barrier = barrier.clone();
                thread::spawn(move || (barrier.wait().is_leader(), i))
            })
            .collect();
        let results: Vec<_> = threads
            .into_iter()
            .map(|t| t.join().expect("a panic"))
            .collect();
        same(results.iter().filter(|(leader, _)| *leader).count(), 1);
        same(results.iter().map(|(_, i)| i).sum::<i32>(), 120);
    }
}

fn mutex_excludes() {
    let counter = Mutex::new(0u64);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    let mut guard = counter.lock().expect("poisoned");
                    let before = *guard;
                    if before.is_multiple_of(64) {
                        thread::yield_now();
                    }
                    *guard = before + 1;
                }
            });
        }
    });
    same(counter.into_inner().ok(), Some(4000));
}

fn condvar_wakes() {
    let pair = Arc::new((Mutex::new(0), Condvar::new()));
    let other = pair.clone();
    let thread = thread::spawn(move || {
        for _ in 0..100 {
            let mut turn = other.0.lock().expect("poisoned");
            while *turn % 2 == 0 {
                turn = other.1.wait(turn).expect("poisoned");
            }
            *turn += 1;
            other.1.notify_one();
        }
    });
    for _ in 0..100 {
        let mut turn = pair.0.lock().expect("poisoned");
        while *turn % 2 == 1 {
            turn = pair.1.wait(turn).expect("poisoned");
        }
        *turn += 1;
        pair.1.notify_one();
    }
    thread.join().expect("a panic");
    same(*pair.0.lock().expect("poisoned"), 200);
}

fn condvar_times_out() {
    let lock = Mutex::new(());
    let guard = lock.lock().expect("poisoned");
    let never = Condvar::new();
    let (_guard, result) = never
        .wait_timeout_while(guard, Duration::from_millis(2), |()| true)
        .expect("poisoned");
    assert!(result.timed_out());
}

fn rwlock_and_once() {
    static ONCE: Once = Once::new();
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let lock = RwLock::new(vec![1]);
    thread::scope(|scope| {
        for i in 0..8 {
            let lock = &lock;
            scope.spawn(move || {
                ONCE.call_once(|| {
                    CALLS.fetch_add(1, Ordering::Relaxed);
                });
                if i % 4 == 0 {
                    lock.write().expect("poisoned").push(i);
                } else {
                    same(lock.read().expect("poisoned")[0], 1);
                }
            });
        }
    });
    same(CALLS.load(Ordering::Relaxed), 1);
    same(lock.read().expect("poisoned").len(), 3);
}

fn channel() {
    let (sender, receiver) = mpsc::sync_channel(2);
    let senders: Vec<_> = (0..3)
        .map(|i| {
            let sender = sender.clone();
            thread::spawn(move || {
                (0..50).for_each(|n| sender.send(i * 50 + n).expect("no receiver"))
            })
        })
        .collect();
    drop(sender);
    let mut all: Vec<i32> = receiver.iter().collect();
    all.sort_unstable();
    assert!(all.iter().copied().eq(0..150));
    senders.into_iter().for_each(|s| s.join().expect("a panic"));
}

fn park_and_unpark() {
    let flag = Arc::new(AtomicU32::new(0));
    let seen = flag.clone();
    let parked = thread::spawn(move || {
        while seen.load(Ordering::Acquire) == 0 {
            thread::park();
        }
    });
    flag.store(1, Ordering::Release);
    parked.thread().unpark();
    parked.join().expect("a panic");
}

fn thread_local_destructors() {
    static DROPPED: AtomicU32 = AtomicU32::new(0);
    struct Noisy(u32);
    impl Drop for Noisy {
        fn drop(&mut self) {
            DROPPED.fetch_add(self.0, Ordering::Relaxed);
        }
    }
    thread_local! {
        static NOISY: Cell<Option<Noisy>> = const { Cell::new(None) };
    }
    for _ in 0..3 {
        thread::spawn(|| NOISY.set(Some(Noisy(5))))
            .join()
            .expect("a panic");
    }
    same(DROPPED.load(Ordering::Relaxed), 15);
}

fn panic_stays_in_its_thread() {
    let lock = Arc::new(Mutex::new(1));
    let other = lock.clone();
    let result = thread::spawn(move || {
        let _guard = other.lock();
        panic!("with the lock held");
    })
    .join();
    assert!(result.is_err());
    assert!(lock.is_poisoned());
}

fn names_and_scopes() {
    let name = thread::Builder::new()
        .name("worker".into())
        .stack_size(64 << 10)
        .spawn(|| thread::current().name().map(str::to_owned))
        .expect("spawning")
        .join();
    same(name.ok().flatten().as_deref(), Some("worker"));
}

fn detached() {
    let (sender, receiver) = mpsc::channel();
    for i in 0..20 {
        let sender = sender.clone();
        drop(thread::spawn(move || sender.send(i)));
    }
    drop(sender);
    same(receiver.iter().sum::<i32>(), 190);
}
