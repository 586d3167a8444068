// SPDX-License-Identifier: GPL-2.0

//! Exit statuses.

use quarry_uapi::OpenError;
use std::{io, process::ExitCode};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// All is well.
    Success,
    /// The operation found errors (corruption, violations), or could not be carried out.
    Failure,
    /// The command line is wrong. clap exits with the same number.
    Usage,
    /// The module is not loaded. kselftest's number for "skipped".
    NotLoaded,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(match status {
            Status::Success => 0,
            Status::Failure => 1,
            Status::Usage => 2,
            Status::NotLoaded => 4,
        })
    }
}

impl From<bool> for Status {
    /// Returns success for true.
    fn from(ok: bool) -> Self {
        if ok {
            Self::Success
        } else {
            Self::Failure
        }
    }
}

/// A combination of arguments that clap cannot see to be wrong.
#[derive(Debug)]
pub struct UsageError(pub String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// Returns what to do about a device that cannot be opened.
pub fn advice(error: &OpenError) -> &'static str {
    match error {
        OpenError::NotLoaded(_) => {
            "load it with 'modprobe quarry' or 'insmod quarry.ko'; 'quarry doctor' checks the rest"
        }
        OpenError::Denied(_) => "run as root",
        OpenError::Other(..) => "'quarry doctor' checks what is wrong",
    }
}

/// Prints why a command could not run, and returns the status for that.
pub fn report(error: &anyhow::Error) -> Status {
    let broken_pipe = error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
    if broken_pipe {
        // Whoever read our output has read enough.
        return Status::Success;
    }
    eprintln!("quarry: {error:#}");
    if let Some(error) = error.downcast_ref::<OpenError>() {
        eprintln!("quarry: {}", advice(error));
        if matches!(error, OpenError::NotLoaded(_)) {
            return Status::NotLoaded;
        }
    }
    if error.is::<UsageError>() {
        return Status::Usage;
    }
    Status::Failure
}
