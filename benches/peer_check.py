"""Losses in double precision, to check every contestant before it is timed."""

import numpy

LOG10_E = 0.4342944819032518
# Negatives that top-k keeps for each positive.
NEGATIVES_PER_POSITIVE = 3


def uniforms(seed, count):
    """Returns the draws of lossc: Philox4x32-10, four words for four pixels."""
    blocks = numpy.arange((count + 3) // 4, dtype=numpy.uint64)
    mask = numpy.uint64(0xFFFFFFFF)
    zero = numpy.zeros_like(blocks)
    c = [blocks & mask, blocks >> numpy.uint64(32), zero, zero]
    k = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        first, second = c[0] * numpy.uint64(0xD2511F53), c[2] * numpy.uint64(0xCD9E8D57)
        high = [product >> numpy.uint64(32) for product in (first, second)]
        c = [
            high[1] ^ c[1] ^ numpy.uint64(k[0]),
            second & mask,
            high[0] ^ c[3] ^ numpy.uint64(k[1]),
            first & mask,
        ]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    words = numpy.stack(c, axis=1).ravel()[:count].astype(numpy.uint32).view(numpy.int32)
    folded = numpy.where(words < 0, ~words, words)
    return folded.astype(numpy.float32) * numpy.float32(4.6566127342e-10)


def sigmoid(x):
    return 1 / (1 + numpy.exp(-x))


def random_drop(logits, labels, draws, schedule):
    """Returns loss and gradient."""
    x, positive = logits.astype(numpy.float64), labels == 1
    softplus = numpy.logaddexp(0, x)
    drop = sigmoid(-x) if schedule == "linear" else 1 - softplus * LOG10_E
    kept = ~positive & ~(draws < drop)
    positives, negatives = positive.sum(), kept.sum()
    weight = (positive * negatives + kept * positives) / max(positives + negatives, 1)
    return (weight * (softplus - x * positive)).sum(), weight * (sigmoid(x) - positive)


def bce(logits, labels):
    """Returns loss and gradient of all pixels."""
    x, positive = logits.astype(numpy.float64), labels == 1
    return (numpy.logaddexp(0, x) - x * positive).sum(), sigmoid(x) - positive


def top_k_bce(logits, labels):
    """Returns loss and gradient of the positives and the hardest negatives."""
    x, positive = logits.astype(numpy.float64).ravel(), labels.ravel() == 1
    hardest = numpy.argsort(numpy.where(positive, -numpy.inf, x))[::-1][
        : NEGATIVES_PER_POSITIVE * positive.sum()
    ]
    chosen = positive.copy()
    chosen[hardest] = True
    loss = (numpy.logaddexp(0, x) - x * positive)[chosen].sum()
    return loss, (chosen * (sigmoid(x) - positive)).reshape(logits.shape)


PLAIN = {"bce": bce, "top-k bce": top_k_bce}


def check(peer, draws, reference):
    """Checks that the loss and gradient are right with the same draws, and the loss nearly
    so with its own.

    A draw within rounding of its threshold may fall on the other side in single
    precision, so a hundred-thousandth of the pixels may differ.
    """
    label = f"{peer.name} ({peer.schedule or peer.loss})"
    loss, gradient = peer.with_uniforms(draws)
    expect(abs(loss / reference[0] - 1) < 1e-4, f"{label}: loss {loss}, expected {reference[0]}")
    scale = numpy.abs(reference[1]).max()
    different = (numpy.abs(gradient - reference[1]) > 1e-3 * scale).mean()
    expect(different < 1e-5, f"{label}: {different:.2%} of the gradient differs")
    for own in (peer.forward(), peer.forward_backward()[0]):
        expect(abs(float(own) / reference[0] - 1) < 0.05, f"{label}: loss {own}, expected {reference[0]}")
    different = abs(numpy.abs(peer.forward_backward()[1]).sum() / numpy.abs(reference[1]).sum() - 1)
    expect(different < 0.05, f"{label}: the gradient's sum is off by {different:.1%}")


def expect(holds, message):
    if not holds:
        raise SystemExit(f"error: {message}")
