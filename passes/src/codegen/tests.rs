use object::{Object, ObjectSymbol};

use super::{Artifact, CodegenError, Output, Target, compile};

const HOST: &str = include_str!("tests/host.mlir");
const KERNEL: &str = include_str!("tests/kernel.mlir");

fn target(name: &str) -> Target {
    name.parse().expect("a known target")
}

fn text(module: &str, target_name: &str, output: Output) -> String {
    match compile(module, &target(target_name), output, None).expect("compiles") {
        Artifact::Text(text) => text,
        Artifact::Object(_) => panic!("{output:?} is text"),
    }
}

fn error(module: &str, target_name: &str) -> CodegenError {
    compile(module, &target(target_name), Output::Code, None).expect_err("must not compile")
}

fn host_function(body: &str) -> String {
    format!("func.func @pass_0(%p: !llvm.ptr) {{\n{body}\nreturn\n}}")
}

fn kernel(body: &str) -> String {
    format!("llvm.func @pass_0(%p: !llvm.ptr<1>) attributes {{nvvm.kernel}} {{\n{body}\nllvm.return\n}}")
}

#[test]
fn an_object_defines_the_functions_and_needs_no_symbol() {
    for name in ["cpu", "cpu:sse2", "cpu:sse4.2", "cpu:avx2", "cpu:avx512", "cpu:neon"] {
        let artifact = compile(HOST, &target(name), Output::Code, None).expect(name);
        let Artifact::Object(bytes) = artifact else { panic!("{name} gives an object") };
        let file = object::File::parse(&*bytes).expect("an object file");
        let is_arm = file.architecture() == object::Architecture::Aarch64;
        assert_eq!(is_arm, name == "cpu:neon" || name == "cpu" && cfg!(target_arch = "aarch64"));
        let symbol = file.symbol_by_name("pass_0").expect("the function");
        assert!(symbol.is_definition() && symbol.is_global());
    }
}

#[test]
fn philox_products_and_masks_use_the_processors_vectors() {
    let wide = text(HOST, "cpu:avx512", Output::Assembly);
    for instruction in ["vpmuludq\t", "vfmadd", "%zmm", "popcnt", "{%k1}"] {
        assert!(wide.contains(instruction), "{instruction} in\n{wide}");
    }
    let narrow = text(HOST, "cpu:avx2", Output::Assembly);
    for instruction in ["vpmuludq\t", "vfmadd", "%ymm", "popcnt"] {
        assert!(narrow.contains(instruction), "{instruction} in\n{narrow}");
    }
    assert!(!narrow.contains("%zmm"));
}

#[test]
fn what_a_processor_has_no_instruction_for_is_vector_code() {
    let f16 = HOST.replace("bf16", "f16");
    let [old, newer] = ["cpu:sse2", "cpu:avx2"].map(|name| text(&f16, name, Output::Assembly));
    for instruction in ["vfmadd", "vcvtps2ph"] {
        assert!(newer.contains(instruction) && !old.contains(instruction), "{instruction} in\n{old}");
    }
    assert!(old.contains("mulpd") && old.contains("cvtpd2ps"), "{old}");
    for slow in ["call", "mulsd", "cvtsd2ss"] {
        assert!(!old.contains(slow), "{slow} in\n{old}");
    }
}

#[test]
fn bfloat16_never_uses_the_instruction_that_flushes_denormals() {
    for name in ["cpu", "cpu:avx2", "cpu:avx512", "cpu:neon"] {
        assert!(!text(HOST, name, Output::Assembly).contains("bf16"));
    }
    assert!(!text(KERNEL, "sm_90", Output::Code).contains("bf16"));
}

#[test]
fn ptx_keeps_every_rounding() {
    for (name, version) in [("sm_80", ".version 7.0"), ("sm_90", ".version 7.8")] {
        let ptx = text(KERNEL, name, Output::Code);
        let expected = [
            version,
            ".visible .entry pass_0(",
            ".maxntid 256",
            ".minnctapersm 4",
            "fma.rn.f32",
            "mul.rn.f32",
            "add.rn.f32",
            "div.rn.f32",
            "ld.global.v4.",
            "shfl.sync.bfly.b32",
            ".shared",
        ];
        for instruction in expected {
            assert!(ptx.contains(instruction), "{instruction} in\n{ptx}");
        }
        assert!(ptx.contains(&format!(".target {name}")));
        assert!(!ptx.contains(".ftz"));
    }
}

#[test]
fn each_output_is_the_text_of_its_stage() {
    assert!(text(HOST, "cpu", Output::Mlir).contains("llvm.func @pass_0"));
    let llvm = text(HOST, "cpu:avx512", Output::LlvmIr);
    assert!(llvm.contains("\"min-legal-vector-width\"=\"512\""));
    assert!(llvm.contains("target triple = \"x86_64-unknown-linux-gnu\""));
    assert!(text(HOST, "cpu:neon", Output::LlvmIr).contains("target triple = \"aarch64-unknown-linux-gnu\""));
    assert!(text(KERNEL, "sm_90", Output::LlvmIr).contains("ptx_kernel void @pass_0"));
    let ptx = text(KERNEL, "sm_80", Output::Assembly);
    assert_eq!(ptx, text(KERNEL, "sm_80", Output::Code));
}

