"""Random drop by hand in Triton: one launch in each direction.

The class weights are factored out of the sums, so the forward pass needs no count
beforehand; its last program computes weights and loss. Draws are made four at a time, and
again in the backward pass from the same seed. The fastest of several program sizes counts.
"""

import sys

import torch
import triton
import triton.language as tl

import gpu_peer_timing as timing
from gpu_peer_losses import Peer

LOG10_E = tl.constexpr(0.4342944819032518)
# Pixels of a block, warps of a program, and programs per multiprocessor, each of which takes
# several blocks; None for one block per program.
PLANS = (
    (1024, 4, None),
    (2048, 4, None),
    (4096, 4, None),
    (4096, 8, None),
    (1024, 4, 16),
    (2048, 4, 8),
    (4096, 8, 4),
    (8192, 8, 4),
)
SEED = 1


@triton.jit
def is_kept(x, softplus, draw, linear: tl.constexpr):
    drop = tl.sigmoid(-x) if linear else 1 - softplus * LOG10_E
    return draw >= drop


@triton.jit
def softplus_of(x):
    return tl.maximum(x, 0.0) + tl.log(1 + tl.exp(-tl.abs(x)))


@triton.jit
def draws(seed, image, block, blocks, QUARTER: tl.constexpr):
    """Returns four arrays, one for each quarter of the block."""
    return tl.rand4x(seed, (image * blocks + block) * QUARTER + tl.arange(0, QUARTER))


@triton.jit
def quarter_sums(logits, labels, start, end, draw, linear: tl.constexpr, QUARTER: tl.constexpr):
    index = start + tl.arange(0, QUARTER)
    inside = index < end
    x = tl.load(logits + index, inside, 0.0)
    positive = tl.load(labels + index, inside, 0) == 1
    softplus = softplus_of(x)
    kept = inside & (positive == 0) & is_kept(x, softplus, draw, linear)
    return (
        positive.to(tl.int32),
        kept.to(tl.int32),
        tl.where(positive, softplus - x, 0.0),
        tl.where(kept, softplus, 0.0),
    )


@triton.jit
def forward_kernel(
    logits, labels, counts, sums, weights, loss, pixels, blocks, seed, linear: tl.constexpr, QUARTER: tl.constexpr
):
    """Computes counts [image, 2] and sums [image, 2] of positives and of kept negatives, and a
    count of programs that have ended after the last image's: all 0 before and after."""
    image, images = tl.program_id(1), tl.num_programs(1)
    first = image.to(tl.int64) * pixels
    end = first + pixels
    positives, kept = tl.zeros([QUARTER], tl.int32), tl.zeros([QUARTER], tl.int32)
    positive_sum, kept_sum = tl.zeros([QUARTER], tl.float32), tl.zeros([QUARTER], tl.float32)
    for block in range(tl.program_id(0), blocks, tl.num_programs(0)):
        u0, u1, u2, u3 = draws(seed, image, block, blocks, QUARTER)
        start = first + block * 4 * QUARTER
        a0, b0, c0, d0 = quarter_sums(logits, labels, start, end, u0, linear, QUARTER)
        a1, b1, c1, d1 = quarter_sums(logits, labels, start + QUARTER, end, u1, linear, QUARTER)
        a2, b2, c2, d2 = quarter_sums(logits, labels, start + 2 * QUARTER, end, u2, linear, QUARTER)
        a3, b3, c3, d3 = quarter_sums(logits, labels, start + 3 * QUARTER, end, u3, linear, QUARTER)
        positives += a0 + a1 + a2 + a3
        kept += b0 + b1 + b2 + b3
        positive_sum += c0 + c1 + c2 + c3
        kept_sum += d0 + d1 + d2 + d3
    tl.atomic_add(counts + 2 * image, tl.sum(positives), sem="relaxed")
    tl.atomic_add(counts + 2 * image + 1, tl.sum(kept), sem="relaxed")
    tl.atomic_add(sums + 2 * image, tl.sum(positive_sum), sem="relaxed")
    tl.atomic_add(sums + 2 * image + 1, tl.sum(kept_sum), sem="relaxed")
    ended = tl.atomic_add(counts + 2 * images, 1, sem="acq_rel")
    if ended == tl.num_programs(0) * images - 1:
        finish(counts, sums, weights, loss, images)


