"""Random drop by hand in Triton: one pass over the data in each direction.

The class weights leave the sums, so that the forward pass needs no count beforehand;
draws are made four at a time, and again in the backward pass from the same seed.
"""

import torch
import triton
import triton.language as tl

from gpu_peer_losses import Peer

LOG10_E = tl.constexpr(0.4342944819032518)
# Pixels of a program, of which each draw makes four.
BLOCK = 4096
QUARTER = tl.constexpr(BLOCK // 4)


@triton.jit
def is_kept(x, softplus, draw, linear: tl.constexpr):
    drop = tl.sigmoid(-x) if linear else 1 - softplus * LOG10_E
    return draw >= drop


@triton.jit
def softplus_of(x):
    return tl.maximum(x, 0.0) + tl.log(1 + tl.exp(-tl.abs(x)))


@triton.jit
def draws(seed, image, block):
    """Four arrays, one for each quarter of the block."""
    blocks = tl.num_programs(0)
    return tl.rand4x(seed, (image * blocks + block) * QUARTER + tl.arange(0, QUARTER))


@triton.jit
def quarter_sums(logits, labels, start, end, draw, linear: tl.constexpr):
    index = start + tl.arange(0, QUARTER)
    inside = index < end
    x = tl.load(logits + index, inside, 0.0)
    positive = tl.load(labels + index, inside, 0) == 1
    softplus = softplus_of(x)
    kept = inside & (positive == 0) & is_kept(x, softplus, draw, linear)
    return (
        tl.sum(positive.to(tl.int32)),
        tl.sum(kept.to(tl.int32)),
        tl.sum(tl.where(positive, softplus - x, 0.0)),
        tl.sum(tl.where(kept, softplus, 0.0)),
    )


@triton.jit
def forward_kernel(logits, labels, counts, sums, pixels, seed, linear: tl.constexpr):
    """Counts [image, 2] and sums [image, 2] of positives and of kept negatives."""
    block, image = tl.program_id(0), tl.program_id(1)
    first = image.to(tl.int64) * pixels
    u0, u1, u2, u3 = draws(seed, image, block)
    start = first + block * 4 * QUARTER
    a0, b0, c0, d0 = quarter_sums(logits, labels, start, first + pixels, u0, linear)
    a1, b1, c1, d1 = quarter_sums(logits, labels, start + QUARTER, first + pixels, u1, linear)
    a2, b2, c2, d2 = quarter_sums(logits, labels, start + 2 * QUARTER, first + pixels, u2, linear)
    a3, b3, c3, d3 = quarter_sums(logits, labels, start + 3 * QUARTER, first + pixels, u3, linear)
    tl.atomic_add(counts + 2 * image, a0 + a1 + a2 + a3)
    tl.atomic_add(counts + 2 * image + 1, b0 + b1 + b2 + b3)
    tl.atomic_add(sums + 2 * image, c0 + c1 + c2 + c3)
    tl.atomic_add(sums + 2 * image + 1, d0 + d1 + d2 + d3)


@triton.jit
def weights_of(counts, image):
    positives = tl.load(counts + 2 * image).to(tl.float32)
    kept = tl.load(counts + 2 * image + 1).to(tl.float32)
    total = tl.maximum(positives + kept, 1.0)
    return kept / total, positives / total


@triton.jit
def finish_kernel(counts, sums, loss, images):
    total = 0.0
    for image in range(images):
        positive_weight, negative_weight = weights_of(counts, image)
        total += positive_weight * tl.load(sums + 2 * image)
        total += negative_weight * tl.load(sums + 2 * image + 1)
    tl.store(loss, total)


@triton.jit
def quarter_gradient(logits, labels, gradient, start, end, draw, positive_weight, negative_weight, linear: tl.constexpr):
    index = start + tl.arange(0, QUARTER)
    inside = index < end
    x = tl.load(logits + index, inside, 0.0)
    positive = tl.load(labels + index, inside, 0) == 1
    kept = is_kept(x, softplus_of(x), draw, linear)
    p = tl.sigmoid(x)
    negative_part = tl.where(kept, negative_weight * p, 0.0)
    tl.store(gradient + index, tl.where(positive, positive_weight * (p - 1), negative_part), inside)


@triton.jit
def backward_kernel(logits, labels, gradient, counts, pixels, seed, linear: tl.constexpr):
    block, image = tl.program_id(0), tl.program_id(1)
    first = image.to(tl.int64) * pixels
    positive_weight, negative_weight = weights_of(counts, image)
    u0, u1, u2, u3 = draws(seed, image, block)
    start, end = first + block * 4 * QUARTER, first + pixels
    quarter_gradient(logits, labels, gradient, start, end, u0, positive_weight, negative_weight, linear)
    quarter_gradient(logits, labels, gradient, start + QUARTER, end, u1, positive_weight, negative_weight, linear)
    quarter_gradient(logits, labels, gradient, start + 2 * QUARTER, end, u2, positive_weight, negative_weight, linear)
    quarter_gradient(logits, labels, gradient, start + 3 * QUARTER, end, u3, positive_weight, negative_weight, linear)


def triton_peer(schedule, logits, labels):
    linear = schedule == "linear"
    images = logits.numel() // (logits.shape[-1] * logits.shape[-2])
    pixels = logits.shape[-1] * logits.shape[-2]
    grid = (triton.cdiv(pixels, BLOCK), images)
    # Counts and sums side by side, so that one call clears both.
    workspace = torch.empty(4 * images, dtype=torch.int32, device=logits.device)
    counts, sums = workspace[: 2 * images], workspace[2 * images :].view(torch.float32)
    loss = torch.empty((), device=logits.device)
    gradient = torch.empty_like(logits)

    def forward():
        workspace.zero_()
        forward_kernel[grid](logits, labels, counts, sums, pixels, 1, linear)
        finish_kernel[(1,)](counts, sums, loss, images)
        return loss

    def forward_backward():
        forward()
        backward_kernel[grid](logits, labels, gradient, counts, pixels, 1, linear)
        return loss, gradient

    return Peer("Triton by hand", schedule, forward, forward_backward)
