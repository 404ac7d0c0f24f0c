//! Tensors in .npy files.

mod header;
mod types;

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use lossc_runtime::tensor::TensorError;
use lossc_runtime::{ElementType, Tensor, TensorView, file};
use memmap2::Mmap;
use thiserror::Error;

use header::Header;

/// Reason why a file is not read as a tensor.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what} in {}: {why}", path.display())]
pub struct NpyError {
    /// The tensor's role.
    pub what: &'static str,
    /// The file.
    pub path: PathBuf,
    /// The problem, and what to do about it.
    pub why: String,
}

/// A tensor in a file, read in place.
pub struct NpyFile {
    path: PathBuf,
    /// Its role, for errors.
    what: &'static str,
    map: Mmap,
    element: ElementType,
    shape: Vec<usize>,
    /// Offset of the pixels in the file.
    start: usize,
}

/// The pixels of an [`NpyFile`].
pub enum Pixels<'a> {
    /// In the file.
    There(TensorView<'a>),
    /// In memory, since the file has them where no load could take them.
    Copied(Tensor),
}

impl NpyFile {
    /// Opens the tensor in `path`; `what` is its role in errors. Its shape and type are left for
    /// the runtime to compare with the others.
    ///
    /// # Errors
    /// If the file cannot be read, or does not hold pixels that lossc computes with.
    pub fn open(path: &Path, what: &'static str) -> Result<Self, NpyError> {
        let named = |why: String| failure(path, what, why);
        let cannot = |error: std::io::Error| format!("cannot be read: {error}");
        let (file, length) = file::open(path).map_err(cannot).map_err(named)?;
        let header = read_header(&file, length).map_err(named)?;
        let element = types::element(&header.descr).map_err(named)?;
        let shape = header.check_shape().map_err(named)?;
        check_length(&header, element, length).map_err(named)?;
        // SAFETY: the file is only read. Whoever alters it meanwhile alters what is computed, as
        // with any program that maps its input; whoever shortens it ends this process.
        let map = unsafe { Mmap::map(&file) }.map_err(cannot).map_err(named)?;
        Ok(Self { path: path.into(), what, map, element, shape, start: header.end })
    }

    /// Its pixels.
    ///
    /// # Errors
    /// If a pixel of type bool is neither 0 nor 1.
    pub fn pixels(&self) -> Result<Pixels<'_>, NpyError> {
        let bytes = &self.map[self.start.min(self.map.len())..];
        let pixels = match TensorView::from_bytes(self.element, &self.shape, bytes) {
            Err(TensorError::Misaligned(_)) => {
                Tensor::from_bytes(self.element, &self.shape, bytes).map(Pixels::Copied)
            }
            view => view.map(Pixels::There),
        };
        pixels.map_err(|error| failure(&self.path, self.what, error.to_string()))
    }

    /// The type of each element.
    pub fn element_type(&self) -> ElementType {
        self.element
    }

    /// The dimensions, slowest first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }
}

impl Pixels<'_> {
    /// A view of the pixels.
    pub fn view(&self) -> TensorView<'_> {
        match self {
            Self::There(view) => view.clone(),
            Self::Copied(tensor) => tensor.view(),
        }
    }
}

fn failure(path: &Path, what: &'static str, why: String) -> NpyError {
    NpyError { what, path: path.into(), why }
}

fn read_header(file: &File, length: u64) -> Result<Header, String> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX).min(header::MAX_BYTES)];
    file.read_exact_at(&mut bytes, 0).map_err(|error| format!("cannot be read: {error}"))?;
    Header::parse(&bytes)
}

/// Compares the shape with the file's length, before either is used.
fn check_length(header: &Header, element: ElementType, length: u64) -> Result<(), String> {
    let found = length - header.end as u64;
    let expected = header.elements()? * element.size() as u64;
    let shape = header.shape_text();
    match found {
        found if found < expected => {
            Err(format!("truncated: {shape} of {element} is {expected} bytes, the file has {found}"))
        }
        found if found > expected => {
            Err(format!("{shape} of {element} is {expected} bytes, but {found} follow the header"))
        }
        _ => Ok(()),
    }
}

/// Writes `tensor` as .npy.
///
/// # Errors
/// If the writer fails.
pub fn write(tensor: &Tensor, writer: &mut dyn Write) -> std::io::Result<()> {
    writer.write_all(&header::bytes(types::descr(tensor.element_type()), tensor.shape()))?;
    writer.write_all(tensor.bytes())
}
