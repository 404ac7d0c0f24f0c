//! Manifests of compiled losses, in the terms of the runtime.

use lossc_dialect::ops::Numerics;
use lossc_dialect::program::GRADIENT;
use lossc_dialect::{Element, Level, Program};
use lossc_passes::codegen::Target;
use lossc_passes::lower::{buffer_bytes, has_block_teams, step_bytes};
use lossc_passes::schedule::{Kernel, Schedule};
use lossc_runtime::ElementType;
use lossc_runtime::manifest::{
    KernelManifest, Manifest, PixelArgument, Reduction, ReductionKind, ResultDescription, ResultKind,
    ScalarArgument,
};

/// The manifest of a schedule's code for `target` and `numerics`.
pub fn manifest(schedule: &Schedule, target: &Target, numerics: Numerics) -> Manifest {
    let program = &schedule.program;
    let inputs = program.pixel_arguments().map(|(_, argument)| PixelArgument {
        name: argument.name.clone(),
        element: element_type(argument.ty.element),
    });
    let scalars = program.scalar_arguments().map(|(_, argument)| ScalarArgument {
        name: argument.name.clone(),
        default: argument.default.unwrap_or_default(),
    });
    Manifest {
        name: program.name().into(),
        is_reproducible: numerics == Numerics::Reproducible,
        pixel_inputs: inputs.collect(),
        pixel_outputs: outputs(program),
        scalars: scalars.collect(),
        scalar_slots: schedule.scalar_slots(),
        group_totals: schedule.group_totals.len(),
        buffers: buffer_bytes(schedule, target),
        step_bytes: step_bytes(schedule, target),
        has_block_teams: has_block_teams(schedule, target),
        kernels: schedule.kernels.iter().map(|it| kernel(schedule, it)).collect(),
        forward: schedule.forward.clone(),
        backward: schedule.backward.clone(),
        forward_backward: schedule.forward_backward.clone(),
        results: results(program),
    }
}

fn outputs(program: &Program) -> Vec<PixelArgument> {
    let gradient = program.result(GRADIENT).map(|value| program.ty(value).element);
    gradient
        .map(|element| PixelArgument { name: GRADIENT.into(), element: element_type(element) })
        .into_iter()
        .collect()
}

fn kernel(schedule: &Schedule, kernel: &Kernel) -> KernelManifest {
    let reduction = |&group_total: &usize| {
        let is_count = schedule.group_totals[group_total].is_count;
        Reduction { group_total, kind: if is_count { ReductionKind::Count } else { ReductionKind::Sum } }
    };
    KernelManifest {
        reductions: kernel.reductions.iter().map(reduction).collect(),
        outputs: !kernel.outputs.is_empty(),
        needs_sizes: schedule.needs_pixels_counted(kernel),
    }
}

fn results(program: &Program) -> Vec<ResultDescription> {
    let groups = program.results().iter().filter(|result| program.ty(result.value).level == Level::Group);
    let description = |result: &lossc_dialect::ProgramResult| ResultDescription {
        name: result.name.clone(),
        kind: match program.ty(result.value).element {
            Element::I64 => ResultKind::Count,
            _ => ResultKind::Float,
        },
    };
    groups.map(description).collect()
}

/// The runtime's name of a storage type.
pub(crate) fn element_type(element: Element) -> ElementType {
    match element {
        Element::F32 => ElementType::F32,
        Element::F16 => ElementType::F16,
        Element::Bf16 => ElementType::Bf16,
        Element::U8 => ElementType::U8,
        Element::I32 => ElementType::I32,
        Element::I64 => ElementType::I64,
        Element::Mask => ElementType::Bool,
    }
}

/// The dialect's name of a storage type.
pub fn element(element: ElementType) -> Element {
    let is_named = |known: &Element| element_type(*known) == element;
    // Both enums list the same types; a test compares them.
    Element::all().find(is_named).unwrap_or(Element::F32)
}
