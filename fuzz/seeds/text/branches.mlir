// The branch that is not taken has no gradient, so none of its NaN either.
func.func @branches(%x: tensor<?x?xf32>, %t: tensor<?x?xf32>) -> tensor<f32> {
  %z = "loss.constant"() {value = 0.0 : f32} : () -> tensor<?x?xf32>
  %m = "loss.less"(%z, %x) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xi1>
  %f = "loss.log"(%x) : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %s = "loss.select"(%m, %f, %t) : (tensor<?x?xi1>, tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %g = "loss.sum"(%s) : (tensor<?x?xf32>) -> tensor<?xf32>
  %l = "loss.sum_groups"(%g) : (tensor<?xf32>) -> tensor<f32>
  return %l : tensor<f32>
}
