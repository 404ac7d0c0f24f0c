// The squared distance from the mean: a sum that needs a sum, and a number to set.
func.func @two_passes(%x: tensor<?x?xf32>, %t: tensor<?x?xf32>, %scale: tensor<f32> {loss.name = "scale", loss.default = 2.0 : f32}) -> (tensor<f32>, tensor<?xi64> {loss.name = "positives"}) {
  %one = "loss.constant"() {value = 1.0 : f32} : () -> tensor<?x?xf32>
  %m = "loss.equal"(%t, %one) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xi1>
  %c = "loss.count"(%m) : (tensor<?x?xi1>) -> tensor<?xi64>
  %n = "loss.cast"(%c) : (tensor<?xi64>) -> tensor<?xf32>
  %z = "loss.constant"() {value = 0.0 : f32} : () -> tensor<?x?xf32>
  %v = "loss.select"(%m, %x, %z) : (tensor<?x?xi1>, tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %s = "loss.sum"(%v) : (tensor<?x?xf32>) -> tensor<?xf32>
  %mean = "loss.ratio_or_zero"(%s, %n) : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  %means = "loss.broadcast"(%mean) : (tensor<?xf32>) -> tensor<?x?xf32>
  %d = "loss.sub"(%x, %means) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %scales = "loss.broadcast"(%scale) : (tensor<f32>) -> tensor<?x?xf32>
  %e = "loss.mul"(%scales, %d) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %q = "loss.mul"(%e, %d) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %g = "loss.sum"(%q) : (tensor<?x?xf32>) -> tensor<?xf32>
  %l = "loss.sum_groups"(%g) : (tensor<?xf32>) -> tensor<f32>
  return %l, %c : tensor<f32>, tensor<?xi64>
}