@triton.jit
def finish(counts, sums, weights, loss, images):
    total = 0.0
    for image in range(images):
        # Atomic, to see the sums of other programs.
        positives = tl.atomic_add(counts + 2 * image, 0).to(tl.float32)
        kept = tl.atomic_add(counts + 2 * image + 1, 0).to(tl.float32)
        share = 1 / tl.maximum(positives + kept, 1.0)
        tl.store(weights + 2 * image, kept * share)
        tl.store(weights + 2 * image + 1, positives * share)
        total += kept * share * tl.atomic_add(sums + 2 * image, 0.0)
        total += positives * share * tl.atomic_add(sums + 2 * image + 1, 0.0)
        for kind in range(2):
            tl.store(counts + 2 * image + kind, 0)
            tl.store(sums + 2 * image + kind, 0.0)
    tl.store(counts + 2 * images, 0)
    tl.store(loss, total)


@triton.jit
def quarter_gradient(
    logits, labels, gradient, start, end, draw, wp, wn, linear: tl.constexpr, QUARTER: tl.constexpr
):
    """`wp` and `wn` are the weights of positives and of negatives."""
    index = start + tl.arange(0, QUARTER)
    inside = index < end
    x = tl.load(logits + index, inside, 0.0)
    positive = tl.load(labels + index, inside, 0) == 1
    kept = is_kept(x, softplus_of(x), draw, linear)
    p = tl.sigmoid(x)
    negative_part = tl.where(kept, wn * p, 0.0)
    value = tl.where(positive, wp * (p - 1), negative_part)
    # It is not read again here, and the inputs may be needed in the cache.
    tl.store(gradient + index, value, inside, cache_modifier=".cs")


@triton.jit
def backward_kernel(
    logits, labels, gradient, weights, pixels, blocks, seed, linear: tl.constexpr, QUARTER: tl.constexpr
):
    image = tl.program_id(1)
    first = image.to(tl.int64) * pixels
    end = first + pixels
    wp, wn = tl.load(weights + 2 * image), tl.load(weights + 2 * image + 1)
    for block in range(tl.program_id(0), blocks, tl.num_programs(0)):
        u0, u1, u2, u3 = draws(seed, image, block, blocks, QUARTER)
        start = first + block * 4 * QUARTER
        quarter_gradient(logits, labels, gradient, start, end, u0, wp, wn, linear, QUARTER)
        quarter_gradient(logits, labels, gradient, start + QUARTER, end, u1, wp, wn, linear, QUARTER)
        quarter_gradient(logits, labels, gradient, start + 2 * QUARTER, end, u2, wp, wn, linear, QUARTER)
        quarter_gradient(logits, labels, gradient, start + 3 * QUARTER, end, u3, wp, wn, linear, QUARTER)


def plan_of(schedule, logits, labels, block, warps, programs):
    """Returns the plan with `programs` per image, or one per block."""
    linear = schedule == "linear"
    pixels = logits.shape[-1] * logits.shape[-2]
    images, blocks = logits.numel() // pixels, triton.cdiv(pixels, block)
    grid = (min(blocks, programs or blocks), images)
    device = logits.device
    counts = torch.zeros(2 * images + 1, dtype=torch.int32, device=device)
    sums, weights = (torch.zeros(2 * images, device=device) for _ in range(2))
    loss, gradient = torch.empty((), device=device), torch.empty_like(logits)
    rest = (pixels, blocks, SEED, linear, block // 4)

    def forward():
        forward_kernel[grid](logits, labels, counts, sums, weights, loss, *rest, num_warps=warps)
        return loss

    def forward_backward():
        forward()
        backward_kernel[grid](logits, labels, gradient, weights, *rest, num_warps=warps)
        return loss, gradient

    return Peer("Triton by hand", schedule, forward, forward_backward)


def triton_plans(schedule, logits, labels, processors):
    images = logits.numel() // (logits.shape[-1] * logits.shape[-2])
    for block, warps, per_processor in PLANS:
        programs = per_processor and -(-processors * per_processor // images)
        yield plan_of(schedule, logits, labels, block, warps, programs)


def triton_peer(schedule, logits, labels):
    processors = torch.cuda.get_device_properties(logits.device).multi_processor_count
    return timing.fastest(list(triton_plans(schedule, logits, labels, processors)), logits, labels)


def compile_plans(architecture):
    """Compiles every plan, which needs no GPU."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    types = {"logits": "*fp32", "labels": "*u8", "gradient": "*fp32", "counts": "*i32", "sums": "*fp32"}
    types |= {"weights": "*fp32", "loss": "*fp32", "pixels": "i32", "blocks": "i32", "seed": "i32"}
    for kernel in (forward_kernel, backward_kernel):
        for linear in (True, False):
            for block, warps, _ in PLANS:
                constants = {"linear": linear, "QUARTER": block // 4}
                signature = {name: types.get(name, "constexpr") for name in kernel.arg_names}
                source = ASTSource(kernel, signature, constants)
                compile(source, target=GPUTarget("cuda", architecture, 32), options={"num_warps": warps})


if __name__ == "__main__":
    compile_plans(int(sys.argv[1]))
