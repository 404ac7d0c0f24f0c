//! `lossc compile`

use std::path::PathBuf;

use clap::Args;
use lossc::Target;
use lossc::pipeline::{self, Stage};

use crate::failure::Failure;
use crate::output::PendingFile;
use crate::print;
use crate::source::{Source, target};

/// Shows a loss at any stage of its compilation
#[derive(Args)]
pub struct Compile {
    #[command(flatten)]
    source: Source,
    /// cpu, sm_80, sm_90, …, or cuda for this machine's GPU
    #[arg(long, default_value = "cpu")]
    target: String,
    /// loss, stable, gradient, optimised, schedule, mlir, llvm, asm or ptx; code by default
    #[arg(long, value_name = "STAGE")]
    emit: Option<Stage>,
    /// Write to a file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Compile {
    /// Runs the command.
    pub fn execute(&self) -> Result<(), Failure> {
        let loss = self.source.loss()?;
        let target = target(&self.target)?;
        let stage = self.stage(&target)?;
        let file = self.output.as_deref().map(PendingFile::create).transpose()?;
        let text = pipeline::emit(loss.program(), &Default::default(), &target, stage)?;
        match file {
            Some(file) => file.finish(|writer| writer.write_all(text.as_bytes())),
            None => print(&text),
        }
    }

    /// The stage asked for, which must be one of the target's.
    fn stage(&self, target: &Target) -> Result<Stage, Failure> {
        let code = match target {
            Target::Cpu(_) => Stage::Assembly,
            Target::Nvidia(_) => Stage::Ptx,
        };
        let stage = self.emit.unwrap_or(code);
        if matches!(stage, Stage::Assembly | Stage::Ptx) && stage != code {
            return Err(Failure::message(format!("{target} has no stage `{stage}`, but `{code}`")));
        }
        Ok(stage)
    }
}
