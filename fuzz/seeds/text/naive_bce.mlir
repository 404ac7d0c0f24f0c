// The naive formula becomes the stable one; loss and gradient share one exponential.
func.func @naive_bce(%x: tensor<?x?xf32>, %t: tensor<?x?xf32>) -> tensor<f32> {
  %o = "loss.constant"() {value = 1.0 : f32} : () -> tensor<?x?xf32>
  %p = "loss.sigmoid"(%x) : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %q = "loss.sub"(%o, %p) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %a = "loss.log"(%p) : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %b = "loss.log"(%q) : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %m = "loss.equal"(%t, %o) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xi1>
  %s = "loss.select"(%m, %a, %b) : (tensor<?x?xi1>, tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %n = "loss.neg"(%s) : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %g = "loss.sum"(%n) : (tensor<?x?xf32>) -> tensor<?xf32>
  %l = "loss.sum_groups"(%g) : (tensor<?xf32>) -> tensor<f32>
  return %l : tensor<f32>
}
