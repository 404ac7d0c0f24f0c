func.func @f(%x: tensor<?x?xf32>, %t: tensor<?x?xf32>) -> tensor<f32> {
  %n = "loss.constant"() {value = 0x7FC00000 : f32} : () -> tensor<?x?xf32>
  %o = "loss.constant"() {value = 1.0 : f32} : () -> tensor<?x?xf32>
  %a = "loss.add"(%n, %o) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %v = "loss.mul"(%x, %a) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %g = "loss.sum"(%v) : (tensor<?x?xf32>) -> tensor<?xf32>
  %l = "loss.sum_groups"(%g) : (tensor<?xf32>) -> tensor<f32>
  return %l : tensor<f32>
}
