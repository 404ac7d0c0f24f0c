use super::*;

fn manifest() -> Manifest {
    let reduction = |group_total, kind| Reduction { group_total, kind };
    Manifest {
        name: "tiny".into(),
        is_reproducible: true,
        pixel_inputs: vec![PixelArgument { name: "logit".into(), element: ElementType::Bf16 }],
        pixel_outputs: vec![PixelArgument { name: "gradient".into(), element: ElementType::Bf16 }],
        scalars: vec![ScalarArgument { name: UPSTREAM.into(), default: 1.0 }],
        scalar_slots: 4,
        group_totals: 2,
        buffers: vec![],
        step_bytes: None,
        has_block_teams: false,
        kernels: vec![
            KernelManifest {
                reductions: vec![reduction(1, ReductionKind::Sum), reduction(0, ReductionKind::Count)],
                outputs: false,
                needs_sizes: false,
            },
            KernelManifest { reductions: vec![], outputs: true, needs_sizes: false },
        ],
        forward: vec![0],
        backward: vec![1],
        forward_backward: vec![0, 1],
        results: vec![ResultDescription { name: "positives".into(), kind: ResultKind::Count }],
    }
}

#[test]
fn a_manifest_survives_json() {
    let json = serde_json::to_string(&manifest()).unwrap();
    let back: Manifest = serde_json::from_str(&json).unwrap();
    assert_eq!(back, manifest());
    assert_eq!(back.validate(), Ok(()));
    assert_eq!(back.scalar_slot(UPSTREAM), Some(0));
    assert_eq!(back.result_slots(3), 4);
}

fn broken(change: impl FnOnce(&mut Manifest)) -> String {
    let mut manifest = manifest();
    change(&mut manifest);
    manifest.validate().unwrap_err().to_string()
}

#[test]
fn what_does_not_fit_is_named() {
    assert_eq!(broken(|m| m.pixel_inputs.clear()), "a loss needs at least one pixel input");
    assert_eq!(broken(|m| m.scalars[0].name = "logit".into()), "two arguments are named `logit`");
    assert_eq!(broken(|m| m.results.extend(m.results.clone())), "two results are named `positives`");
    assert_eq!(
        broken(|m| m.pixel_outputs[0].element = ElementType::I64),
        "gradient: a gradient must be f32, f16 or bf16, not i64"
    );
    assert_eq!(broken(|m| m.scalar_slots = 2), "1 scalar arguments and two sizes do not fit 2 scalar slots");
}

/// Each of these made an executor ask for all memory there is, or more, and abort.
#[test]
fn sizes_that_no_loss_has_are_refused() {
    assert_eq!(broken(|m| m.group_totals = 3), "3 group totals: there are 2 at most");
    assert_eq!(
        broken(|m| m.group_totals = usize::MAX),
        format!("{} group totals: there are 2 at most", usize::MAX)
    );
    assert_eq!(broken(|m| m.scalar_slots = 1 << 40), "1099511627776 scalar slots: there are 1048576 at most");
    let error = broken(|m| m.buffers = vec![64, 1 << 40]);
    assert_eq!(error, "1099511627776 bytes per chunk of a buffer: there are 1048576 at most");
    let error = broken(|m| m.step_bytes = Some(usize::MAX));
    assert_eq!(error, format!("{} bytes per step: there are 1048576 at most", usize::MAX));
}

#[test]
fn kernels_and_group_totals_must_match() {
    let error = broken(|m| {
        [&mut m.forward, &mut m.backward, &mut m.forward_backward].into_iter().for_each(Vec::clear);
    });
    assert_eq!(error, "there is no kernel to run");
    let error = broken(|m| m.backward = vec![2]);
    assert_eq!(error, "the backward direction cannot run kernels [2] of 2");
    assert_eq!(broken(|m| m.kernels[0].outputs = true), "kernel 0 cannot write pixel outputs");
    assert_eq!(broken(|m| m.pixel_outputs.clear()), "kernel 1 cannot write pixel outputs");
    assert_eq!(
        broken(|m| m.group_totals = 1),
        "group total 1 of 1 cannot be reduced by the forward direction"
    );
    let error = broken(|m| m.kernels[1].reductions = m.kernels[0].reductions.clone());
    assert_eq!(error, "group total 1 of 2 cannot be reduced by the forward_backward direction");
}
