//! Every op lowers on every target, and LLVM generates the intended instructions. Tests that run
//! code show that it computes the interpreter's values.

use lossc_dialect::ops::{Numerics, OpDefinition, Signature, table};
use lossc_dialect::program::GRADIENT;
use lossc_dialect::{Builder, Element, Level, Node, Op, Program, Type, ValueId, library};

use super::emit::Emitter;
use super::{compute, lower};
use crate::codegen::{Artifact, Output, Target, compile};
use crate::schedule::{Options, schedule};

const TARGETS: [&str; 6] = ["cpu:sse2", "cpu:sse4.2", "cpu:avx2", "cpu:avx512", "cpu:neon", "sm_80"];

fn target(name: &str) -> Target {
    name.parse().expect("a known target")
}

fn module(program: &Program, target_name: &str) -> String {
    lower(&schedule(program, Options::default()), &target(target_name), Numerics::default()).expect("lowers")
}

fn compiled(program: &Program, target_name: &str, output: Output) -> Artifact {
    let module = module(program, target_name);
    compile(&module, &target(target_name), output, None)
        .unwrap_or_else(|error| panic!("{} for {target_name}: {error}\n{module}", program.name()))
}

/// A program under construction with a float at each level.
struct Floats {
    builder: Builder,
    levels: [ValueId; 3],
}

impl Floats {
    fn new(name: &str) -> Self {
        let mut builder = Builder::new(name);
        let pixel = builder.pixel_argument("logit", Element::F32);
        let scalar = builder.scalar_argument("number", 2.0);
        let group = builder.sum(pixel);
        Self { builder, levels: [scalar, group, pixel] }
    }

    /// Operands that `definition` takes at `level`, if it has that level.
    fn operands(&mut self, definition: &OpDefinition, level: Level) -> Option<Vec<ValueId>> {
        let value = self.levels[level as usize];
        let other = self.builder.constant_like(0.5, value);
        let mask = self.builder.less(value, other);
        let all = match definition.signature {
            Signature::Constant => vec![],
            Signature::Random if level == Level::Pixel => vec![],
            Signature::Size if level == Level::Scalar => vec![],
            Signature::Floats | Signature::Compare => vec![value, other, value],
            Signature::Integer if level == Level::Pixel => {
                vec![self.builder.pixel_argument("label", Element::I64)]
            }
            Signature::Integer if level == Level::Group => {
                let pixels = self.levels[Level::Pixel as usize];
                let everywhere = self.builder.equal(pixels, pixels);
                vec![self.builder.count(everywhere)]
            }
            Signature::Logic => vec![mask, self.builder.equal(value, other)],
            Signature::Select => vec![mask, value, other],
            Signature::Cast => vec![mask],
            Signature::ToPixel if level < Level::Pixel => vec![value],
            Signature::ToGroup if level < Level::Group => vec![value],
            Signature::Count if level == Level::Pixel => vec![mask],
            Signature::Sum if level == Level::Pixel => vec![value],
            Signature::OverGroups if level == Level::Group => vec![value],
            _ => return None,
        };
        Some(all[..definition.operands.len()].to_vec())
    }

    /// The program whose loss and gradient are `value`.
    fn finish(mut self, value: ValueId) -> Program {
        let float = self.builder.cast(value, Element::F32);
        let pixel = self.builder.broadcast_to(float, Level::Pixel);
        let sum = self.builder.sum(pixel);
        let loss = self.builder.sum_groups(sum);
        self.builder.finish_named([("loss", loss), (GRADIENT, pixel)]).expect("a loss")
    }
}

#[test]
fn every_op_lowers_at_every_level_on_every_target() {
    for definition in table() {
        let mut levels = 0;
        for level in Level::ALL {
            let mut floats = Floats::new(definition.mnemonic);
            let Some(operands) = floats.operands(definition, level) else { continue };
            let value = floats.builder.op(definition.op, &operands, Type::new(level, Element::F32));
            let program = floats.finish(value);
            for target in ["cpu:sse2", "cpu:avx512", "cpu:neon", "sm_80"] {
                let text = module(&program, target);
                let comment = format!("= loss.{}\n", definition.mnemonic);
                assert!(text.contains(&comment), "{comment} in\n{text}");
                compiled(&program, target, Output::Code);
            }
            levels += 1;
        }
        assert!(levels > 0, "no program has a loss.{}", definition.mnemonic);
    }
}

