"""The losses as usually written with other libraries.

Each is given the image once and has `forward`, `forward_backward` and, for the check,
`with_uniforms`. Random numbers are each library's own.
"""

import importlib
import sys

import numpy

from peer_check import LOG10_E, NEGATIVES_PER_POSITIVE


def random_drop_peers(logits, labels, schedule, threads, versions, skipped):
    makers = {"torch": torch_random_drop, "jax": jax_random_drop, "numba": numba_random_drop}
    peers = [NumpyRandomDrop(logits, labels, schedule)]
    return peers + made(makers, (logits, labels, schedule, threads), versions, skipped)


def plain_peers(logits, labels, threads, versions, skipped):
    return made({"torch": torch_plain}, (logits, labels, threads), versions, skipped)


def made(makers, arguments, versions, skipped):
    """Returns the peers of each maker whose library is installed."""
    peers = []
    for name, make in makers.items():
        try:
            versions[name] = importlib.import_module(name).__version__
        except ImportError as error:
            if name not in skipped:
                print(f"skipped: {name} is not installed ({error})", file=sys.stderr)
                skipped.append(name)
            continue
        peers += make(*arguments)
    return peers


class Peer:
    """A contestant made of functions without arguments."""

    def __init__(self, name, loss, schedule, forward, forward_backward, with_uniforms):
        self.name, self.loss, self.schedule = name, loss, schedule
        self.forward, self.forward_backward, self.with_uniforms = forward, forward_backward, with_uniforms


# PyTorch


def torch_functions(schedule):
    import torch
    from torch.nn.functional import softplus

    def random_drop(logits, labels, uniforms=None):
        entropy = softplus(logits)
        with torch.no_grad():
            positive = labels == 1
            draws = torch.rand_like(logits) if uniforms is None else uniforms
            drop = torch.sigmoid(-logits) if schedule == "linear" else 1 - entropy * LOG10_E
            kept = ~positive & (draws >= drop)
            positives, negatives = torch.count_nonzero(positive), torch.count_nonzero(kept)
            total = (positives + negatives).clamp(min=1)
            weight = torch.where(positive, negatives / total, kept * (positives / total))
        return (weight * (entropy - logits * positive)).sum()

    return random_drop


def torch_random_drop(logits, labels, schedule, threads):
    import torch

    torch.set_num_threads(threads)
    eager = torch_functions(schedule)
    compiled = torch.compile(eager, dynamic=False, fullgraph=True)
    return [
        torch_peer("PyTorch eager", "random-drop", schedule, eager, eager, logits, labels),
        torch_peer("torch.compile", "random-drop", schedule, compiled, eager, logits, labels),
    ]


def torch_peer(name, loss, schedule, function, checked, logits, labels):
    """`checked` takes uniform numbers too; compiled code is checked by its source."""
    import torch

    labels, leaf = torch.from_numpy(labels), torch.from_numpy(logits).requires_grad_()

    def forward():
        with torch.no_grad():
            return function(leaf, labels)

    def gradient_of(loss):
        return loss.detach(), torch.autograd.grad(loss, leaf)[0]

    def with_uniforms(uniforms):
        value, gradient = gradient_of(checked(leaf, labels, torch.from_numpy(uniforms)))
        return value.item(), gradient.numpy()

    return Peer(name, loss, schedule, forward, lambda: gradient_of(function(leaf, labels)), with_uniforms)


def torch_plain(logits, labels, threads):
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    torch.set_num_threads(threads)

    def bce(logits, labels, _uniforms=None):
        return binary_cross_entropy_with_logits(logits, labels.float(), reduction="sum")

    def top_k(logits, labels, _uniforms=None):
        positive = labels == 1
        entropy = binary_cross_entropy_with_logits(logits, positive.float(), reduction="none")
        negatives = entropy.masked_fill(positive, -torch.inf).flatten()
        hardest = torch.topk(negatives, NEGATIVES_PER_POSITIVE * int(positive.sum()), sorted=False).values
        return hardest.sum() + entropy[positive].sum()

    floats = labels.astype(numpy.float32)
    return [
        torch_peer("torch.topk BCE", "top-k bce", None, top_k, top_k, logits, labels),
        torch_peer("PyTorch plain BCE", "bce", None, bce, bce, logits, labels),
        torch_peer("PyTorch plain BCE, f32 labels", "bce", None, bce, bce, logits, floats),
    ]


# JAX


