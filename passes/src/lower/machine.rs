//! The machine that emits MLIR for the ops' exact meanings.

use lossc_dialect::elementary::approximate::rounded_reciprocal;
use lossc_dialect::machine::{ApproximateMachine, Machine, Word};
use lossc_faults::{Fault, is_seeded};

use super::emit::{Emitter, F32, Scalar, Value, ValueType};

/// Emits one operation of the `arith` or `math` dialect for each operation of [`Machine`].
/// A [`Word`] holds the id of an SSA value.
pub(super) struct MlirMachine<'a> {
    emitter: &'a mut Emitter,
    lanes: usize,
    /// The machine's float type, F32 or F64; its integers have as many bits.
    float: Scalar,
    bits: Scalar,
}

impl<'a> MlirMachine<'a> {
    /// A machine whose values have `lanes` lanes.
    pub(super) fn new(emitter: &'a mut Emitter, lanes: usize) -> Self {
        Self { emitter, lanes, float: Scalar::F32, bits: Scalar::Int(32) }
    }

    /// The same machine with f64 for f32, in which only the ops that [`Op::wide`] knows have a
    /// meaning.
    ///
    /// [`Op::wide`]: lossc_dialect::ops::Op::wide
    pub(super) fn in_f64(self) -> Self {
        Self { float: Scalar::F64, bits: Scalar::Int(64), ..self }
    }

    fn value(&self, word: Word) -> Value {
        self.emitter.value(word.0)
    }

    fn apply(&mut self, operation: &str, operands: &[Word]) -> Word {
        let operands: Vec<_> = operands.iter().map(|&word| self.value(word)).collect();
        Word(self.emitter.apply(operation, &operands).id)
    }

    fn compare(&mut self, predicate: &str, a: Word, b: Word) -> Word {
        let (a, b) = (self.value(a), self.value(b));
        Word(self.emitter.compare(predicate, a, b).id)
    }

    fn convert(&mut self, operation: &str, a: Word, scalar: Scalar) -> Word {
        let a = self.value(a);
        Word(self.emitter.convert(operation, a, scalar).id)
    }

    /// The result of an intrinsic of NVIDIA's, called lane by lane because it takes no vectors.
    fn call(&mut self, intrinsic: &str, a: Word) -> Word {
        let a = self.value(a);
        let call = |emitter: &mut Emitter, lane: Value| {
            emitter.pure(
                "near",
                F32,
                format!("llvm.call_intrinsic \"{intrinsic}\"({lane}) : ({F32}) -> {F32}"),
            )
        };
        if a.ty.lanes == 1 {
            return Word(call(self.emitter, a).id);
        }
        let lanes: Vec<_> = (0..a.ty.lanes)
            .map(|lane| {
                let lane = self.emitter.extract(a, lane);
                call(self.emitter, lane).to_string()
            })
            .collect();
        let joined = format!("vector.from_elements {} : {}", lanes.join(", "), a.ty);
        Word(self.emitter.pure("near", a.ty, joined).id)
    }

    fn constant(&mut self, scalar: Scalar, value: i64) -> Word {
        Word(self.emitter.integer(ValueType { scalar, lanes: self.lanes }, value).id)
    }
}

impl Machine for MlirMachine<'_> {
    fn float(&mut self, value: f32) -> Word {
        let ty = ValueType { scalar: self.float, lanes: self.lanes };
        Word(self.emitter.float(ty, value).id)
    }
    fn integer(&mut self, value: i32) -> Word {
        self.constant(self.bits, i64::from(value))
    }
    fn add(&mut self, a: Word, b: Word) -> Word {
        self.apply("arith.addf", &[a, b])
    }
    fn sub(&mut self, a: Word, b: Word) -> Word {
        self.apply("arith.subf", &[a, b])
    }
    fn mul(&mut self, a: Word, b: Word) -> Word {
        self.apply("arith.mulf", &[a, b])
    }
    fn div(&mut self, a: Word, b: Word) -> Word {
        self.apply("arith.divf", &[a, b])
    }
    fn reciprocal_one_to_two(&mut self, a: Word) -> Word {
        if self.emitter.is_for_gpu() && self.float == Scalar::F32 {
            return rounded_reciprocal(self, a);
        }
        let one = self.float(1.0);
        self.div(one, a)
    }
    fn fma(&mut self, a: Word, b: Word, c: Word) -> Word {
        if self.float == Scalar::F64 || is_seeded(Fault::ProductsAreRounded) {
            let product = self.mul(a, b);
            return self.add(product, c);
        }
        self.apply("math.fma", &[a, b, c])
    }
    fn neg(&mut self, a: Word) -> Word {
        self.apply("arith.negf", &[a])
    }
    fn abs(&mut self, a: Word) -> Word {
        self.apply("math.absf", &[a])
    }
    fn less(&mut self, a: Word, b: Word) -> Word {
        self.compare("olt", a, b)
    }
    fn less_equal(&mut self, a: Word, b: Word) -> Word {
        self.compare("ole", a, b)
    }
    fn equal(&mut self, a: Word, b: Word) -> Word {
        self.compare("oeq", a, b)
    }
    fn and(&mut self, a: Word, b: Word) -> Word {
        self.apply("arith.andi", &[a, b])
    }
    fn or(&mut self, a: Word, b: Word) -> Word {
        self.apply("arith.ori", &[a, b])
    }
    fn not(&mut self, a: Word) -> Word {
        let holds = self.constant(Scalar::Int(1), 1);
        self.apply("arith.xori", &[a, holds])
    }
    fn select(&mut self, mask: Word, a: Word, b: Word) -> Word {
        let [mask, a, b] = [mask, a, b].map(|word| self.value(word));
        Word(self.emitter.select(mask, a, b).id)
    }
    fn bits_of_float(&mut self, a: Word) -> Word {
        self.convert("arith.bitcast", a, self.bits)
    }
    fn float_of_bits(&mut self, a: Word) -> Word {
        self.convert("arith.bitcast", a, self.float)
    }
    fn integer_add(&mut self, a: Word, b: Word) -> Word {
        self.apply("arith.addi", &[a, b])
    }
    fn integer_sub(&mut self, a: Word, b: Word) -> Word {
        self.apply("arith.subi", &[a, b])
    }
    fn integer_and(&mut self, a: Word, b: Word) -> Word {
        self.apply("arith.andi", &[a, b])
    }
    fn shift_left(&mut self, a: Word, amount: u32) -> Word {
        let amount = self.constant(self.bits, i64::from(amount));
        self.apply("arith.shli", &[a, amount])
    }
    fn shift_right(&mut self, a: Word, amount: u32) -> Word {
        let amount = self.constant(self.bits, i64::from(amount));
        self.apply("arith.shrsi", &[a, amount])
    }
    fn integer_to_float(&mut self, a: Word) -> Word {
        self.convert("arith.sitofp", a, self.float)
    }
}

/// Operations of NVIDIA's GPUs, the only ones for which these are requested. The logarithm takes
/// denormal numbers, below 2⁻¹²⁶, which would otherwise have no logarithm; arguments and results
/// of the others are seldom denormal.
impl ApproximateMachine for MlirMachine<'_> {
    fn exp2(&mut self, a: Word) -> Word {
        self.call("llvm.nvvm.ex2.approx.ftz", a)
    }
    fn log2(&mut self, a: Word) -> Word {
        self.call("llvm.nvvm.lg2.approx.f", a)
    }
    fn reciprocal(&mut self, a: Word) -> Word {
        self.call("llvm.nvvm.rcp.approx.ftz.f", a)
    }
}