/// Pixels use the fast meaning, groups the exact one; and the code compiles.
#[test]
fn fast_meanings_are_for_pixels() {
    let approximations = |definition: &OpDefinition, numerics| {
        definition.operations_by(numerics).map_or(0, |operations| operations.approximation)
    };
    let mut found = 0;
    for definition in table().filter(|it| approximations(it, Numerics::Fast) > 0) {
        for level in Level::ALL {
            let mut floats = Floats::new(definition.mnemonic);
            let operands = floats.operands(definition, level).expect("it takes floats");
            let value = floats.builder.op(definition.op, &operands, Type::new(level, Element::F32));
            let schedule = schedule(&floats.finish(value), Options::default());
            let lowered = |numerics| lower(&schedule, &target("sm_80"), numerics).expect("lowers");
            let text = lowered(Numerics::Fast);
            assert_eq!(text != lowered(Numerics::Reproducible), level == Level::Pixel, "{text}");
            compile(&text, &target("sm_80"), Output::Code, None).expect("compiles");
        }
        found += 1;
    }
    assert!(found > 5, "{found} ops");
}

#[test]
fn a_processor_has_no_fast_meanings() {
    let program = library_programs().next().expect("a loss");
    let error = lower(&schedule(&program, Options::default()), &target("cpu:avx2"), Numerics::Fast);
    let message = error.expect_err("a processor cannot").to_string();
    assert!(message.starts_with("cpu:x86-64-v3 has no fast numerics"), "{message}");
}

#[test]
fn every_storage_type_is_loaded_and_every_float_stored() {
    for label in Element::all() {
        for logit in [Element::F32, Element::F16, Element::Bf16] {
            let mut builder = Builder::new("storage");
            let stored = [builder.pixel_argument("logit", logit), builder.pixel_argument("label", label)];
            let [logits, labels] = stored.map(|stored| builder.cast(stored, Element::F32));
            let difference = builder.sub(logits, labels);
            let sum = builder.sum(difference);
            let loss = builder.mean_groups(sum);
            let gradient = builder.cast(difference, logit);
            let program = builder.finish_named([("loss", loss), (GRADIENT, gradient)]).expect("a loss");
            TARGETS.into_iter().for_each(|target| drop(compiled(&program, target, Output::Code)));
        }
    }
}

#[test]
fn an_op_without_a_lowering_is_named() {
    let node = Node { op: Op::Sum, operands: vec![], ty: Type::new(Level::Group, Element::F32) };
    let error = compute(&mut Emitter::new(0), &node, &[], 1).expect_err("a sum reads many places");
    assert_eq!(error.to_string(), "loss.sum has no lowering at group level");
}

/// A loss of two passes whose gradient needs a reduction over groups of the first.
fn two_passes() -> Program {
    let mut builder = Builder::new("two_passes");
    let logit = builder.pixel_argument("logit", Element::F32);
    let sum = builder.sum(logit);
    let mean = builder.mean_groups(sum);
    let spread = builder.broadcast(mean);
    let product = builder.mul(logit, spread);
    let sum = builder.sum(product);
    let loss = builder.sum_groups(sum);
    builder.finish_named([("loss", loss), (GRADIENT, spread)]).expect("a loss")
}

#[test]
fn what_nobody_has_written_is_not_read() {
    let refused = |break_it: &dyn Fn(&mut crate::schedule::Schedule)| {
        let mut schedule = schedule(&two_passes(), Options::default());
        lower(&schedule, &target("cpu:avx2"), Numerics::default()).expect("it is whole");
        break_it(&mut schedule);
        let lowered = TARGETS.map(|name| lower(&schedule, &target(name), Numerics::default()));
        lowered.map(|it| it.expect_err("it reads what is not there").to_string())[0].clone()
    };
    let error = |entry, op| {
        format!("{entry} reads loss.{op} before any pass has computed it; this is an error of lossc")
    };
    // The reduction over groups is computed one pass after it is read.
    let late = refused(&|schedule| {
        let reductions = std::mem::take(&mut schedule.kernels[0].group_reductions);
        schedule.kernels[1].group_reductions.splice(0..0, reductions);
    });
    assert_eq!(late, error("forward", "mean_groups"));
    let no_group_total = refused(&|schedule| schedule.kernels[0].reductions.clear());
    assert_eq!(no_group_total, error("forward", "sum"));
    let no_forward = refused(&|schedule| schedule.forward.clear());
    assert_eq!(no_forward, error("backward", "mean_groups"));
    let second_first = refused(&|schedule| schedule.forward_backward.reverse());
    assert!(second_first.starts_with("forward_backward reads"), "{second_first}");
}

#[test]
fn what_no_kernel_has_kept_is_not_loaded() {
    let program = two_passes();
    let options = Options { fusion: crate::schedule::Fusion::Op, ..Options::default() };
    let mut schedule = schedule(&program, options);
    lower(&schedule, &target("cpu:avx2"), Numerics::default()).expect("it is whole");
    schedule.kernels.iter_mut().for_each(|kernel| kernel.saves.clear());
    let error = lower(&schedule, &target("cpu:avx2"), Numerics::default()).expect_err("nothing is kept");
    assert!(matches!(error, super::LowerError::Unwritten { mnemonic: "mul", .. }), "{error}");
}

