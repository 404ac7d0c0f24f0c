//! Separation of lesion pixels from the rest by scores.

/// The precision-recall curve of a classifier.
pub struct PrecisionRecall {
    /// `(recall, precision)` from the highest threshold to the lowest.
    pub points: Vec<(f32, f32)>,
    /// The area under the curve, as the sum of precision times recall gained.
    pub average_precision: f32,
}

/// Evaluates scores against labels (1 lesion, 0 not). Pixels with the same
/// score enter together, so their order cannot flatter the result.
pub fn precision_recall(scores: &[f32], labels: &[u8]) -> PrecisionRecall {
    let order = by_falling_score(scores);
    let positives = labels.iter().filter(|&&label| label == 1).count().max(1);
    let mut points = Vec::new();
    let mut average_precision = 0.0;
    let (mut found, mut marked, mut last_found) = (0_usize, 0_usize, 0_usize);
    for equal in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        marked += equal.len();
        found += equal.iter().filter(|&&pixel| labels[pixel] == 1).count();
        let precision = found as f64 / marked as f64;
        average_precision += precision * (found - last_found) as f64 / positives as f64;
        if found != last_found {
            points.push((found as f32 / positives as f32, precision as f32));
        }
        last_found = found;
    }
    PrecisionRecall { points, average_precision: average_precision as f32 }
}

/// The lowest of the `count` highest scores.
pub fn threshold_for(scores: &[f32], count: usize) -> f32 {
    let order = by_falling_score(scores);
    order.get(count.saturating_sub(1)).map_or(f32::INFINITY, |&pixel| scores[pixel])
}

fn by_falling_score(scores: &[f32]) -> Vec<usize> {
    let mut order: Vec<_> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}
