func.func @f(%x: tensor<?x?xf32>, %t: tensor<?x?xf32>) -> tensor<f32> {
  %n = "loss.constant"() {value = 0xFFC00001 : f32} : () -> tensor<?x?xf32>
  %a = "loss.neg"(%n) : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %b = "loss.sub"(%a, %n) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %v = "loss.max"(%b, %x) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %g = "loss.sum"(%v) : (tensor<?x?xf32>) -> tensor<?xf32>
  %l = "loss.sum_groups"(%g) : (tensor<?xf32>) -> tensor<f32>
  return %l : tensor<f32>
}