fn library_programs() -> impl Iterator<Item = Program> {
    library::all().expect("the library parses").into_iter().flat_map(|file| file.programs)
}

fn assembly(program: &Program, target: &str) -> String {
    match compiled(program, target, Output::Assembly) {
        Artifact::Text(text) => text,
        Artifact::Object(_) => panic!("assembly is text"),
    }
}

#[test]
fn a_library_loss_keeps_its_pixels_in_vectors() {
    for program in library_programs() {
        let text = assembly(&program, "cpu:avx512");
        let count = |slow: &str| text.lines().filter(|line| line.contains(slow)).count();
        // Instructions that extract or insert single lanes.
        for slow in ["vpinsr", "vpextr", "vgather", "vscatter"] {
            assert_eq!(count(slow), 0, "{slow} in {}\n{text}", program.name());
        }
        // Products of 64 by 64 bits: Philox has none in its loop, but LLVM makes one of the
        // stream's product before the loop.
        let kernels = schedule(&program, Options::default()).kernels.len();
        assert!(count("vpmullq") <= kernels, "{}\n{text}", program.name());
        assert!(text.contains("%zmm"));
    }
}

/// The blocks of an assembly text that have this instruction more than once.
fn blocks_with<'a>(text: &'a str, instruction: &str) -> Vec<&'a str> {
    text.split("\n.LBB").filter(|block| block.matches(instruction).count() > 1).collect()
}

#[test]
fn vectors_of_128_bits_are_worked_on_whole() {
    // A product of pixels, a product of 32 by 32 bits, and instructions on single numbers.
    let targets = [
        ("cpu:sse2", "\tmulpd\t", "\tpmuludq\t", ["pinsr", "pextr", "mulsd", "\timul", "\tcall"]),
        ("cpu:neon", "\tfmla\t", "\tumull\t", ["\tumov\t", "\tins\t", "\tfmadd\t", "\tmul\tx", "\tbl\t"]),
    ];
    for (target, product, random_product, slow) in targets {
        for program in library_programs() {
            // An object with unresolved symbols would be an error.
            compiled(&program, target, Output::Code);
            let text = assembly(&program, target);
            let [pixels, draws] = [product, random_product].map(|it| blocks_with(&text, it));
            assert!(!pixels.is_empty(), "{} for {target}\n{text}", program.name());
            for (block, word) in pixels.iter().chain(&draws).flat_map(|block| slow.map(|word| (block, word)))
            {
                assert!(!block.contains(word), "{word:?} in {} for {target}\n{block}", program.name());
            }
            // Two blocks of counters, each with ten rounds of two products, of which the
            // stream's first is the same for all.
            let is_random = program.values().any(|(_, node)| node.op == Op::Uniform);
            assert_eq!(draws.len(), usize::from(is_random), "{} for {target}", program.name());
            draws
                .iter()
                .for_each(|block| assert_eq!(block.matches(random_product).count(), 2 * 19, "{block}"));
        }
    }
}

#[test]
fn a_library_loss_is_scalar_code_without_calls_on_a_gpu() {
    for program in library_programs() {
        let text = assembly(&program, "sm_90");
        for kernel in 0..schedule(&program, Options::default()).kernels.len() {
            for entry in ["kernel", "epilogue"] {
                assert!(text.contains(&format!(".visible .entry {entry}_{kernel}(")), "{text}");
            }
        }
        // f64 is for totals alone: the loop over pixels, which has the polynomials, has none.
        let pixels = text.split("$L__BB").filter(|block| block.contains("fma.rn.f32"));
        pixels.for_each(|block| assert!(!block.contains("rn.f64"), "{block}"));
        assert!(!text.contains("call"), "{text}");
    }
}

#[test]
fn the_text_names_the_programs_values_in_order() {
    let file = library::all().expect("the library parses").into_iter().find(|file| file.name == "bce");
    let program = file.expect("the library has it").programs.remove(0);
    let text = module(&program, "cpu:avx2");
    let places: Vec<_> = ["= logit\n", "= label\n", "= loss.sigmoid\n", "= loss.log\n", "= loss.select\n"]
        .map(|value| text.find(value).unwrap_or_else(|| panic!("{value} in\n{text}")))
        .into();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn a_gpu_keeps_nothing_between_kernels() {
    let program = &library::all().expect("the library parses")[0].programs[0];
    let options = Options { fusion: crate::schedule::Fusion::Op, ..Options::default() };
    let error =
        lower(&schedule(program, options), &target("sm_90"), Numerics::default()).expect_err("a GPU cannot");
    assert!(error.to_string().contains("fuse"), "{error}");
}
