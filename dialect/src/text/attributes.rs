//! Names of the attributes that say what MLIR's types do not.

/// On an argument or a result: its name. On the module: the loss's name.
pub(super) const NAME: &str = "loss.name";
/// On a scalar: its default. On the module: the choice's default.
pub(super) const DEFAULT: &str = "loss.default";
/// On the module: the name of the option that selects a function.
pub(super) const CHOICE: &str = "loss.choice";
/// On the module: one line on what the loss is.
pub(super) const SUMMARY: &str = "loss.summary";
/// On `loss.constant`: the number.
pub(super) const VALUE: &str = "value";
