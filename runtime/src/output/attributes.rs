//! A file's attributes besides its contents.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, fchown};

use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fsetxattr};
use rustix::io::Errno;

/// The most bytes that the system allows for the names or for one value of extended attributes.
const LONGEST: usize = 1 << 16;

/// Sets the owner, mode and extended attributes of `new` to those of `old`, whose metadata is
/// given.
///
/// # Errors
/// If they cannot be read, or this process may not set one of them.
pub(super) fn copy(old: &File, metadata: &Metadata, new: &File) -> io::Result<()> {
    let found = new.metadata()?;
    if (found.uid(), found.gid()) != (metadata.uid(), metadata.gid()) {
        fchown(new, Some(metadata.uid()), Some(metadata.gid()))?;
    }
    // After the owner, whose change clears some bits.
    if found.mode() != metadata.mode() {
        new.set_permissions(PermissionsExt::from_mode(metadata.mode() & 0o7777))?;
    }
    Ok(copy_extended(old, new)?)
}

/// Copies access control lists, labels and the attributes that users set.
fn copy_extended(old: &File, new: &File) -> Result<(), Errno> {
    let mut names = Vec::with_capacity(LONGEST);
    match flistxattr(old, rustix::buffer::spare_capacity(&mut names)) {
        Err(Errno::OPNOTSUPP) => return Ok(()),
        listed => listed?,
    };
    let mut value = Vec::with_capacity(LONGEST);
    for name in names.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        value.clear();
        fgetxattr(old, name, rustix::buffer::spare_capacity(&mut value))?;
        fsetxattr(new, name, &value, XattrFlags::empty())?;
    }
    Ok(())
}
