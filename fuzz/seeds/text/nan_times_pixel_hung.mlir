func.func @f(%x: tensor<?x?xf32>, %t: tensor<?x?xf32>) -> tensor<f32> {
  %n = "loss.constant"() {value = 0x7FC00000 : f32} : () -> tensor<?x?xf32>
  %a = "loss.mul"(%x, %n) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %z = "loss.constant"() {value = 0.0 : f32} : () -> tensor<?x?xf32>
  %b = "loss.mul"(%a, %z) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %v = "loss.add"(%b, %x) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %g = "loss.sum"(%v) : (tensor<?x?xf32>) -> tensor<?xf32>
  %l = "loss.sum_groups"(%g) : (tensor<?xf32>) -> tensor<f32>
  return %l : tensor<f32>
}
