// SPDX-License-Identifier: GPL-2.0

//! What can go wrong, in the words of the header.

use rustix::io::Errno;
use thiserror::Error;

/// Why a command or an operation of a batch failed. One variant for each errno of the header.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// `E2BIG`.
    #[error("the structure is longer than the module knows, with something in the unknown part")]
    StructureTooLong,
    /// `EINVAL`.
    #[error("an argument is not valid: a flag, a value, a reserved member or a size of zero")]
    Invalid,
    /// `EFAULT`.
    #[error("a pointer cannot be read or written")]
    BadAddress,
    /// `ENOTTY`.
    #[error("the module knows no such command")]
    NoSuchCommand,
    /// `ENOENT`.
    #[error("this open file has no such allocation or cache, or there is no such pool")]
    NotFound,
    /// `ENOMEM`.
    #[error("no memory of the asked kind: the pool, or the kernel, is out")]
    NoMemory,
    /// `EDQUOT`.
    #[error("a quota of this open file is used up")]
    QuotaUsedUp,
    /// `EBUSY`.
    #[error(
        "the allocation is mapped, or the cache or pool has something live, see the kernel log"
    )]
    Busy,
    /// `ERANGE`.
    #[error("offset and length do not lie within the allocation")]
    OutOfRange,
    /// `EOPNOTSUPP`.
    #[error("the operation does not exist for this kind of allocation, or it is opaque")]
    NotSupported,
    /// `EEXIST`.
    #[error("this open file has a cache of that name, or there is a pool of that name, already")]
    Exists,
    /// `EBADMSG`.
    #[error("the contents do not match the pattern")]
    BadContents,
    /// `EINTR`.
    #[error("a fatal signal arrived in a long operation")]
    Interrupted,
    /// `EPERM`.
    #[error("the pool belongs to the kernel")]
    NotYours,
    /// `ENOSPC`.
    #[error("there are as many pools as there can be")]
    TooMany,
    /// An errno that the header does not document.
    #[error("undocumented errno {0}")]
    Undocumented(i32),
}

/// Each documented cause with its errno and the name of that.
const TABLE: [(Cause, Errno, &str); 15] = [
    (Cause::StructureTooLong, Errno::TOOBIG, "E2BIG"),
    (Cause::Invalid, Errno::INVAL, "EINVAL"),
    (Cause::BadAddress, Errno::FAULT, "EFAULT"),
    (Cause::NoSuchCommand, Errno::NOTTY, "ENOTTY"),
    (Cause::NotFound, Errno::NOENT, "ENOENT"),
    (Cause::NoMemory, Errno::NOMEM, "ENOMEM"),
    (Cause::QuotaUsedUp, Errno::DQUOT, "EDQUOT"),
    (Cause::Busy, Errno::BUSY, "EBUSY"),
    (Cause::OutOfRange, Errno::RANGE, "ERANGE"),
    (Cause::NotSupported, Errno::OPNOTSUPP, "EOPNOTSUPP"),
    (Cause::Exists, Errno::EXIST, "EEXIST"),
    (Cause::BadContents, Errno::BADMSG, "EBADMSG"),
    (Cause::Interrupted, Errno::INTR, "EINTR"),
    (Cause::NotYours, Errno::PERM, "EPERM"),
    (Cause::TooMany, Errno::NOSPC, "ENOSPC"),
];

impl Cause {
    /// Returns the cause that a positive errno stands for.
    pub fn from_errno(errno: i32) -> Self {
        TABLE
            .iter()
            .find(|(_, known, _)| known.raw_os_error() == errno)
            .map_or(Self::Undocumented(errno), |(cause, _, _)| *cause)
    }

    /// Returns the positive errno.
    pub fn errno(self) -> i32 {
        match self {
            Self::Undocumented(errno) => errno,
            _ => TABLE
                .iter()
                .find(|(cause, _, _)| *cause == self)
                .map_or(0, |(_, errno, _)| errno.raw_os_error()),
        }
    }

    /// Returns the name of the errno, such as `ENOMEM`.
    pub fn name(self) -> String {
        TABLE
            .iter()
            .find(|(cause, _, _)| *cause == self)
            .map_or_else(
                || format!("errno {}", self.errno()),
                |(_, _, name)| (*name).to_owned(),
            )
    }

    /// Returns whether a well-behaved program meets this under load: memory or a quota is used up.
    pub fn is_exhaustion(self) -> bool {
        matches!(self, Self::NoMemory | Self::QuotaUsedUp)
    }
}

/// A command that failed.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("{command}: {cause} ({})", cause.name())]
pub struct Error {
    /// The name of the command, such as `ALLOC`.
    pub command: &'static str,
    /// Why it failed.
    pub cause: Cause,
}

/// What a command returns.
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_errno_has_one_meaning_and_comes_back() {
        for (cause, errno, _) in TABLE {
            assert_eq!(Cause::from_errno(errno.raw_os_error()), cause);
            assert_eq!(cause.errno(), errno.raw_os_error());
        }
    }

    #[test]
    fn an_undocumented_errno_keeps_its_number() {
        let cause = Cause::from_errno(5);
        assert_eq!(cause, Cause::Undocumented(5));
        assert_eq!((cause.errno(), cause.name().as_str()), (5, "errno 5"));
    }

    #[test]
    fn an_error_names_command_meaning_and_errno() {
        let error = Error {
            command: "FREE",
            cause: Cause::Busy,
        };
        assert_eq!(
            error.to_string(),
            "FREE: the allocation is mapped, or the cache or pool has something live, see the kernel log (EBUSY)"
        );
    }
}
