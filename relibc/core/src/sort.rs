//! Sorting and searching by index, for arrays whose elements only the caller can compare and move.

/// Sorts `count` elements in place in O(n log n) comparisons, without memory of its own: quicksort
/// with a bounded depth, insertion sort for short runs, heapsort when the bound is reached. Not
/// stable. An inconsistent `less` gives some permutation, never an index out of range.
///
/// `less(i, j)` compares elements, `swap(i, j)` exchanges them.
pub fn sort(
    count: usize,
    less: &mut dyn FnMut(usize, usize) -> bool,
    swap: &mut dyn FnMut(usize, usize),
) {
    let depth = 2 * (usize::BITS - count.leading_zeros());
    quick(0, count, depth, less, swap);
}

fn quick(
    mut lo: usize,
    mut hi: usize,
    mut depth: u32,
    less: &mut dyn FnMut(usize, usize) -> bool,
    swap: &mut dyn FnMut(usize, usize),
) {
    while hi - lo > 12 {
        if depth == 0 {
            return heap(lo, hi, less, swap);
        }
        depth -= 1;
        let mid = lo + (hi - lo) / 2;
        let last = hi - 1;
        // The median of three goes to `lo` as the pivot.
        if less(mid, lo) != less(mid, last) {
            swap(mid, lo);
        } else if less(last, lo) != less(last, mid) {
            swap(last, lo);
        }
        let (mut i, mut j) = (lo + 1, last);
        loop {
            while i <= j && less(i, lo) {
                i += 1;
            }
            while i <= j && less(lo, j) {
                j -= 1;
            }
            if i >= j {
                break;
            }
            swap(i, j);
            i += 1;
            j -= 1;
        }
        // Everything up to `j` is not above the pivot.
        if j != lo {
            swap(lo, j);
        }
        // The shorter side by recursion, so that the stack stays logarithmic.
        if j - lo < hi - j {
            quick(lo, j, depth, less, swap);
            lo = j + 1;
        } else {
            quick(j + 1, hi, depth, less, swap);
            hi = j;
        }
    }
    for i in lo + 1..hi {
        let mut j = i;
        while j > lo && less(j, j - 1) {
            swap(j, j - 1);
            j -= 1;
        }
    }
}

fn heap(
    lo: usize,
    hi: usize,
    less: &mut dyn FnMut(usize, usize) -> bool,
    swap: &mut dyn FnMut(usize, usize),
) {
    let count = hi - lo;
    let mut sift = |mut root: usize, end: usize, swap: &mut dyn FnMut(usize, usize)| {
        loop {
            let mut child = 2 * root + 1;
            if child >= end {
                break;
            }
            if child + 1 < end && less(lo + child, lo + child + 1) {
                child += 1;
            }
            if !less(lo + root, lo + child) {
                break;
            }
            swap(lo + root, lo + child);
            root = child;
        }
    };
    for root in (0..count / 2).rev() {
        sift(root, count, swap);
    }
    for end in (1..count).rev() {
        swap(lo, lo + end);
        sift(0, end, swap);
    }
}

/// Binary search: the index of an element for which `compare` (key against element) is equal.
pub fn search(
    count: usize,
    mut compare: impl FnMut(usize) -> core::cmp::Ordering,
) -> Option<usize> {
    let (mut lo, mut hi) = (0, count);
    while lo < hi {
        let mid = lo + (hi - lo) / 2;
        match compare(mid) {
            core::cmp::Ordering::Less => hi = mid,
            core::cmp::Ordering::Greater => lo = mid + 1,
            core::cmp::Ordering::Equal => return Some(mid),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn run(values: &mut [u32], depth: u32) {
        let n = values.len();
        let cell = core::cell::RefCell::new(values);
        let mut less = |i: usize, j: usize| cell.borrow()[i] < cell.borrow()[j];
        let mut swap = |i: usize, j: usize| cell.borrow_mut().swap(i, j);
        if depth == 0 {
            heap(0, n, &mut less, &mut swap)
        } else {
            sort(n, &mut less, &mut swap)
        }
    }

    proptest! {
        #[test]
        fn sorts_any_array(v in proptest::collection::vec(0u32..50, 0..400), heap_only in any::<bool>()) {
            let mut got = v.clone();
            run(&mut got, u32::from(!heap_only));
            let mut want = v;
            want.sort_unstable();
            prop_assert_eq!(got, want);
        }

        #[test]
        fn inconsistent_order_still_permutes(n in 0usize..300, seed in any::<u64>()) {
            let mut state = seed;
            let values = core::cell::RefCell::new((0..n).collect::<Vec<_>>());
            sort(n, &mut |_, _| { state = state.wrapping_mul(6364136223846793005).wrapping_add(1); state >> 63 != 0 },
                &mut |i, j| values.borrow_mut().swap(i, j));
            let mut v = values.into_inner();
            v.sort_unstable();
            prop_assert_eq!(v, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn comparisons_stay_near_n_log_n() {
        // Shapes that make a naive quicksort quadratic.
        let n = 4096u32;
        let shapes: [Vec<u32>; 4] = [
            (0..n).collect(),
            (0..n).rev().collect(),
            std::vec![7; n as usize],
            (0..n).map(|i| if i % 2 == 0 { i } else { n - i }).collect(),
        ];
        for mut shape in shapes {
            let cell = core::cell::RefCell::new(&mut shape[..]);
            let mut comparisons = 0;
            sort(
                n as usize,
                &mut |i, j| {
                    comparisons += 1;
                    cell.borrow()[i] < cell.borrow()[j]
                },
                &mut |i, j| cell.borrow_mut().swap(i, j),
            );
            assert!(comparisons < 4 * 4096 * 12, "{comparisons}");
            assert!(shape.is_sorted());
        }
    }

    #[test]
    fn finds_what_is_there() {
        let v: Vec<u32> = (0..1000).map(|i| i * 2).collect();
        for key in 0..2000u32 {
            assert_eq!(
                search(v.len(), |i| key.cmp(&v[i])),
                v.binary_search(&key).ok()
            );
        }
    }
}
