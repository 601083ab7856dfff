//! Device paths of a disk's partitions.

use boot_core::device_path::{on_one_disk, partition_number};
use proptest::prelude::*;

fn node(kind: u8, sub: u8, data: &[u8]) -> Vec<u8> {
    let len = (4 + data.len()) as u16;
    [&[kind, sub], len.to_le_bytes().as_slice(), data].concat()
}

fn path(nodes: &[Vec<u8>]) -> Vec<u8> {
    [nodes.concat(), vec![0x7f, 0xff, 4, 0]].concat()
}

fn pci(device: u8) -> Vec<u8> {
    node(1, 1, &[0, device])
}

fn partition(number: u8) -> Vec<u8> {
    let mut data = [0; 38];
    data[0] = number;
    node(4, 1, &data)
}

#[test]
fn partitions_of_one_disk_and_others() {
    let esp = path(&[pci(3), partition(1)]);
    let cases = [
        ("sibling", path(&[pci(3), partition(2)]), true),
        ("itself", esp.clone(), true),
        ("another disk's", path(&[pci(4), partition(2)]), false),
        ("the disk", path(&[pci(3)]), false),
        (
            "inside a partition",
            path(&[pci(3), partition(1), node(4, 4, b"f\0\0\0")]),
            false,
        ),
        ("a CD's", path(&[pci(3), node(4, 2, &[0; 20])]), false),
        ("empty", path(&[]), false),
        ("nothing", vec![], false),
        ("no end", [pci(3), partition(2)].concat(), false),
        (
            "node without length",
            [pci(3), vec![4, 1, 0, 0]].concat(),
            false,
        ),
        (
            "node past the end",
            [pci(3), vec![4, 1, 255, 0, 1]].concat(),
            false,
        ),
    ];
    for (name, candidate, expected) in cases {
        assert_eq!(on_one_disk(&esp, &candidate), expected, "{name}");
        assert_eq!(on_one_disk(&candidate, &esp), expected, "{name}, swapped");
    }
    assert_eq!(partition_number(&esp), Some(1));
    assert_eq!(partition_number(&path(&[pci(3)])), None);
}

#[test]
fn two_nonsensical_paths_are_not_on_one_disk() {
    assert!(!on_one_disk(b"", b""));
    assert!(!on_one_disk(&path(&[pci(1)]), &path(&[pci(1)])));
}

proptest! {
    #[test]
    fn noise_never_panics(a in proptest::collection::vec(any::<u8>(), 0..80)) {
        on_one_disk(&a, &a);
        partition_number(&a);
    }
}
