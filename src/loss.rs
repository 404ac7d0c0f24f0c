//! Losses before they are compiled.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use lossc_dialect::program::{GRADIENT, LOSS, UPSTREAM};
use lossc_dialect::text::{self, LossFile};
use lossc_dialect::{Program, library, near};
use lossc_passes::specialise::{INVALID_LABELS, INVALID_WEIGHTS, NAN_LOGITS, WEIGHT_MAP, is_sum};
use tracing::{debug, warn};

use crate::description::ChosenValue;
use crate::error::Error;

/// Names of arguments and results that lossc adds to a loss.
const RESERVED: [&str; 7] =
    [LOSS, GRADIENT, UPSTREAM, WEIGHT_MAP, INVALID_LABELS, INVALID_WEIGHTS, NAN_LOGITS];

/// A loss: a text, or a program built in Rust, with values for its options.
///
/// Reading the text takes MLIR's parser, so it is read only when something needs its contents;
/// compiling does so only if there is no code for it yet (see [`Cache`](crate::Cache)).
#[derive(Clone, Debug)]
pub struct Loss {
    text: Arc<Text>,
    /// Values of options, in the order they were set.
    settings: Vec<(String, String)>,
}

/// A text, and its contents once it is read.
#[derive(Debug)]
struct Text {
    file: String,
    source: Cow<'static, str>,
    read: OnceLock<LossFile>,
}

/// The program and the values that a loss's settings select.
#[derive(Clone, Debug)]
pub struct Selection<'a> {
    /// The program.
    pub program: &'a Program,
    /// The value of the choice that selects it, such as `log` of the choice
    /// `schedule`, if the loss has a choice.
    pub choice: Option<&'a str>,
    /// The scalars that were set.
    pub scalars: Vec<(String, f32)>,
}

impl Loss {
    /// The library loss with this name, e.g. `random-drop`.
    ///
    /// # Errors
    /// If there is no such loss.
    pub fn library(name: &str) -> Result<Self, Error> {
        let unknown = || {
            let known: Vec<_> = library::names().collect();
            Error::UnknownLoss { name: name.into(), known: known.join(", ") }
        };
        let (file, source) = library::find(name).ok_or_else(unknown)?;
        Ok(Self::new(file.into(), source.into()))
    }

    /// The loss in `source`, MLIR in the `loss` dialect. `name` names the text in errors, such as
    /// its path.
    ///
    /// # Errors
    /// If it is not a loss.
    pub fn parse(name: &str, source: &str) -> Result<Self, Error> {
        let loss = Self::unread(name, source);
        loss.file()?;
        Ok(loss)
    }

    /// Like [`Loss::parse`], but errors in the text are returned by the first call that reads it.
    pub fn unread(name: &str, source: &str) -> Self {
        Self::new(name.into(), source.to_owned().into())
    }

    /// The loss of `program`; see [`lossc_dialect::Builder`].
    pub fn from_program(program: Program) -> Self {
        let name = program.name().replace('_', "-");
        let source = text::print(&program).into();
        let read = LossFile { name: name.clone(), summary: None, choice: None, programs: vec![program] };
        Self { text: Arc::new(Text { file: name, source, read: read.into() }), settings: vec![] }
    }

    fn new(file: String, source: Cow<'static, str>) -> Self {
        Self { text: Arc::new(Text { file, source, read: OnceLock::new() }), settings: vec![] }
    }

    /// The loss with the option `name` set: its choice, or one of its scalars.
    ///
    /// # Errors
    /// If the loss has no such option, or the option cannot take the value.
    pub fn with(self, name: &str, value: &str) -> Result<Self, Error> {
        let loss = self.set(name, value);
        loss.selection()?;
        Ok(loss)
    }

    /// Like [`Loss::with`], but an error in the option is returned by the first call that reads the
    /// loss.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// The contents of the text: its choice, its programs, its summary.
    ///
    /// # Errors
    /// If the text is not a loss.
    pub fn file(&self) -> Result<&LossFile, Error> {
        let Text { file, source, read } = &*self.text;
        if let Some(read) = read.get() {
            return Ok(read);
        }
        debug!(file, "reading the loss's text");
        let parsed = text::parse_reserving(file, source, &RESERVED)?;
        for (function, argument) in parsed.unused_arguments() {
            warn!("{file}: @{function} makes nothing of its argument `{argument}`");
        }
        // Another thread may have read it first, with the same result.
        Ok(read.get_or_init(|| parsed))
    }

