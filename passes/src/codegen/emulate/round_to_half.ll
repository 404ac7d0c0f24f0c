; The f16 nearest to an f32, the one with an even fraction of two as near.
define HALF @NAME(FLOAT %number) alwaysinline nounwind {
  %bits = bitcast FLOAT %number to INT
  %size = and INT %bits, splat (i32 2147483647)
  %sign = xor INT %bits, %size

  ; Of a normal f16: the exponents' biases differ by 112, and 13 bits of the fraction
  ; go. Adding just under half of their unit, or half for an odd fraction, rounds,
  ; carries into the exponent, and ends at infinity.
  %fraction = lshr INT %size, splat (i32 13)
  %odd = and INT %fraction, splat (i32 1)
  %scaled = sub INT %size, splat (i32 939520001)
  %up = add INT %scaled, %odd
  %normal = lshr INT %up, splat (i32 13)

  ; Of a denormal one: the last place of 1/2 is its unit, so that adding 1/2 rounds.
  %absolute = bitcast INT %size to FLOAT
  %sum = fadd FLOAT %absolute, splat (float 5.000000e-01)
  %sum_bits = bitcast FLOAT %sum to INT
  %denormal = sub INT %sum_bits, splat (i32 1056964608)

  ; From 2^16 on infinity, and what is no number.
  %is_number = icmp slt INT %size, splat (i32 2139095041)
  %special = select MASK %is_number, INT splat (i32 31744), INT splat (i32 32256)

  %is_normal = icmp sgt INT %size, splat (i32 947912703)
  %finite = select MASK %is_normal, INT %normal, INT %denormal
  %is_finite = icmp slt INT %size, splat (i32 1199570944)
  %chosen = select MASK %is_finite, INT %finite, INT %special
  %short = trunc INT %chosen to SHORT
  %high = lshr INT %sign, splat (i32 16)
  %short_sign = trunc INT %high to SHORT
  %signed = or SHORT %short, %short_sign
  %result = bitcast SHORT %signed to HALF
  ret HALF %result
}
