//! Who there is, and who this process is.

use alloc::vec::Vec;
use core::fmt;

use login_core::identity::{Names, Numbers};
use redox_rt::{Error, process};

use crate::files::read_users;

/// The files about users. Without them everybody is a number.
pub struct Users {
    passwd: Vec<u8>,
    group: Vec<u8>,
}

/// Why there are no numbers.
#[derive(Debug)]
pub enum Unknown {
    /// There is no such user.
    User,
    /// The process manager does not say.
    Process(Error),
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("there is no such user"),
            Self::Process(error) => write!(f, "asking who this is: {error}"),
        }
    }
}

impl Users {
    /// Reads the files.
    #[must_use]
    pub fn read() -> Self {
        Self {
            passwd: read_users("passwd").unwrap_or_default(),
            group: read_users("group").unwrap_or_default(),
        }
    }

    /// What they say.
    #[must_use]
    pub fn names(&self) -> Names<'_> {
        Names {
            passwd: &self.passwd,
            group: &self.group,
        }
    }

    /// The numbers of a user, or of this process.
    ///
    /// # Errors
    /// [`Unknown`].
    pub fn numbers(&self, user: Option<&str>) -> Result<Numbers, Unknown> {
        if let Some(user) = user {
            return self.names().numbers(user).ok_or(Unknown::User);
        }
        let own = process::credentials().map_err(Unknown::Process)?;
        Ok(Numbers {
            ruid: own.ruid,
            euid: own.euid,
            rgid: own.rgid,
            egid: own.egid,
        })
    }
}
