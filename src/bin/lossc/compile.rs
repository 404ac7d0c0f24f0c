//! `lossc compile`

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use lossc::pipeline::Stage;
use lossc::{Compiler, ElementType, Target};

use crate::failure::Failure;
use crate::output::PendingFile;
use crate::print;
use crate::source::{Source, target};
use crate::specialise::Specialise;

/// Compiles a loss into a bundle, or prints any stage on the way
#[derive(Args)]
pub struct Compile {
    #[command(flatten)]
    source: Source,
    /// cpu, sm_80, sm_90, …, or cuda for this machine's GPU
    #[arg(long, default_value = "cpu")]
    target: String,
    /// loss, stable, gradient, optimised, schedule, mlir, llvm, asm, ptx or bundle; code by default
    #[arg(long, value_name = "STAGE")]
    emit: Option<Emit>,
    /// The types of logits and labels, e.g. f16,u8; those in the loss's text by default
    #[arg(long, value_name = "TYPES", value_delimiter = ',')]
    types: Vec<ElementType>,
    /// Pixel weights follow the labels, an f32 tensor
    #[arg(long)]
    weights: bool,
    #[command(flatten)]
    specialise: Specialise,
    /// Write to a file; - is standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Result of the command.
#[derive(Clone, Copy)]
enum Emit {
    Text(Stage),
    Bundle,
}

impl FromStr for Emit {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "bundle" => Ok(Self::Bundle),
            name => name.parse().map(Self::Text).map_err(|error: String| error + ", bundle"),
        }
    }
}

impl Compile {
    /// Runs the command.
    pub fn execute(&self) -> Result<(), Failure> {
        let loss = self.source.loss()?;
        self.specialise.check(&loss)?;
        let target = target(&self.target)?;
        let emit = self.emit(&target)?;
        let inputs = Vec::from_iter(self.source.file());
        let create = |path| PendingFile::create(path, &inputs);
        let file = self.output.as_deref().map(create).transpose()?;
        let compiler = self.compiler(target);
        match (emit, file) {
            (Emit::Bundle, None) => Err(Failure::message(
                "a bundle is not text: name a file for it with -o, or - for standard output",
            )),
            (Emit::Bundle, Some(file)) => {
                let bytes = compiler.bundle(&loss)?.to_bytes().map_err(lossc::Error::from)?;
                file.finish(|writer| writer.write_all(&bytes))
            }
            (Emit::Text(stage), file) => {
                // Checks of labels are left out, since they make the text harder to read.
                let text = compiler.check_labels(false).emit(&loss, stage)?;
                match file {
                    Some(file) => file.finish(|writer| writer.write_all(text.as_bytes())),
                    None => print(&text),
                }
            }
        }
    }

    fn compiler(&self, target: Target) -> Compiler {
        let compiler = self.specialise.apply(Compiler::new(target)).weight_map(self.weights);
        match self.types.as_slice() {
            [] => compiler,
            types => compiler.element_types(types),
        }
    }

    /// The result that was asked for, which must exist for the target.
    fn emit(&self, target: &Target) -> Result<Emit, Failure> {
        let code = match target {
            Target::Cpu(_) => Stage::Assembly,
            Target::Nvidia(_) => Stage::Ptx,
        };
        match self.emit.unwrap_or(Emit::Text(code)) {
            Emit::Text(stage @ (Stage::Assembly | Stage::Ptx)) if stage != code => {
                Err(Failure::message(format!("{target} has no stage `{stage}`, but `{code}`")))
            }
            emit => Ok(emit),
        }
    }
}
