//! The table of joins: which lease stands for two others.

use alloc::vec::Vec;

use super::{LeaseId, Leases, MIN_BUCKETS};

impl Leases {
    pub(super) fn bucket(&self, a: LeaseId, b: LeaseId) -> Option<usize> {
        let mask = self.joins.len().checked_sub(1)?;
        let mixed = a
            .raw()
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(32)
            .wrapping_add(b.raw())
            .wrapping_mul(0xd6e8_feb8_6659_fd93);
        Some((mixed >> 32) as usize & mask)
    }

    pub(super) fn find_join(&self, a: LeaseId, b: LeaseId) -> Option<LeaseId> {
        let mut at = self.joins.get(self.bucket(a, b)?).copied()?;
        while let Some(id) = at {
            let node = self.nodes.get(id)?;
            if node.first.id == Some(a) && node.second.id == Some(b) {
                return Some(id);
            }
            at = node.chain;
        }
        None
    }

    pub(super) fn forget_join(&mut self, id: LeaseId) {
        let Some(node) = self.nodes.get(id) else {
            return;
        };
        let (Some(a), Some(b), chain) = (node.first.id, node.second.id, node.chain) else {
            return;
        };
        self.join_count = self.join_count.saturating_sub(1);
        let Some(head) = self.bucket(a, b).and_then(|i| self.joins.get_mut(i)) else {
            return;
        };
        if *head == Some(id) {
            *head = chain;
        } else {
            let mut at = *head;
            while let Some(before) = at {
                let Some(node) = self.nodes.get_mut(before) else {
                    break;
                };
                if node.chain == Some(id) {
                    node.chain = chain;
                    break;
                }
                at = node.chain;
            }
        }
        if self.join_count == 0 && self.joins.len() > MIN_BUCKETS {
            self.joins = Vec::new();
        }
    }

    /// Keeps chains short. Without memory they grow longer instead; without any bucket joins are
    /// not found again, and made anew.
    pub(super) fn grow_joins(&mut self) {
        if self.join_count < self.joins.len() {
            return;
        }
        let size = self.joins.len().saturating_mul(2).max(MIN_BUCKETS);
        let mut bigger: Vec<Option<LeaseId>> = Vec::new();
        if bigger.try_reserve_exact(size).is_err() {
            return;
        }
        bigger.resize(size, None);
        let smaller = core::mem::replace(&mut self.joins, bigger);
        for head in smaller {
            let mut at = head;
            while let Some(id) = at {
                let Some(node) = self.nodes.get(id) else {
                    break;
                };
                at = node.chain;
                let (Some(a), Some(b)) = (node.first.id, node.second.id) else {
                    continue;
                };
                let Some(head) = self.bucket(a, b).and_then(|i| self.joins.get_mut(i)) else {
                    continue;
                };
                let chain = head.replace(id);
                if let Some(node) = self.nodes.get_mut(id) {
                    node.chain = chain;
                }
            }
        }
    }
}
