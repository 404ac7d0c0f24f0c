// Binary cross entropy with logits, summed over the pixels.
module attributes {
  loss.name = "bce",
  loss.summary = "binary cross entropy, summed over the pixels"
} {
  func.func @bce(
      %logit: tensor<?x?xf32> {loss.name = "logit"},
      %label: tensor<?x?xui8> {loss.name = "label"}) -> (tensor<f32>,
      tensor<?xi64> {loss.name = "positives"}) {
    // p = sigmoid(x) and q = 1 - p
    %one = "loss.constant"() {value = 1.0 : f32} : () -> tensor<?x?xf32>
    %p = "loss.sigmoid"(%logit) : (tensor<?x?xf32>) -> tensor<?x?xf32>
    %q = "loss.sub"(%one, %p) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
    %log_p = "loss.log"(%p) : (tensor<?x?xf32>) -> tensor<?x?xf32>
    %log_q = "loss.log"(%q) : (tensor<?x?xf32>) -> tensor<?x?xf32>
    %target = "loss.cast"(%label) : (tensor<?x?xui8>) -> tensor<?x?xf32>
    %positive = "loss.equal"(%target, %one) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xi1>

    %positives = "loss.count"(%positive) : (tensor<?x?xi1>) -> tensor<?xi64>
    %positive_loss = "loss.neg"(%log_p) : (tensor<?x?xf32>) -> tensor<?x?xf32>
    %negative_loss = "loss.neg"(%log_q) : (tensor<?x?xf32>) -> tensor<?x?xf32>
    %entropy = "loss.select"(%positive, %positive_loss, %negative_loss) : (tensor<?x?xi1>, tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
    %group_loss = "loss.sum"(%entropy) : (tensor<?x?xf32>) -> tensor<?xf32>
    %loss = "loss.sum_groups"(%group_loss) : (tensor<?xf32>) -> tensor<f32>
    return %loss, %positives : tensor<f32>, tensor<?xi64>
  }
}
