// SPDX-License-Identifier: GPL-2.0

//! Directories and files.
//!
//! C header: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h)
//!
//! The kernel's Rust abstraction is not used: its files do not hold the module, so that closing one
//! after the module has gone calls what is no longer there (`full_proxy_release()` goes through the
//! operations of the file's maker). With `owner` set, an open file keeps the module, as is usual.
//! And a file is made with a number instead of data: there is nothing that must outlive it.

use core::fmt;

/// What the files of a kind show.
pub(super) trait Content: 'static {
    /// Prints the file that was made with `number`.
    ///
    /// Called again if what is printed outgrows the buffer.
    ///
    /// Context: Process context. May sleep.
    fn show(number: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

pub(super) use imp::Dir;

#[cfg(CONFIG_DEBUG_FS)]
mod imp {
    use super::Content;
    use crate::requests;
    use core::{
        ffi::c_void,
        fmt,
        marker::PhantomData,
        sync::atomic::{
            AtomicI32,
            AtomicU32, //
        }, //
    };
    use kernel::{
        bindings,
        module::this_module,
        prelude::*,
        seq_file::SeqFile,
        seq_print,
        sync::Arc, //
    };

    /// A directory, removed with all that is in it once it is dropped and has no subdirectories.
    ///
    /// Removal waits for whoever is reading one of its files.
    pub(crate) struct Dir(Arc<Entry>);

    /// # Invariants
    ///
    /// `dentry` is null, an error, or a directory of debugfs that this has made.
    struct Entry {
        dentry: *mut bindings::dentry,
        _parent: Option<Arc<Entry>>,
    }

    // SAFETY: All that is done with a directory may be done from anywhere, at any time.
    unsafe impl Send for Entry {}
    // SAFETY: As above.
    unsafe impl Sync for Entry {}

    impl Dir {
        /// Makes a directory in another one, or in the root of debugfs.
        pub(crate) fn new(name: &CStr, parent: Option<&Dir>) -> Result<Self> {
            requests::ask(size_of::<Entry>())?;
            let parent = parent.map(|parent| parent.0.clone());
            let within = parent
                .as_ref()
                .map_or(core::ptr::null_mut(), |parent| parent.dentry);
            // SAFETY: By the type invariants, the parent exists, or is null or an error, which are
            // accepted.
            let dentry = unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), within) };
            // INVARIANT: Just made. If there is no memory to remember it, it is removed again.
            let entry = Entry {
                dentry,
                _parent: parent,
            };
            Ok(Self(Arc::new(entry, GFP_KERNEL)?))
        }

        /// Makes a file that shows `C` with `number`.
        pub(crate) fn file<C: Content>(&self, name: &CStr, number: usize) {
            // SAFETY: By the type invariants, the directory exists, or is an error, which is
            // accepted. The operations are part of the module, and expect a number.
            unsafe {
                bindings::debugfs_create_file_full(
                    name.as_char_ptr(),
                    0o400,
                    self.0.dentry,
                    core::ptr::without_provenance_mut(number),
                    core::ptr::null(),
                    &Operations::<C>::TABLE,
                )
            };
        }

        /// Makes a file that shows and takes a number.
        pub(crate) fn number(&self, name: &CStr, number: &'static AtomicU32) {
            // SAFETY: As in `file`. The operations are the kernel's own, and do not touch the number once
            // the file is removed, which it is before the module goes.
            unsafe {
                bindings::debugfs_create_u32(
                    name.as_char_ptr(),
                    0o600,
                    self.0.dentry,
                    number.as_ptr(),
                )
            };
        }

        /// Makes a file that shows and takes a number with a sign.
        pub(crate) fn signed(&self, name: &CStr, number: &'static AtomicI32) {
            // SAFETY: As in `number`. `atomic_t` is a structure of nothing but an `int`.
            unsafe {
                bindings::debugfs_create_atomic_t(
                    name.as_char_ptr(),
                    0o600,
                    self.0.dentry,
                    number.as_ptr().cast(),
                )
            };
        }
    }

    impl Drop for Entry {
        fn drop(&mut self) {
            // SAFETY: By the type invariants; null and errors are accepted. Entries below hold this
            // one, so that none is left.
            unsafe { bindings::debugfs_remove(self.dentry) };
        }
    }

    struct Operations<C>(PhantomData<C>);

    impl<C: Content> Operations<C> {
        const TABLE: bindings::file_operations = bindings::file_operations {
            owner: this_module::<crate::LocalModule>().as_ptr(),
            open: Some(open::<C>),
            read: Some(bindings::seq_read),
            llseek: Some(bindings::seq_lseek),
            release: Some(bindings::single_release),
            ..pin_init::zeroed()
        };
    }

    /// # Safety
    ///
    /// Called by debugfs to open a file that [`Dir::file`] has made.
    unsafe extern "C" fn open<C: Content>(
        inode: *mut bindings::inode,
        file: *mut bindings::file,
    ) -> c_int {
        // SAFETY: By the contract of this function, `inode` is that of the file.
        let number = unsafe { (*inode).i_private };
        // SAFETY: By the contract of this function, `file` is being opened.
        unsafe { bindings::single_open(file, Some(show::<C>), number) }
    }

    /// # Safety
    ///
    /// Called by the kernel to print a file that [`open`] has opened.
    unsafe extern "C" fn show<C: Content>(
        seq: *mut bindings::seq_file,
        _position: *mut c_void,
    ) -> c_int {
        // SAFETY: By the contract of this function; `private` is what `open` passed on.
        let number = unsafe { (*seq).private }.addr();
        // SAFETY: By the contract of this function, `seq` is ours during the call.
        let seq = unsafe { SeqFile::from_raw(seq) };
        seq_print!(seq, "{}", Text::<C>(number, PhantomData));
        0
    }

    struct Text<C>(usize, PhantomData<C>);

    impl<C: Content> kernel::fmt::Display for Text<C> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            C::show(self.0, f)
        }
    }
}

#[cfg(not(CONFIG_DEBUG_FS))]
mod imp {
    use super::Content;
    use kernel::prelude::*;

    /// What there is of a directory without debugfs.
    pub(crate) struct Dir(());

    impl Dir {
        /// Makes nothing.
        pub(crate) fn new(_name: &CStr, _parent: Option<&Dir>) -> Result<Self> {
            Ok(Self(()))
        }

        /// Makes nothing.
        pub(crate) fn file<C: Content>(&self, _name: &CStr, _number: usize) {
            let _ = C::show;
        }
    }
}
