; The f32 equal to an f16, which has 5 bits of exponent for 8 and 10 of fraction for 23.
define FLOAT @NAME(HALF %number) alwaysinline nounwind {
  %short = bitcast HALF %number to SHORT
  %bits = sext SHORT %short to INT
  %sign = and INT %bits, splat (i32 -2147483648)
  %size = and INT %bits, splat (i32 32767)
  %placed = shl INT %size, splat (i32 13)

  ; The exponents' biases differ by 112. Scaling is exact and makes denormals normal.
  %unscaled = bitcast INT %placed to FLOAT
  %scaled = fmul FLOAT %unscaled, splat (float 0x46F0000000000000)
  %finite = bitcast FLOAT %scaled to INT

  ; The largest exponent is that of infinity and of what is no number.
  %is_finite = icmp slt INT %size, splat (i32 31744)
  %special = or INT %placed, splat (i32 2139095040)
  %absolute = select MASK %is_finite, INT %finite, INT %special
  %signed = or INT %absolute, %sign
  %result = bitcast INT %signed to FLOAT
  ret FLOAT %result
}
