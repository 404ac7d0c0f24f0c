//! Files that are written whole or not at all.

use std::io::Write;
use std::path::Path;

use tempfile::NamedTempFile;

use crate::failure::Failure;

/// A file under a temporary name beside its place. Dropped, it is gone.
pub struct PendingFile<'a> {
    path: &'a Path,
    file: NamedTempFile,
}

impl<'a> PendingFile<'a> {
    /// Opens a file that will be `path`. Doing so before the work starts finds an
    /// unwritable place early.
    pub fn create(path: &'a Path) -> Result<Self, Failure> {
        if path.is_dir() {
            return Err(Failure::message(format!("cannot write {}: it is a directory", path.display())));
        }
        let directory = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = NamedTempFile::new_in(directory).map_err(|error| cannot_write(path, &error))?;
        Ok(Self { path, file })
    }

    /// Writes the contents and puts the file in its place.
    pub fn finish(
        mut self,
        write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> Result<(), Failure> {
        let path = self.path;
        let written = write(self.file.as_file_mut()).and_then(|()| self.file.as_file().sync_all());
        written.map_err(|error| cannot_write(path, &error))?;
        self.file.persist(path).map_err(|error| cannot_write(path, &error.error))?;
        make_readable(path);
        Ok(())
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::message(format!("cannot write {}: {error}", path.display()))
}

/// Temporary files are private; a result is as readable as any new file.
fn make_readable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    // Best effort: the contents are in place either way.
    let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644));
}
