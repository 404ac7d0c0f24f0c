// The `loss` dialect in MLIR's IRDL, made from the op table in dialect/src/ops.
// A test compares the two; `LOSSC_UPDATE=1 cargo test` writes this file anew.
//
//   mlir-opt --irdl-file=dialect/loss.irdl.mlir dialect/losses/bce.mlir
//
// tensor<?x?xT> is one value per pixel, tensor<?xT> one per balancing
// group, tensor<T> one per call.
irdl.dialect @loss {

  // the f32 attribute `value`, at the level of the result type
  irdl.operation @constant {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    %4 = irdl.base "#builtin.float"
    irdl.attributes { "value" = %4 }
    irdl.results(result: %3)
  }

  // the pixel's uniform number in [0,1): a pure function of seed, stream and pixel index
  irdl.operation @uniform {
    %0 = irdl.is tensor<?x?xf32>
    irdl.results(result: %0)
  }

  // the number of balancing groups of the call
  irdl.operation @groups {
    %0 = irdl.is tensor<f32>
    irdl.results(result: %0)
  }

  // the number of pixels of the call; all groups have equally many
  irdl.operation @pixels {
    %0 = irdl.is tensor<f32>
    irdl.results(result: %0)
  }

  // lhs + rhs
  irdl.operation @add {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(lhs: %3, rhs: %3)
    irdl.results(result: %3)
  }

  // lhs - rhs
  irdl.operation @sub {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(lhs: %3, rhs: %3)
    irdl.results(result: %3)
  }

  // lhs * rhs
  irdl.operation @mul {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(lhs: %3, rhs: %3)
    irdl.results(result: %3)
  }

  // lhs / rhs
  irdl.operation @div {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(lhs: %3, rhs: %3)
    irdl.results(result: %3)
  }

  // a * b + c, rounded once
  irdl.operation @fma {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(a: %3, b: %3, c: %3)
    irdl.results(result: %3)
  }

  // -operand
  irdl.operation @neg {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(operand: %3)
    irdl.results(result: %3)
  }

  // |operand|, with derivative 0 at 0
  irdl.operation @abs {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(operand: %3)
    irdl.results(result: %3)
  }

  // the lesser; NaN if either is; at a tie the adjoint goes left
  irdl.operation @min {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(lhs: %3, rhs: %3)
    irdl.results(result: %3)
  }

  // the greater; NaN if either is; at a tie the adjoint goes left
  irdl.operation @max {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(lhs: %3, rhs: %3)
    irdl.results(result: %3)
  }

  // the greater of operand and 0; NaN if it is NaN, with derivative 1 at 0
  irdl.operation @positive_part {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(operand: %3)
    irdl.results(result: %3)
  }

  // weight * value, where a weight of 0 gives 0 also of an infinite value; NaN stays NaN
  irdl.operation @absorbing_mul {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(weight: %3, value: %3)
    irdl.results(result: %3)
  }

  // numerator / denominator, and 0 where the denominator is 0
  irdl.operation @ratio_or_zero {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(numerator: %3, denominator: %3)
    irdl.results(result: %3)
  }

  // 1 / operand, for an operand from 1 to 2
  irdl.operation @reciprocal_one_to_two {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(operand: %3)
    irdl.results(result: %3)
  }

  // e to the operand
  irdl.operation @exp {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(operand: %3)
    irdl.results(result: %3)
  }

  // e to the operand, for an operand of 0 or below
  irdl.operation @exp_nonpositive {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(operand: %3)
    irdl.results(result: %3)
  }

  // e to the operand or up to 6.2 % more, in steps, for an operand of 0 or below
  irdl.operation @exp_upper {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(operand: %3)
    irdl.results(result: %3)
  }

  // e to the operand, minus 1, exact near 0
  irdl.operation @expm1 {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(operand: %3)
    irdl.results(result: %3)
  }

  // the natural logarithm
  irdl.operation @log {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(operand: %3)
    irdl.results(result: %3)
  }

  // the natural logarithm of 1 + operand, exact near 0
  irdl.operation @log1p {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(operand: %3)
    irdl.results(result: %3)
  }

  // the natural logarithm of 1 + operand, for an operand from 0 to 1
  irdl.operation @log1p_unit {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(operand: %3)
    irdl.results(result: %3)
  }

  // base to the exponent, for a base of 0 or above
  irdl.operation @pow {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(base: %3, exponent: %3)
    irdl.results(result: %3)
  }

  // 1 / (1 + exp(-operand))
  irdl.operation @sigmoid {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(operand: %3)
    irdl.results(result: %3)
  }

  // log(1 + exp(operand))
  irdl.operation @softplus {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(operand: %3)
    irdl.results(result: %3)
  }

  // lhs < rhs
  irdl.operation @less {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    %4 = irdl.is tensor<i1>
    %5 = irdl.is tensor<?xi1>
    %6 = irdl.is tensor<?x?xi1>
    %7 = irdl.any_of(%4, %5, %6)
    irdl.operands(lhs: %3, rhs: %3)
    irdl.results(result: %7)
  }

  // lhs <= rhs
  irdl.operation @less_equal {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    %4 = irdl.is tensor<i1>
    %5 = irdl.is tensor<?xi1>
    %6 = irdl.is tensor<?x?xi1>
    %7 = irdl.any_of(%4, %5, %6)
    irdl.operands(lhs: %3, rhs: %3)
    irdl.results(result: %7)
  }

  // lhs == rhs
  irdl.operation @equal {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<?xf32>
    %2 = irdl.is tensor<?x?xf32>
    %3 = irdl.any_of(%0, %1, %2)
    %4 = irdl.is tensor<i1>
    %5 = irdl.is tensor<?xi1>
    %6 = irdl.is tensor<?x?xi1>
    %7 = irdl.any_of(%4, %5, %6)
    irdl.operands(lhs: %3, rhs: %3)
    irdl.results(result: %7)
  }

  // whether the stored integer is the attribute `value`, exactly
  irdl.operation @is {
    %0 = irdl.is tensor<i32>
    %1 = irdl.is tensor<i64>
    %2 = irdl.is tensor<?xi32>
    %3 = irdl.is tensor<?xi64>
    %4 = irdl.is tensor<?x?xi32>
    %5 = irdl.is tensor<?x?xi64>
    %6 = irdl.any_of(%0, %1, %2, %3, %4, %5)
    %7 = irdl.is tensor<i1>
    %8 = irdl.is tensor<?xi1>
    %9 = irdl.is tensor<?x?xi1>
    %10 = irdl.any_of(%7, %8, %9)
    %11 = irdl.base "#builtin.integer"
    irdl.attributes { "value" = %11 }
    irdl.operands(operand: %6)
    irdl.results(result: %10)
  }

  // both masks hold
  irdl.operation @and {
    %0 = irdl.is tensor<i1>
    %1 = irdl.is tensor<?xi1>
    %2 = irdl.is tensor<?x?xi1>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(lhs: %3, rhs: %3)
    irdl.results(result: %3)
  }

  // either mask holds
  irdl.operation @or {
    %0 = irdl.is tensor<i1>
    %1 = irdl.is tensor<?xi1>
    %2 = irdl.is tensor<?x?xi1>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(lhs: %3, rhs: %3)
    irdl.results(result: %3)
  }

  // the mask does not hold
  irdl.operation @not {
    %0 = irdl.is tensor<i1>
    %1 = irdl.is tensor<?xi1>
    %2 = irdl.is tensor<?x?xi1>
    %3 = irdl.any_of(%0, %1, %2)
    irdl.operands(operand: %3)
    irdl.results(result: %3)
  }

  // one value where the mask holds, the other elsewhere; what is not chosen has no influence
  irdl.operation @select {
    %0 = irdl.is tensor<i1>
    %1 = irdl.is tensor<?xi1>
    %2 = irdl.is tensor<?x?xi1>
    %3 = irdl.any_of(%0, %1, %2)
    %4 = irdl.is tensor<f32>
    %5 = irdl.is tensor<f16>
    %6 = irdl.is tensor<bf16>
    %7 = irdl.is tensor<ui8>
    %8 = irdl.is tensor<i32>
    %9 = irdl.is tensor<i64>
    %10 = irdl.is tensor<i1>
    %11 = irdl.is tensor<?xf32>
    %12 = irdl.is tensor<?xf16>
    %13 = irdl.is tensor<?xbf16>
    %14 = irdl.is tensor<?xui8>
    %15 = irdl.is tensor<?xi32>
    %16 = irdl.is tensor<?xi64>
    %17 = irdl.is tensor<?xi1>
    %18 = irdl.is tensor<?x?xf32>
    %19 = irdl.is tensor<?x?xf16>
    %20 = irdl.is tensor<?x?xbf16>
    %21 = irdl.is tensor<?x?xui8>
    %22 = irdl.is tensor<?x?xi32>
    %23 = irdl.is tensor<?x?xi64>
    %24 = irdl.is tensor<?x?xi1>
    %25 = irdl.any_of(%4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24)
    irdl.operands(mask: %3, then: %25, otherwise: %25)
    irdl.results(result: %25)
  }

  // the same number in another element type, rounded to nearest even
  irdl.operation @cast {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<f16>
    %2 = irdl.is tensor<bf16>
    %3 = irdl.is tensor<ui8>
    %4 = irdl.is tensor<i32>
    %5 = irdl.is tensor<i64>
    %6 = irdl.is tensor<i1>
    %7 = irdl.is tensor<?xf32>
    %8 = irdl.is tensor<?xf16>
    %9 = irdl.is tensor<?xbf16>
    %10 = irdl.is tensor<?xui8>
    %11 = irdl.is tensor<?xi32>
    %12 = irdl.is tensor<?xi64>
    %13 = irdl.is tensor<?xi1>
    %14 = irdl.is tensor<?x?xf32>
    %15 = irdl.is tensor<?x?xf16>
    %16 = irdl.is tensor<?x?xbf16>
    %17 = irdl.is tensor<?x?xui8>
    %18 = irdl.is tensor<?x?xi32>
    %19 = irdl.is tensor<?x?xi64>
    %20 = irdl.is tensor<?x?xi1>
    %21 = irdl.any_of(%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20)
    %22 = irdl.is tensor<f32>
    %23 = irdl.is tensor<f16>
    %24 = irdl.is tensor<bf16>
    %25 = irdl.is tensor<ui8>
    %26 = irdl.is tensor<i32>
    %27 = irdl.is tensor<i64>
    %28 = irdl.is tensor<i1>
    %29 = irdl.is tensor<?xf32>
    %30 = irdl.is tensor<?xf16>
    %31 = irdl.is tensor<?xbf16>
    %32 = irdl.is tensor<?xui8>
    %33 = irdl.is tensor<?xi32>
    %34 = irdl.is tensor<?xi64>
    %35 = irdl.is tensor<?xi1>
    %36 = irdl.is tensor<?x?xf32>
    %37 = irdl.is tensor<?x?xf16>
    %38 = irdl.is tensor<?x?xbf16>
    %39 = irdl.is tensor<?x?xui8>
    %40 = irdl.is tensor<?x?xi32>
    %41 = irdl.is tensor<?x?xi64>
    %42 = irdl.is tensor<?x?xi1>
    %43 = irdl.any_of(%22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42)
    irdl.operands(operand: %21)
    irdl.results(result: %43)
  }

  // a group's or the call's value at each of its pixels
  irdl.operation @broadcast {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<f16>
    %2 = irdl.is tensor<bf16>
    %3 = irdl.is tensor<ui8>
    %4 = irdl.is tensor<i32>
    %5 = irdl.is tensor<i64>
    %6 = irdl.is tensor<i1>
    %7 = irdl.is tensor<?xf32>
    %8 = irdl.is tensor<?xf16>
    %9 = irdl.is tensor<?xbf16>
    %10 = irdl.is tensor<?xui8>
    %11 = irdl.is tensor<?xi32>
    %12 = irdl.is tensor<?xi64>
    %13 = irdl.is tensor<?xi1>
    %14 = irdl.any_of(%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13)
    %15 = irdl.is tensor<?x?xf32>
    %16 = irdl.is tensor<?x?xf16>
    %17 = irdl.is tensor<?x?xbf16>
    %18 = irdl.is tensor<?x?xui8>
    %19 = irdl.is tensor<?x?xi32>
    %20 = irdl.is tensor<?x?xi64>
    %21 = irdl.is tensor<?x?xi1>
    %22 = irdl.any_of(%15, %16, %17, %18, %19, %20, %21)
    irdl.operands(operand: %14)
    irdl.results(result: %22)
  }

  // the call's value at each group
  irdl.operation @broadcast_groups {
    %0 = irdl.is tensor<f32>
    %1 = irdl.is tensor<f16>
    %2 = irdl.is tensor<bf16>
    %3 = irdl.is tensor<ui8>
    %4 = irdl.is tensor<i32>
    %5 = irdl.is tensor<i64>
    %6 = irdl.is tensor<i1>
    %7 = irdl.any_of(%0, %1, %2, %3, %4, %5, %6)
    %8 = irdl.is tensor<?xf32>
    %9 = irdl.is tensor<?xf16>
    %10 = irdl.is tensor<?xbf16>
    %11 = irdl.is tensor<?xui8>
    %12 = irdl.is tensor<?xi32>
    %13 = irdl.is tensor<?xi64>
    %14 = irdl.is tensor<?xi1>
    %15 = irdl.any_of(%8, %9, %10, %11, %12, %13, %14)
    irdl.operands(operand: %7)
    irdl.results(result: %15)
  }

  // the number of the group's pixels where the mask holds
  irdl.operation @count {
    %0 = irdl.is tensor<?x?xi1>
    %1 = irdl.is tensor<?xi64>
    irdl.operands(operand: %0)
    irdl.results(result: %1)
  }

  // the sum over the group's pixels
  irdl.operation @sum {
    %0 = irdl.is tensor<?x?xf32>
    %1 = irdl.is tensor<?xf32>
    irdl.operands(operand: %0)
    irdl.results(result: %1)
  }

  // the sum over the groups
  irdl.operation @sum_groups {
    %0 = irdl.is tensor<?xf32>
    %1 = irdl.is tensor<f32>
    irdl.operands(operand: %0)
    irdl.results(result: %1)
  }

  // the mean over the groups, 0 if there is none
  irdl.operation @mean_groups {
    %0 = irdl.is tensor<?xf32>
    %1 = irdl.is tensor<f32>
    irdl.operands(operand: %0)
    irdl.results(result: %1)
  }
}
