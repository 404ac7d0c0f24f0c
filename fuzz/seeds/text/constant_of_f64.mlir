func.func @f(%x: tensor<?x?xf32>, %t: tensor<?x?xf32>) -> tensor<f32> {
  %o = "loss.constant"() {value = 1.0e300 : f64} : () -> tensor<?x?xf32>
  %v = "loss.mul"(%x, %o) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %g = "loss.sum"(%v) : (tensor<?x?xf32>) -> tensor<?xf32>
  %l = "loss.sum_groups"(%g) : (tensor<?xf32>) -> tensor<f32>
  return %l : tensor<f32>
}
