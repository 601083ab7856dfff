//! What needs nothing but the process itself.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::{Case, same};

pub const CASES: &[Case] = &[
    ("arguments", arguments),
    ("environment", environment),
    ("formats_floats", formats_floats),
    ("allocates", allocates),
    ("hash_map_is_seeded", hash_map_is_seeded),
    ("clocks_move_on", clocks_move_on),
    ("panic_unwinds", panic_unwinds),
    ("panic_runs_destructors", panic_runs_destructors),
    ("absent_file_is_not_found", absent_file_is_not_found),
    ("bad_paths", bad_paths),
    ("sockets_are_refused", sockets_are_refused),
];

fn arguments() {
    let args: Vec<String> = std::env::args().collect();
    assert!(args.len() >= 2 && args[0].contains("test-std"), "{args:?}");
}

fn environment() {
    // SAFETY: there is one thread.
    unsafe {
        std::env::set_var("ONE", "1");
        std::env::set_var("TWO", "2");
        std::env::set_var("ONE", "eins");
    }
    same(std::env::var("ONE").as_deref(), Ok("eins"));
    same(
        std::env::vars().filter(|(name, _)| name == "ONE").count(),
        1,
    );
    // SAFETY: as above.
    unsafe { std::env::remove_var("ONE") };
    assert!(std::env::var("ONE").is_err());
    same(std::env::var("TWO").as_deref(), Ok("2"));
}

fn formats_floats() {
    same(
        format!("{:.3} {:e}", 2.0f64.sqrt(), 1e300),
        "1.414 1e300".into(),
    );
    same((0.1f64 + 0.2).to_string(), "0.30000000000000004".into());
    same("2.5".parse::<f64>().map(f64::exp2), Ok(5.656854249492381));
}

fn allocates() {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    for i in 0..200usize {
        let len = i * i * 17 % 70_000;
        blocks.push(vec![i as u8; len]);
        if i % 3 == 0 {
            blocks.swap_remove(i / 3);
        }
    }
    for block in &blocks {
        assert!(block.windows(2).all(|w| w[0] == w[1]));
    }
    // Large ones are mappings; they grow and are given back.
    let mut large: Vec<u64> = Vec::new();
    large.extend(0..300_000);
    same(large.iter().sum::<u64>(), 299_999 * 300_000 / 2);
    large.truncate(10);
    large.shrink_to_fit();
    same(large[9], 9);
    #[repr(align(4096))]
    struct Page([u8; 4096]);
    let page = Box::new(Page([7; 4096]));
    same(&raw const *page as usize % 4096, 0);
    same(page.0[4095], 7);
}

fn hash_map_is_seeded() {
    let map: HashMap<String, usize> = (0..100).map(|i| (format!("key {i}"), i)).collect();
    same(map.get("key 42"), Some(&42));
    same(map.values().sum::<usize>(), 4950);
    let order = |_| {
        (0..64)
            .collect::<std::collections::HashSet<u32>>()
            .into_iter()
            .collect::<Vec<_>>()
    };
    let orders: Vec<Vec<u32>> = (0..8).map(order).collect();
    assert!(
        orders.windows(2).any(|w| w[0] != w[1]),
        "every set has the same order"
    );
}

fn clocks_move_on() {
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(3));
    assert!(start.elapsed() >= Duration::from_millis(3));
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    // The year 2020 has passed.
    assert!(
        now.as_ref().is_ok_and(|d| d.as_secs() > 1_577_836_800),
        "{now:?}"
    );
}

fn panic_unwinds() {
    let caught = catch_unwind(|| {
        let list: Vec<u32> = Vec::new();
        list[std::hint::black_box(3)]
    });
    let text = caught.err().and_then(|e| e.downcast::<String>().ok());
    assert!(
        text.as_deref().is_some_and(|t| t.contains("index is 3")),
        "{text:?}"
    );
}

fn panic_runs_destructors() {
    struct Count<'a>(&'a mut u32);
    impl Drop for Count<'_> {
        fn drop(&mut self) {
            *self.0 += 1;
        }
    }
    #[inline(never)]
    fn deep(n: u32, count: &mut u32) {
        let guard = Count(count);
        if n == 0 {
            panic!("at the bottom");
        }
        deep(n - 1, guard.0);
    }
    let mut count = 0;
    assert!(catch_unwind(AssertUnwindSafe(|| deep(9, &mut count))).is_err());
    same(count, 10);
}

fn absent_file_is_not_found() {
    let error = std::fs::File::open("/scheme/nowhere/file")
        .err()
        .and_then(|e| e.raw_os_error());
    // No namespace: ENOENT; one that does not bind the name: ENODEV.
    assert!(matches!(error, Some(2 | 19)), "{error:?}");
}

fn bad_paths() {
    let errno = |path: &str| std::fs::metadata(path).err().and_then(|e| e.raw_os_error());
    same(errno(&"x".repeat(4097)), Some(36));
    same(errno(""), Some(2));
    let nul = std::fs::metadata("a\0b").err().map(|e| e.kind());
    same(nul, Some(std::io::ErrorKind::InvalidInput));
}

fn sockets_are_refused() {
    let error = std::net::TcpStream::connect("127.0.0.1:80")
        .err()
        .and_then(|e| e.raw_os_error());
    same(error, Some(97));
}
