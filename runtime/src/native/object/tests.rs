use super::*;
use crate::testing::compile_c;

const SOURCE: &str = r#"
#include <stdint.h>
typedef float vector __attribute__((vector_size(64), aligned(64)));
static const double table[8] = {0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5};
static const vector weights = {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16};
static const char *const names[3] = {"ab", "cde", "f"};
const int visible[3] = {10, 20, 30};
__attribute__((noinline)) static double at(int64_t i) { return table[i & 7] * 2.25; }
__attribute__((noinline)) double twice(int64_t i) { return at(i) + at(i + 1); }
double sum(int64_t n) { double s = 0; for (int64_t i = 0; i < n; i++) s += twice(i); return s; }
int64_t weights_misalignment(void) { volatile const vector *p = &weights; return (int64_t)(uintptr_t)p & 63; }
float weight(int64_t i) { volatile const float *p = (const float *)&weights; return p[i]; }
int64_t letter(int64_t i, int64_t j) { return names[i][j]; }
int64_t global(int64_t i) { return visible[i]; }
int64_t pick(int64_t i) { switch (i) { case 0: return 17; case 1: return -4; case 2: return 99;
  case 3: return 5; case 4: return 123456789; case 5: return twice(i) > 0; default: return 0; } }
"#;

type Integer = unsafe extern "C" fn(i64, i64) -> i64;
type Double = unsafe extern "C" fn(i64) -> f64;
type Float = unsafe extern "C" fn(i64) -> f32;

fn run_all(object: &NativeObject) {
    let function = |name| object.function(name).unwrap();
    // SAFETY: the types are those of the C source above.
    unsafe {
        let sum = std::mem::transmute::<*const u8, Double>(function("sum"));
        let expected: f64 = (0..9).map(|i| 2.25 * (f64::from(i % 8) + f64::from((i + 1) % 8) + 1.0)).sum();
        assert_eq!(sum(9), expected);
        let weight = std::mem::transmute::<*const u8, Float>(function("weight"));
        assert_eq!((0..16).map(|i| weight(i)).sum::<f32>(), 136.0);
        let integer = |name| std::mem::transmute::<*const u8, Integer>(function(name));
        assert_eq!(integer("weights_misalignment")(0, 0), 0);
        assert_eq!(integer("letter")(1, 2), i64::from(b'e'));
        assert_eq!(integer("letter")(2, 0), i64::from(b'f'));
        assert_eq!(integer("global")(2, 0), 30);
        assert_eq!([0, 1, 4, 9].map(|i| integer("pick")(i, 0)), [17, -4, 123_456_789, 0]);
    }
}

#[test]
fn code_constants_and_calls_work_after_relocation() {
    for level in ["-O0", "-O2", "-O3"] {
        run_all(&NativeObject::load(&compile_c(SOURCE, &[level])).unwrap());
    }
}

#[test]
fn code_split_into_one_section_a_function_works() {
    let arguments = ["-ffunction-sections", "-fdata-sections", "-mcmodel=large"];
    run_all(&NativeObject::load(&compile_c(SOURCE, &arguments[..2])).unwrap());
}

#[test]
fn an_external_function_is_named() {
    let source = "double exp(double); double f(double x) { return exp(x) + 1; }";
    let error = NativeObject::load(&compile_c(source, &["-fno-builtin"])).unwrap_err();
    assert_eq!(error, ObjectError::Unresolved("exp".into()));
}

#[test]
fn variables_are_refused() {
    let source = "static int calls; int f(void) { return ++calls; }";
    let error = NativeObject::load(&compile_c(source, &[])).unwrap_err();
    assert_eq!(error, ObjectError::WritableSection(".bss".into()));
}

#[test]
fn a_missing_function_is_named() {
    let object = NativeObject::load(&compile_c("int f(void) { return 1; }", &[])).unwrap();
    assert_eq!(object.function("g").unwrap_err(), ObjectError::NoFunction("g".into()));
}

#[test]
fn what_is_no_object_is_an_error() {
    assert!(matches!(NativeObject::load(b""), Err(ObjectError::Parse(_))));
    assert!(matches!(NativeObject::load(&[7; 4096]), Err(ObjectError::Parse(_))));
}

#[test]
fn an_object_for_another_machine_is_named() {
    let mut object = compile_c("int f(void) { return 1; }", &[]);
    let machines = [(62, "x86_64"), (183, "aarch64"), (243, "riscv64")];
    for (number, name) in machines.into_iter().filter(|(_, name)| *name != std::env::consts::ARCH) {
        object[18] = number;
        let error = NativeObject::load(&object).unwrap_err().to_string();
        assert_eq!(error, format!("the object is for {name}, this machine is {}", std::env::consts::ARCH));
    }
}

#[test]
fn a_truncated_object_never_panics() {
    let whole = compile_c(SOURCE, &[]);
    for length in (0..whole.len()).step_by(61) {
        assert!(NativeObject::load(&whole[..length]).is_err());
    }
}
