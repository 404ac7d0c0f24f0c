func.func @f(%x: tensor<?x?xf16>, %t: tensor<?x?xi64>, %w: tensor<?x?xi1>, %b: tensor<?x?xbf16>) -> (tensor<f32>, tensor<?xi64> {loss.name = "n"}) {
  %y = "loss.cast"(%x) : (tensor<?x?xf16>) -> tensor<?x?xf32>
  %u = "loss.cast"(%t) : (tensor<?x?xi64>) -> tensor<?x?xf32>
  %z = "loss.cast"(%b) : (tensor<?x?xbf16>) -> tensor<?x?xf32>
  %p = "loss.log1p"(%y) : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %q = "loss.mul"(%p, %u) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %v = "loss.select"(%w, %q, %z) : (tensor<?x?xi1>, tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %c = "loss.count"(%w) : (tensor<?x?xi1>) -> tensor<?xi64>
  %g = "loss.sum"(%v) : (tensor<?x?xf32>) -> tensor<?xf32>
  %l = "loss.sum_groups"(%g) : (tensor<?xf32>) -> tensor<f32>
  return %l, %c : tensor<f32>, tensor<?xi64>
}
