//! One compilation: found in the cache, or made.

use std::sync::Arc;

use lossc_passes::codegen::Target;
use lossc_runtime::Bundle;
use lossc_runtime::manifest::UPSTREAM;

use crate::bundle::{bundle, description};
use crate::cache::{Cache, Key};
use crate::description::Description;
use crate::dump::Dump;
use crate::error::Error;
use crate::loss::{Loss, number};
use crate::pipeline::{self, Optimised};

/// A loss to compile, specialised, for a target.
pub(crate) struct Request<'a> {
    cache: &'a Cache,
    key: Key,
    loss: &'a Loss,
    options: pipeline::Options,
    target: &'a Target,
}

impl<'a> Request<'a> {
    pub(crate) fn new(
        cache: &'a Cache,
        loss: &'a Loss,
        options: pipeline::Options,
        target: &'a Target,
    ) -> Self {
        Self { cache, key: Key::new(loss, &options, target), loss, options, target }
    }

    /// Finds the code of an earlier compile. Neither reads nor compiles anything.
    pub(crate) fn find(&self) -> Option<Arc<Bundle>> {
        if Dump::is_asked_for() {
            return None;
        }
        self.cache.get(&self.key, |bundle| answers(bundle, self.loss))
    }

    /// Runs the part of the pipeline that does not depend on the entry points.
    pub(crate) fn optimise(&self) -> Result<Optimised, Error> {
        pipeline::optimise(self.loss.program()?, &self.options, self.target, false)
    }

    /// The description of the loss in the code's bundle.
    pub(crate) fn description(&self) -> Result<Description, Error> {
        let (loss, choice) = (self.loss.name()?, self.loss.chosen_value()?);
        Ok(Description::new(loss, choice, &self.options.specialise))
    }

    /// Makes code from the result of [`Request::optimise`], and stores it.
    pub(crate) fn generate(&self, optimised: &Optimised) -> Result<Arc<Bundle>, Error> {
        let code = pipeline::generate(optimised, &self.options, self.target)?;
        let bundle = Arc::new(bundle(code, self.target, self.options.numerics, &self.description()?)?);
        self.cache.put(&self.key, &bundle);
        Ok(bundle)
    }
}

/// Returns whether each setting of `loss` is one that the bundle's loss has. Then the settings are
/// valid, since they were when the bundle was made.
fn answers(bundle: &Bundle, loss: &Loss) -> bool {
    let Ok(description) = description(bundle) else { return false };
    let is_number = |name: &str| bundle.manifest.scalar_slot(name).is_some() && name != UPSTREAM;
    loss.settings().iter().all(|(name, value)| match &description.choice {
        Some(choice) if choice.name == *name => choice.value == *value,
        _ => is_number(name) && number(value).is_some(),
    })
}
