// A weight of the whole group leaves the sum: one pass instead of two.
func.func @class_weight(%x: tensor<?x?xf32>, %t: tensor<?x?xf32>) -> tensor<f32> {
  %o = "loss.constant"() {value = 1.0 : f32} : () -> tensor<?x?xf32>
  %z = "loss.constant"() {value = 0.0 : f32} : () -> tensor<?x?xf32>
  %m = "loss.equal"(%t, %o) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xi1>
  %c = "loss.count"(%m) : (tensor<?x?xi1>) -> tensor<?xi64>
  %n = "loss.cast"(%c) : (tensor<?xi64>) -> tensor<?xf32>
  %i = "loss.constant"() {value = 1.0 : f32} : () -> tensor<?xf32>
  %w = "loss.ratio_or_zero"(%i, %n) : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  %b = "loss.broadcast"(%w) : (tensor<?xf32>) -> tensor<?x?xf32>
  %f = "loss.softplus"(%x) : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %v = "loss.absorbing_mul"(%b, %f) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %s = "loss.select"(%m, %v, %z) : (tensor<?x?xi1>, tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %g = "loss.sum"(%s) : (tensor<?x?xf32>) -> tensor<?xf32>
  %l = "loss.sum_groups"(%g) : (tensor<?xf32>) -> tensor<f32>
  return %l : tensor<f32>
}
