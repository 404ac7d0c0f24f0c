func.func @f(%x: tensor<?x?xf32>, %t: tensor<?x?xf32>) -> (tensor<f32>, tensor<?xf32> {loss.name = "nan_logits"}) {
  %v = "loss.softplus"(%x) : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %g = "loss.sum"(%v) : (tensor<?x?xf32>) -> tensor<?xf32>
  %l = "loss.sum_groups"(%g) : (tensor<?xf32>) -> tensor<f32>
  return %l, %g : tensor<f32>, tensor<?xf32>
}
