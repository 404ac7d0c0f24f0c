use super::*;

#[test]
fn names_parse_and_print_back() {
    for name in ["cpu", "cpu:x86-64", "cpu:x86-64-v3", "cpu:x86-64-v4", "cpu:aarch64", "sm_80", "sm_121"] {
        let target: Target = name.parse().expect(name);
        assert_eq!(target.to_string(), name);
    }
    let alias: Target = "cpu:avx2".parse().expect("an alias");
    assert_eq!(alias.to_string(), "cpu:x86-64-v3");
    assert_eq!(alias.vector_lanes(), 8);
}

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    for name in ["gpu", "sm_81", "sm_90a", "cpu:", "cpu:sse", "", "sm_"] {
        let error = name.parse::<Target>().expect_err(name).to_string();
        assert!(error.contains(&format!("`{name}`")), "{error}");
        assert!(error.contains("cpu:avx2") && error.contains("sm_90"));
    }
}

#[test]
fn an_old_processor_has_the_narrowest_vectors() {
    for features in ["+sse4.2,-fma,-avx2", "+avx,+fma", ""] {
        let old = Cpu::detected("old".to_owned(), features.to_owned());
        assert_eq!(old.lanes, 4, "{features}");
        assert_eq!(old.has_fused_multiply_add(), features.contains("+fma"));
    }
}

#[test]
fn a_level_of_another_architecture_does_not_run_here() {
    let [x86, arm] = ["cpu:sse2", "cpu:neon"].map(|name| name.parse::<Target>().expect("a level"));
    assert_eq!(x86.runs_on_host_processor(), cfg!(target_arch = "x86_64"));
    assert_eq!(arm.runs_on_host_processor(), cfg!(target_arch = "aarch64"));
    assert_ne!(x86.fingerprint(), arm.fingerprint());
    assert!(arm.needed_features().is_empty());
}

#[test]
fn what_code_needs_leaves_out_what_it_never_uses() {
    let features = "+64bit,+avx2,+fma,-avx512f,+xsave,+amx-tile,+bmi".to_owned();
    let host = Target::Cpu(Cpu::detected("test".to_owned(), features));
    assert_eq!(host.needed_features(), ["avx2", "bmi", "fma"]);
    let level: Target = "cpu:avx2".parse().expect("a level");
    assert!(level.needed_features().contains(&"fma"));
    let gpu: Target = "sm_90".parse().expect("an architecture");
    assert!(gpu.needed_features().is_empty());
}

#[test]
fn vectors_narrow_but_never_widen() {
    let narrow: Target = "cpu:avx2".parse().expect("a level");
    let narrower = narrow.clone().with_vector_lanes(4).expect("4 fit in 8");
    assert_eq!(narrower.vector_lanes(), 4);
    assert_ne!(narrow.fingerprint(), narrower.fingerprint());
    for lanes in [0, 5, 16] {
        assert!(narrow.clone().with_vector_lanes(lanes).is_err());
    }
}

#[test]
fn a_newer_device_gets_the_newest_known_architecture() {
    let name = |device| Target::for_compute_capability(device).map(|target| target.to_string());
    assert_eq!(name(90).as_deref(), Some("sm_90"));
    assert_eq!(name(88).as_deref(), Some("sm_87"));
    assert_eq!(name(150).as_deref(), Some("sm_121"));
    assert_eq!(name(61), None);
}