#[test]
fn an_observer_sees_every_stage_and_changes_nothing() {
    for (module, name) in [(HOST, "cpu:avx2"), (KERNEL, "sm_80")] {
        let mut seen = Vec::new();
        let mut record = |stage: &str, text: &str| seen.push((stage.to_owned(), text.len()));
        let target = target(name);
        let observed = compile(module, &target, Output::Code, Some(&mut record));
        assert_eq!(observed, compile(module, &target, Output::Code, None));
        assert_eq!(seen.len(), 11, "{seen:?}");
        assert_eq!(seen.last().expect("stages").0, "assembly");
        assert!(seen.iter().all(|(_, length)| *length > 500), "{seen:?}");
    }
}

#[test]
fn narrowed_vectors_compile_to_other_code() {
    let host = target("cpu:avx512");
    let narrow = host.clone().with_vector_lanes(4).expect("4 lanes");
    let compiled = |target| compile(HOST, target, Output::LlvmIr, None).expect("compiles");
    assert_ne!(compiled(&host), compiled(&narrow));
}

#[test]
fn invalid_text_is_answered_with_line_and_column() {
    let CodegenError::Parse { diagnostics } =
        error("module {\n  func.func @f() {\n    %x = arith.nonsense\n  }\n}", "cpu")
    else {
        panic!("a parse error")
    };
    assert_eq!(diagnostics[0].position, Some((3, 10)));
    assert!(diagnostics[0].message.contains("arith.nonsense"));
    let shown = error("module {\n  $\n}", "cpu").to_string();
    assert!(shown.contains("\n2:3: "), "{shown}");
    assert!(matches!(error("\0", "cpu"), CodegenError::Parse { .. }));
}

#[test]
fn a_failed_pass_names_itself_and_the_place() {
    let module = "\nfunc.func @f() attributes {llvm.linkage = \"nonsense\"} { return }";
    let CodegenError::Pass { pass, diagnostics } = error(module, "cpu") else { panic!("a pass error") };
    assert_eq!(pass, "convert-func-to-llvm");
    assert!(diagnostics[0].message.contains("llvm.linkage"));
    assert_eq!(diagnostics[0].position, Some((2, 1)));
}

#[test]
fn an_operation_without_a_translation_is_named() {
    let body = "%x = llvm.load %p : !llvm.ptr -> f32\n%y = math.erf %x : f32\n\
                llvm.store %y, %p : f32, !llvm.ptr";
    let shown = error(&host_function(body), "cpu").to_string();
    assert!(shown.contains("math.erf") && shown.contains("\n3:6: "), "{shown}");
}

#[test]
fn code_that_calls_out_is_refused_by_the_symbols_name() {
    let body = "%x = llvm.load %p : !llvm.ptr -> f32\n%y = {op} : f32\nllvm.store %y, %p : f32, !llvm.ptr";
    for (operation, symbol) in [("math.exp %x", "llvm.exp.f32"), ("arith.remf %x, %x", "fmodf")] {
        let module = host_function(&body.replace("{op}", operation));
        let CodegenError::ExternalSymbol { symbol: found, .. } = error(&module, "cpu") else {
            panic!("an external symbol")
        };
        assert_eq!(found, symbol);
    }
    let declared = "module { func.func private @expf(f32) -> f32\n".to_owned()
        + &host_function(&body.replace("{op} : f32", "func.call @expf(%x) : (f32) -> f32"))
        + "}";
    assert!(error(&declared, "cpu").to_string().contains("`expf`"));
}

#[test]
fn an_exponential_on_a_gpu_is_an_error_and_not_an_abort() {
    let body = "%x = llvm.load %p : !llvm.ptr<1> -> f32\n\
                %y = llvm.call_intrinsic \"llvm.exp.f32\"(%x) : (f32) -> f32\n\
                llvm.store %y, %p : f32, !llvm.ptr<1>";
    let shown = error(&kernel(body), "sm_90").to_string();
    assert!(shown.contains("sm_90") && shown.contains("`llvm.exp.f32`"));
}

#[test]
fn a_load_without_alignment_has_that_of_the_target() {
    let body = "%x = llvm.load %p : !llvm.ptr<1> -> i64\n%y = arith.addi %x, %x : i64\n\
                llvm.store %y, %p : i64, !llvm.ptr<1>";
    let ptx = text(&kernel(body), "sm_80", Output::Code);
    assert!(ptx.contains("ld.global.b64") && ptx.contains("st.global.b64"), "{ptx}");
}

#[test]
fn clearing_memory_in_a_loop_calls_no_memset() {
    let body = "%c0 = arith.constant 0 : i64\n%c1 = arith.constant 1 : i64\n\
                %n = llvm.load %p : !llvm.ptr -> i64\n%z = arith.constant 0.0 : f32\n\
                scf.for %i = %c0 to %n step %c1 : i64 {\n\
                %at = llvm.getelementptr inbounds %p[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32\n\
                llvm.store %z, %at : f32, !llvm.ptr\n}";
    let module = host_function(body);
    assert!(compile(&module, &target("cpu"), Output::Code, None).is_ok());
}

#[test]
fn a_function_that_is_no_kernel_is_refused_on_a_gpu() {
    let shown = error(HOST, "sm_80").to_string();
    assert!(shown.contains("internal error"), "{shown}");
}
