//! `lossc list`

use clap::Args;
use lossc::Loss;
use serde::Serialize;

use crate::failure::Failure;
use crate::{print, print_json};

/// Lists the library's losses and their options
#[derive(Args)]
pub struct List {
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    summary: String,
    options: Vec<LossOption>,
    results: Vec<String>,
}

#[derive(Serialize)]
struct LossOption {
    name: String,
    default: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<String>,
}

impl List {
    /// Runs the command.
    pub fn execute(&self) -> Result<(), Failure> {
        let names = lossc_dialect::library::names();
        let entries: Vec<_> =
            names.map(|name| entry(&Loss::library(&name)?)).collect::<Result<_, Failure>>()?;
        if self.json { print_json(&entries) } else { print(&entries.iter().map(line).collect::<String>()) }
    }
}

fn entry(loss: &Loss) -> Result<Entry, Failure> {
    let (file, program) = (loss.file()?, loss.program()?);
    let choice = file.choice.iter().map(|choice| LossOption {
        name: choice.name.clone(),
        default: choice.default.clone(),
        values: file.choice_values().map(str::to_owned).collect(),
    });
    let numbers = program.scalar_arguments().map(|(_, number)| LossOption {
        name: number.name.clone(),
        default: number.default.unwrap_or_default().to_string(),
        values: vec![],
    });
    Ok(Entry {
        name: file.name.clone(),
        summary: file.summary.clone().unwrap_or_default(),
        options: choice.chain(numbers).collect(),
        results: program.results().iter().skip(1).map(|result| result.name.clone()).collect(),
    })
}

fn line(entry: &Entry) -> String {
    let option = |option: &LossOption| {
        let values = if option.values.is_empty() { "a number".into() } else { option.values.join(" | ") };
        format!("    --set {}={}   (default {})\n", option.name, values, option.default)
    };
    let options: String = entry.options.iter().map(option).collect();
    format!("{:<14} {}\n{options}", entry.name, entry.summary)
}
