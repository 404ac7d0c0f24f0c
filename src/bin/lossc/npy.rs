//! Tensors in .npy files.

use std::fs;
use std::io::Write;
use std::path::Path;

use half::f16;
use lossc::{ElementType, Tensor};
use lossc_runtime::Element;
use ndarray::ArrayD;
use ndarray_npy::{ReadDataError, ReadNpyError, ReadNpyExt, ReadableElement, WriteNpyError, WriteNpyExt};
use py_literal::Value as PyValue;

use crate::failure::Failure;

/// Reads the tensor in `path`; `what` names it in errors. The shape is checked
/// against `expected` by the runtime, the element type here.
pub fn read(path: &Path, what: &str) -> Result<Tensor, Failure> {
    let fail = |why: String| Failure::message(format!("{what} in {}: {why}", path.display()));
    let bytes = fs::read(path).map_err(|error| fail(format!("cannot be read: {error}")))?;
    let readers: [Reader; 6] =
        [read_as::<f32>, read_half, read_as::<u8>, read_as::<bool>, read_as::<i32>, read_as::<i64>];
    for reader in readers {
        match reader(&bytes) {
            Ok(tensor) => return Ok(tensor),
            Err(Reading::OtherType) => {}
            Err(Reading::Wrong(why)) => return Err(fail(why)),
        }
    }
    let known = "f32, f16, u8, bool, i32 and i64";
    Err(fail(format!("the element type {} is not supported: {known} are", descriptor(&bytes))))
}

/// Reads the bytes of a file as one element type.
type Reader = fn(&[u8]) -> Result<Tensor, Reading>;

/// Why a reader could not read.
enum Reading {
    /// The file holds another type.
    OtherType,
    /// The file is damaged.
    Wrong(String),
}

impl From<ReadNpyError> for Reading {
    fn from(error: ReadNpyError) -> Self {
        match error {
            ReadNpyError::WrongDescriptor(_) => Self::OtherType,
            other => Self::Wrong(other.to_string()),
        }
    }
}

fn read_as<T: Element + ReadableElement>(bytes: &[u8]) -> Result<Tensor, Reading> {
    to_tensor(&ArrayD::<T>::read_npy(bytes)?)
}

fn read_half(bytes: &[u8]) -> Result<Tensor, Reading> {
    to_tensor(&ArrayD::<Half>::read_npy(bytes)?.mapv(|half| half.0))
}

fn to_tensor<T: Element>(array: &ArrayD<T>) -> Result<Tensor, Reading> {
    Tensor::from_array(array).map_err(|error| Reading::Wrong(error.to_string()))
}

/// The type that the header names, for the error.
fn descriptor(bytes: &[u8]) -> String {
    let header = String::from_utf8_lossy(&bytes[..bytes.len().min(256)]).into_owned();
    let after = header.split("'descr':").nth(1).unwrap_or_default().trim_start();
    after.split(',').next().unwrap_or_default().trim().trim_matches('\'').to_owned()
}

/// A 16-bit float, which ndarray-npy does not know.
#[derive(Clone, Copy)]
struct Half(f16);

impl ReadableElement for Half {
    fn read_to_end_exact_vec<R: std::io::Read>(
        mut reader: R,
        type_desc: &PyValue,
        len: usize,
    ) -> Result<Vec<Self>, ReadDataError> {
        if *type_desc != PyValue::String("<f2".into()) {
            return Err(ReadDataError::WrongDescriptor(type_desc.clone()));
        }
        let mut bytes = vec![];
        reader.read_to_end(&mut bytes)?;
        match bytes.len().cmp(&(2 * len)) {
            std::cmp::Ordering::Less => return Err(ReadDataError::MissingData),
            std::cmp::Ordering::Greater => return Err(ReadDataError::ExtraBytes(bytes.len() - 2 * len)),
            std::cmp::Ordering::Equal => {}
        }
        let pairs = bytes.as_chunks::<2>().0;
        Ok(pairs.iter().map(|&pair| Self(f16::from_le_bytes(pair))).collect())
    }
}

/// Writes `tensor` as .npy.
pub fn write(tensor: &Tensor, writer: &mut dyn Write) -> std::io::Result<()> {
    let failed = |error: &dyn std::fmt::Display| std::io::Error::other(error.to_string());
    match tensor.element_type() {
        ElementType::F16 => write_half(tensor, writer),
        _ => {
            let array = tensor.to_array::<f32>().map_err(|error| failed(&error))?;
            array.write_npy(writer).map_err(|error| match error {
                WriteNpyError::Io(error) => error,
                error => failed(&error),
            })
        }
    }
}

/// The header is what ndarray-npy writes for bytes of the same shape, with the
/// type's name, of the same length, put in.
fn write_half(tensor: &Tensor, writer: &mut dyn Write) -> std::io::Result<()> {
    let failed = |error: &dyn std::fmt::Display| std::io::Error::other(error.to_string());
    let mut header = vec![];
    let shape = ArrayD::<i16>::zeros(tensor.shape());
    shape.write_npy(&mut header).map_err(|error| failed(&error))?;
    header.truncate(header.len() - tensor.bytes().len());
    let name = header.windows(3).position(|window| window == b"<i2");
    let name = name.ok_or_else(|| failed(&"the header names no type"))?;
    header[name..name + 3].copy_from_slice(b"<f2");
    writer.write_all(&header)?;
    writer.write_all(tensor.bytes())
}
