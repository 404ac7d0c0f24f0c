// A test against a probability needs no division.
func.func @drop_test(%x: tensor<?x?xf32>, %t: tensor<?x?xf32>) -> tensor<f32> {
  %u = "loss.uniform"() : () -> tensor<?x?xf32>
  %p = "loss.sigmoid"(%x) : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %d = "loss.less"(%u, %p) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xi1>
  %z = "loss.constant"() {value = 0.0 : f32} : () -> tensor<?x?xf32>
  %s = "loss.select"(%d, %x, %z) : (tensor<?x?xi1>, tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %g = "loss.sum"(%s) : (tensor<?x?xf32>) -> tensor<?xf32>
  %l = "loss.sum_groups"(%g) : (tensor<?xf32>) -> tensor<f32>
  return %l : tensor<f32>
}