    /// The program and the values that the settings select.
    ///
    /// # Errors
    /// If the text is not a loss, or has no such option.
    pub fn selection(&self) -> Result<Selection<'_>, Error> {
        let file = self.file()?;
        let choice = file.choice.as_ref().map(|choice| choice.default.as_str());
        // Parsing has ensured that the default exists.
        let program = file.program(None).unwrap_or(&file.programs[0]);
        let mut selection = Selection { program, choice, scalars: vec![] };
        for (name, value) in &self.settings {
            selection.apply(file, name, value)?;
        }
        Ok(selection)
    }

    /// The program that the choice selects.
    ///
    /// # Errors
    /// As for [`Loss::selection`].
    pub fn program(&self) -> Result<&Program, Error> {
        Ok(self.selection()?.program)
    }

    /// Returns whether the loss is known to be a sum over pixels: then
    /// [`Reduction::Mean`](crate::Reduction::Mean) makes a mean of it.
    ///
    /// # Errors
    /// As for [`Loss::selection`].
    pub fn is_sum(&self) -> Result<bool, Error> {
        Ok(is_sum(self.program()?))
    }

    /// The name of the loss in its text.
    ///
    /// # Errors
    /// If the text is not a loss.
    pub fn name(&self) -> Result<&str, Error> {
        Ok(&self.file()?.name)
    }

    /// The choice with its value.
    pub(crate) fn chosen_value(&self) -> Result<Option<ChosenValue>, Error> {
        let choice = self.file()?.choice.as_ref().map(|choice| &choice.name);
        let value = self.selection()?.choice;
        Ok(choice.zip(value).map(|(name, value)| ChosenValue { name: name.clone(), value: value.into() }))
    }

    /// The text as given.
    pub(crate) fn source(&self) -> &str {
        &self.text.source
    }

    /// The values of options, in the order they were set.
    pub(crate) fn settings(&self) -> &[(String, String)] {
        &self.settings
    }

    /// The scalars that were set, if `choice` is known to be the loss's choice and the settings to
    /// be right. Does not read the text.
    pub(crate) fn scalars(&self, choice: Option<&str>) -> Vec<(String, f32)> {
        let numbers = self.settings.iter().filter(|(name, _)| choice != Some(name));
        numbers.filter_map(|(name, value)| Some((name.clone(), number(value)?))).collect()
    }
}

impl<'a> Selection<'a> {
    fn apply(&mut self, file: &'a LossFile, name: &str, value: &str) -> Result<(), Error> {
        if file.choice.as_ref().is_some_and(|choice| choice.name == name) {
            let chosen = file.choice_values().find(|known| *known == value);
            let known = file.choice_values().collect::<Vec<_>>();
            let hint = near::hint(value, known.iter().copied());
            let wrong = || wrong_value(file, name, value, format!("one of {}{hint}", known.join(", ")));
            let program = chosen.and_then(|value| file.program(Some(value)));
            (self.choice, self.program) = (chosen, program.ok_or_else(wrong)?);
            return Ok(());
        }
        if !self.program.scalar_arguments().any(|(_, number)| number.name == name) {
            return Err(self.unknown_option(file, name));
        }
        let number = number(value).ok_or_else(|| wrong_value(file, name, value, "a finite number".into()))?;
        self.scalars.push((name.into(), number));
        Ok(())
    }

    fn unknown_option(&self, file: &LossFile, name: &str) -> Error {
        let choice = file.choice.iter().map(|choice| choice.name.as_str());
        let numbers = self.program.scalar_arguments().map(|(_, number)| number.name.as_str());
        let known: Vec<_> = choice.chain(numbers).collect();
        let hint = near::hint(name, known.iter().copied());
        let known = match known.as_slice() {
            [] => "it has none".into(),
            names => format!("it has {}{hint}", names.join(", ")),
        };
        Error::UnknownOption { loss: file.name.clone(), name: name.into(), known }
    }
}

/// Parses the value of a scalar, if it is a finite f32.
pub fn number(value: &str) -> Option<f32> {
    value.parse().ok().filter(|number: &f32| number.is_finite())
}

fn wrong_value(file: &LossFile, name: &str, value: &str, known: String) -> Error {
    Error::OptionValue { loss: file.name.clone(), name: name.into(), value: value.into(), known }
}
