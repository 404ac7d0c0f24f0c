//! LOSS, `--set` and `--target` on the command line.

use std::io;
use std::path::Path;

use clap::Args;
use lossc::{Loss, Target};
use lossc_dialect::text::{guard, utf8};
use lossc_runtime::{CudaDevice, file};

use crate::bundle::BundleFile;
use crate::failure::Failure;

/// A loss and its options.
#[derive(Args)]
pub struct Source {
    /// A library loss (see `lossc list`), an .mlir file, - for such a text on standard input, or
    /// for `run` a bundle (.lossc)
    #[arg(value_name = "LOSS")]
    loss: String,
    /// Set an option of the loss, e.g. schedule=log
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    pub set: Vec<Assignment>,
}

/// NAME=VALUE.
pub type Assignment = (String, String);

fn assignment(text: &str) -> Result<Assignment, String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

impl Source {
    /// The loss, its options set. Errors in it are reported when it is compiled.
    pub fn loss(&self) -> Result<Loss, Failure> {
        Ok(self.set.iter().fold(self.open()?, |loss, (name, value)| loss.set(name, value)))
    }

    /// The file that the loss is in, unless it is the library's.
    pub fn file(&self) -> Option<&Path> {
        (self.is_file_of("mlir") || self.is_file_of("lossc")).then(|| self.loss.as_ref())
    }

    /// The bundle, if a bundle was named.
    pub fn bundle(&self) -> Result<Option<BundleFile>, Failure> {
        self.is_file_of("lossc").then(|| BundleFile::read(&self.loss)).transpose()
    }

    fn is_file_of(&self, extension: &str) -> bool {
        Path::new(&self.loss).extension().is_some_and(|it| it == extension)
    }

    fn open(&self) -> Result<Loss, Failure> {
        if self.is_file_of("lossc") {
            return Err(Failure::message(format!(
                "{} is a bundle: it is compiled, and can be run",
                self.loss
            )));
        }
        let (name, bytes) = match self.loss.as_str() {
            "-" => ("standard input", file::read_from(io::stdin().lock(), guard::MAX_BYTES as u64)),
            path if self.is_file_of("mlir") => (path, file::read(path.as_ref(), guard::MAX_BYTES as u64)),
            name => return Ok(Loss::library(name)?),
        };
        let bytes = bytes.map_err(|error| Failure::message(format!("cannot read {name}: {error}")))?;
        Ok(Loss::unread(name, utf8(name, &bytes).map_err(lossc::Error::from)?))
    }
}

/// The target called `name`; `cuda` is this machine's first GPU.
pub fn target(name: &str) -> Result<Target, Failure> {
    if name != "cuda" {
        return name.parse().map_err(|error| lossc::Error::Target(error).into());
    }
    let device = CudaDevice::open(0).map_err(lossc::Error::from)?;
    let found = device.compute_capability().map_err(lossc::Error::from)?;
    let target = Target::for_compute_capability(found);
    target.ok_or_else(|| Failure::message(format!("the GPU is an sm_{found}, which is too old")))
}
