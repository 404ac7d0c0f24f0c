use super::*;

fn manifest() -> Manifest {
    let reduction = |cell, kind| Reduction { cell, kind };
    Manifest {
        name: "tiny".into(),
        pixel_inputs: vec![PixelArgument { name: "logit".into(), element: ElementType::Bf16 }],
        pixel_outputs: vec![PixelArgument { name: "gradient".into(), element: ElementType::Bf16 }],
        scalars: vec![ScalarArgument { name: UPSTREAM.into(), default: 1.0 }],
        scalar_slots: 2,
        cells: 2,
        passes: vec![
            PassManifest {
                reductions: vec![reduction(1, ReductionKind::Sum), reduction(0, ReductionKind::Count)],
                outputs: false,
            },
            PassManifest { reductions: vec![], outputs: true },
        ],
        forward_passes: 1,
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
    assert_eq!(broken(|m| m.scalar_slots = 0), "1 scalar arguments do not fit 0 scalar slots");
}

#[test]
fn passes_and_cells_must_match() {
    for forward in [0, 3] {
        let error = broken(|m| {
            m.forward_passes = forward;
            m.passes[1].outputs = false;
        });
        assert_eq!(error, format!("{forward} of 2 passes cannot be the forward ones"));
    }
    assert_eq!(broken(|m| m.passes[0].outputs = true), "pass 0 cannot write pixel outputs");
    assert_eq!(broken(|m| m.pixel_outputs.clear()), "pass 1 cannot write pixel outputs");
    assert_eq!(broken(|m| m.cells = 3), "cell 2 of 3 is reduced 0 times, expected once");
    assert_eq!(broken(|m| m.cells = 1), "cell 1 of 1 is reduced 1 times, expected once");
    assert_eq!(
        broken(|m| m.passes[0].reductions[0].cell = 0),
        "cell 0 of 2 is reduced 2 times, expected once"
    );
}
