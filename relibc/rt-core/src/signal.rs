//! Signal state (see below).