def jax_random_drop(logits, labels, schedule, _threads):
    import jax
    import jax.numpy as jnp

    def weighted(logits, labels, draws):
        positive = labels == 1
        softplus = jax.nn.softplus(logits)
        drop = jax.nn.sigmoid(-logits) if schedule == "linear" else 1 - softplus * LOG10_E
        kept = ~positive & (draws >= jax.lax.stop_gradient(drop))
        positives, negatives = positive.sum(), kept.sum()
        total = jnp.maximum(positives + negatives, 1)
        weight = jnp.where(positive, negatives / total, kept * (positives / total))
        return (weight * (softplus - logits * positive)).sum()

    def drawn(logits, labels, key):
        return weighted(logits, labels, jax.random.uniform(key, logits.shape, jnp.float32))

    image = jnp.asarray(logits), jnp.asarray(labels)
    key = jax.random.key(1)
    forward, step, given = (
        jax.jit(drawn),
        jax.jit(jax.value_and_grad(drawn)),
        jax.jit(jax.value_and_grad(weighted)),
    )

    def with_uniforms(uniforms):
        value, gradient = given(*image, jnp.asarray(uniforms))
        return value.item(), numpy.asarray(gradient)

    return [
        Peer(
            "JAX jit",
            "random-drop",
            schedule,
            lambda: jax.block_until_ready(forward(*image, key)),
            lambda: jax.block_until_ready(step(*image, key)),
            with_uniforms,
        )
    ]


# NumPy


class NumpyRandomDrop:
    """Works on whole arrays, one operation after the other; the gradient is by hand."""

    name = "NumPy"
    loss = "random-drop"

    def __init__(self, logits, labels, schedule):
        self.logits, self.labels, self.schedule = logits, labels, schedule
        self.generator = numpy.random.Generator(numpy.random.SFC64(1))

    def parts(self, draws):
        x, positive = self.logits, self.labels == 1
        e = numpy.exp(-numpy.abs(x))
        softplus = numpy.maximum(x, 0) + numpy.log1p(e)
        p = numpy.where(x >= 0, 1, e) / (1 + e)
        drop = 1 - p if self.schedule == "linear" else 1 - softplus * numpy.float32(LOG10_E)
        kept = ~positive & (draws >= drop)
        positives, negatives = numpy.count_nonzero(positive), numpy.count_nonzero(kept)
        total = max(positives + negatives, 1)
        weight = numpy.where(
            positive, numpy.float32(negatives / total), kept * numpy.float32(positives / total)
        )
        return (weight * (softplus - x * positive)).sum(), weight, p, positive

    def draws(self):
        return self.generator.random(self.logits.shape, numpy.float32)

    def forward(self):
        return self.parts(self.draws())[0]

    def forward_backward(self):
        return self.with_uniforms(self.draws())

    def with_uniforms(self, draws):
        loss, weight, p, positive = self.parts(draws)
        return loss, weight * (p - positive)


# Numba


def numba_random_drop(logits, labels, schedule, threads):
    from numba import njit, prange, set_num_threads

    set_num_threads(threads)
    linear = schedule == "linear"

    @njit(parallel=True, fastmath=True)
    def sums(logits, labels, uniforms, kept):
        """Computes the sums of both classes and the kept negatives, in one pass."""
        positives, negatives, positive_sum, negative_sum = 0, 0, 0.0, 0.0
        for row in prange(logits.shape[0]):
            for column in range(logits.shape[1]):
                x = logits[row, column]
                e = numpy.exp(-abs(x))
                softplus = max(x, numpy.float32(0)) + numpy.log1p(e)
                if labels[row, column] == 1:
                    positives += 1
                    positive_sum += softplus - x
                    continue
                u = numpy.random.random() if uniforms is None else uniforms[row, column]
                if linear:
                    keep = u * (1 + e) >= (e if x > 0 else numpy.float32(1))
                else:
                    keep = u >= 1 - softplus * numpy.float32(LOG10_E)
                kept[row, column] = keep
                negatives += keep
                negative_sum += softplus if keep else numpy.float32(0)
        return positives, negatives, positive_sum, negative_sum

    @njit(parallel=True, fastmath=True)
    def gradients(logits, labels, kept, positive_weight, negative_weight, gradient):
        for row in prange(logits.shape[0]):
            for column in range(logits.shape[1]):
                x = logits[row, column]
                p = 1 / (1 + numpy.exp(-x))
                if labels[row, column] == 1:
                    gradient[row, column] = positive_weight * (p - 1)
                else:
                    gradient[row, column] = negative_weight * p if kept[row, column] else numpy.float32(0)

    kept, gradient = numpy.empty(logits.shape, numpy.bool_), numpy.empty_like(logits)

    def forward(uniforms=None):
        positives, negatives, positive_sum, negative_sum = sums(logits, labels, uniforms, kept)
        total = max(positives + negatives, 1)
        weights = negatives / total, positives / total
        return weights[0] * positive_sum + weights[1] * negative_sum, weights

    def step(uniforms=None):
        loss, weights = forward(uniforms)
        gradients(logits, labels, kept, *map(numpy.float32, weights), gradient)
        return loss, gradient

    return [Peer("Numba", "random-drop", schedule, lambda: forward()[0], step, step)]
