// The random drop loss: Guo et al., "Random Drop Loss for Tiny Object
// Segmentation", ICANN 2019, doi 10.1007/978-3-030-30508-6_18.
//
// A negative is dropped with a probability that falls with its difficulty; the
// classes are weighted by each other's share of what is kept. Written as the
// authors' layer computes it: naive logarithms, weights inside the sum.
module attributes {
  loss.name = "random-drop",
  loss.summary = "cross entropy without the easy negatives, dropped at random by difficulty",
  loss.choice = "schedule",
  loss.default = "squ"
} {
  // Dropped with probability (1 - p)^2.
  func.func @random_drop.squ(
      %logit: tensor<?x?xf32> {loss.name = "logit"},
      %label: tensor<?x?xui8> {loss.name = "label"}) -> (tensor<f32>,
      tensor<?xi64> {loss.name = "positives"},
      tensor<?xi64> {loss.name = "kept"}) {
    // p = sigmoid(x) and q = 1 - p
    %one = "loss.constant"() {value = 1.0 : f32} : () -> tensor<?x?xf32>
    %zero = "loss.constant"() {value = 0.0 : f32} : () -> tensor<?x?xf32>
    %p = "loss.sigmoid"(%logit) : (tensor<?x?xf32>) -> tensor<?x?xf32>
    %q = "loss.sub"(%one, %p) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
    %log_p = "loss.log"(%p) : (tensor<?x?xf32>) -> tensor<?x?xf32>
    %log_q = "loss.log"(%q) : (tensor<?x?xf32>) -> tensor<?x?xf32>
    %target = "loss.cast"(%label) : (tensor<?x?xui8>) -> tensor<?x?xf32>
    %positive = "loss.equal"(%target, %one) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xi1>

    // An easy negative is dropped at random.
    %drop_probability = "loss.mul"(%q, %q) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
    %u = "loss.uniform"() : () -> tensor<?x?xf32>
    %dropped = "loss.less"(%u, %drop_probability) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xi1>
    %spared = "loss.not"(%dropped) : (tensor<?x?xi1>) -> tensor<?x?xi1>
    %negative = "loss.not"(%positive) : (tensor<?x?xi1>) -> tensor<?x?xi1>
    %kept = "loss.and"(%negative, %spared) : (tensor<?x?xi1>, tensor<?x?xi1>) -> tensor<?x?xi1>

    // Class weights: the other class's share.
    %positives = "loss.count"(%positive) : (tensor<?x?xi1>) -> tensor<?xi64>
    %kept_count = "loss.count"(%kept) : (tensor<?x?xi1>) -> tensor<?xi64>
    %P = "loss.cast"(%positives) : (tensor<?xi64>) -> tensor<?xf32>
    %N = "loss.cast"(%kept_count) : (tensor<?xi64>) -> tensor<?xf32>
    %total = "loss.add"(%P, %N) : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
    %positive_weight = "loss.ratio_or_zero"(%N, %total) : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
    %negative_weight = "loss.ratio_or_zero"(%P, %total) : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
    %positive_weights = "loss.broadcast"(%positive_weight) : (tensor<?xf32>) -> tensor<?x?xf32>
    %negative_weights = "loss.broadcast"(%negative_weight) : (tensor<?xf32>) -> tensor<?x?xf32>

    // The weighted cross entropy, weights inside the sum.
    %positive_loss = "loss.neg"(%log_p) : (tensor<?x?xf32>) -> tensor<?x?xf32>
    %negative_loss = "loss.neg"(%log_q) : (tensor<?x?xf32>) -> tensor<?x?xf32>
    %weighted_positive = "loss.absorbing_mul"(%positive_weights, %positive_loss) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
    %weighted_negative = "loss.absorbing_mul"(%negative_weights, %negative_loss) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
    %negative_part = "loss.select"(%kept, %weighted_negative, %zero) : (tensor<?x?xi1>, tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
    %weighted = "loss.select"(%positive, %weighted_positive, %negative_part) : (tensor<?x?xi1>, tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
    %group_loss = "loss.sum"(%weighted) : (tensor<?x?xf32>) -> tensor<?xf32>
    %loss = "loss.sum_groups"(%group_loss) : (tensor<?xf32>) -> tensor<f32>
    return %loss, %positives, %kept_count : tensor<f32>, tensor<?xi64>, tensor<?xi64>
  }
}
