//! Losses before they are compiled.

use lossc_dialect::text::{self, LossFile};
use lossc_dialect::{Program, library};

use crate::description::ChosenValue;
use crate::error::Error;

/// A loss: a program, chosen from a file or built in Rust, with values for its
/// options.
#[derive(Clone, Debug)]
pub struct Loss {
    file: LossFile,
    /// The value of the file's choice.
    choice: Option<String>,
    /// Numbers that differ from their defaults.
    scalars: Vec<(String, f32)>,
}

impl Loss {
    /// The library loss with this name, e.g. `random-drop`.
    pub fn library(name: &str) -> Result<Self, Error> {
        let unknown = || {
            let known: Vec<_> = library::names().collect();
            Error::UnknownLoss { name: name.into(), known: known.join(", ") }
        };
        let (file, source) = library::find(name).ok_or_else(unknown)?;
        Self::parse(file, source)
    }

    /// The loss in `source`, MLIR in the `loss` dialect. `name` is what errors
    /// call the text, such as its path.
    pub fn parse(name: &str, source: &str) -> Result<Self, Error> {
        Ok(Self { file: text::parse(name, source)?, choice: None, scalars: vec![] })
    }

    /// The loss that `program` is; see [`lossc_dialect::Builder`].
    pub fn from_program(program: Program) -> Self {
        let name = program.name().replace('_', "-");
        let file = LossFile { name, summary: None, choice: None, programs: vec![program] };
        Self { file, choice: None, scalars: vec![] }
    }

    /// The loss's name.
    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// The file the loss comes from: its choice, its programs, its summary.
    pub fn file(&self) -> &LossFile {
        &self.file
    }

    /// The value of the loss's choice, such as `log` of the choice `schedule`.
    pub fn choice(&self) -> Option<&str> {
        let choice = self.file.choice.as_ref()?;
        Some(self.choice.as_deref().unwrap_or(&choice.default))
    }

    /// The choice with its value.
    pub(crate) fn chosen_value(&self) -> Option<ChosenValue> {
        let choice = self.file.choice.as_ref()?;
        Some(ChosenValue { name: choice.name.clone(), value: self.choice()?.into() })
    }

    /// The program that the choice selects.
    pub fn program(&self) -> &Program {
        // Parsing has made sure of the default, `with` of every other value.
        self.file.program(self.choice.as_deref()).unwrap_or(&self.file.programs[0])
    }

    /// The numbers set by [`Loss::with`].
    pub fn scalars(&self) -> &[(String, f32)] {
        &self.scalars
    }

    /// The loss with the option `name` set: its choice, or one of its numbers.
    pub fn with(mut self, name: &str, value: &str) -> Result<Self, Error> {
        if self.file.choice.as_ref().is_some_and(|choice| choice.name == name) {
            let known: Vec<_> = self.file.choice_values().map(str::to_owned).collect();
            if !known.iter().any(|it| it == value) {
                return Err(self.wrong_value(name, value, &known.join(", ")));
            }
            self.choice = Some(value.into());
            return Ok(self);
        }
        if !self.program().scalar_arguments().any(|(_, number)| number.name == name) {
            return Err(self.unknown_option(name));
        }
        let number = value.parse().map_err(|_| self.wrong_value(name, value, "a number"))?;
        self.scalars.push((name.into(), number));
        Ok(self)
    }

    /// The names of all options.
    pub fn option_names(&self) -> Vec<&str> {
        let choice = self.file.choice.iter().map(|choice| choice.name.as_str());
        choice.chain(self.program().scalar_arguments().map(|(_, number)| number.name.as_str())).collect()
    }

    fn unknown_option(&self, name: &str) -> Error {
        let known = match self.option_names().as_slice() {
            [] => "it has none".into(),
            names => format!("it has {}", names.join(", ")),
        };
        Error::UnknownOption { loss: self.name().into(), name: name.into(), known }
    }

    fn wrong_value(&self, name: &str, value: &str, known: &str) -> Error {
        let (loss, name, value) = (self.name().into(), name.into(), value.into());
        Error::OptionValue { loss, name, value, known: format!("one of {known}").replace("one of a ", "a ") }
    }
}
