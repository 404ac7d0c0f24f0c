; a * b + c, rounded once.
;
; The product of two numbers of 24 bits is exact in 53. The sum in double precision
; is rounded to odd: of the two neighbours of a sum that is not exact, the one whose
; last bit is set. Such a number lies on the same side of every f32, and of the
; middle of any two, as the exact sum does, so that rounding it again is rounding
; once. S. Boldo and G. Melquiond, "Emulation of a FMA and correctly rounded sums:
; proved algorithms using rounding to odd", IEEE Transactions on Computers 57(4),
; 2008. No sum of f32 products is a denormal double, and none overflows.
define FLOAT @NAME(FLOAT %a, FLOAT %b, FLOAT %c) alwaysinline nounwind {
  %wide_a = fpext FLOAT %a to DOUBLE
  %wide_b = fpext FLOAT %b to DOUBLE
  %addend = fpext FLOAT %c to DOUBLE
  %product = fmul DOUBLE %wide_a, %wide_b
  %sum = fadd DOUBLE %product, %addend

  ; What the sum is short of: Knuth's TwoSum, exact.
  %sum_of_addend = fsub DOUBLE %sum, %product
  %sum_of_product = fsub DOUBLE %sum, %sum_of_addend
  %addend_error = fsub DOUBLE %addend, %sum_of_addend
  %product_error = fsub DOUBLE %product, %sum_of_product
  %error = fadd DOUBLE %addend_error, %product_error

  ; Not of an infinite sum, whose error is no number.
  %is_inexact = fcmp one DOUBLE %error, zeroinitializer

  ; A sum that was rounded away from zero is one step too large: the next smaller
  ; bits. Setting the last bit then rounds to odd.
  %sum_bits = bitcast DOUBLE %sum to LONG
  %error_bits = bitcast DOUBLE %error to LONG
  %signs = xor LONG %sum_bits, %error_bits
  %is_opposite = icmp slt LONG %signs, zeroinitializer
  %opposite = sext MASK %is_opposite to LONG
  %inexact = sext MASK %is_inexact to LONG
  %step = and LONG %opposite, %inexact
  %truncated = add LONG %sum_bits, %step
  %last_bit = zext MASK %is_inexact to LONG
  %odd_bits = or LONG %truncated, %last_bit
  %odd = bitcast LONG %odd_bits to DOUBLE
  %rounded = fptrunc DOUBLE %odd to FLOAT
  ret FLOAT %rounded
}
