"""Random drop as usually written with PyTorch, and the reference for every contestant.

Loss and schedules: Guo et al., "Random Drop Loss for Tiny Object Segmentation",
ICANN 2019, doi 10.1007/978-3-030-30508-6_18.
"""

import math

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

LOG10_E = 0.4342944819032518
# Standard deviations by which the number of dropped pixels may be off.
SIGMAS = 6
# Phases of a contestant, by the names of a peer's functions.
PHASES = ("forward", "forward_backward")


class Peer:
    """A contestant on one image: `forward()` returns the loss, `forward_backward()` the loss
    and its gradient with respect to the logits, both on the device and without waiting."""

    def __init__(self, name, schedule, forward, forward_backward):
        self.name, self.schedule = name, schedule
        self.forward, self.forward_backward = forward, forward_backward


def eager_function(schedule):
    """Loss of a batch of images, each with its own class weights."""

    def random_drop(logits, labels):
        entropy = softplus(logits)
        with torch.no_grad():
            positive = labels == 1
            drop = torch.sigmoid(-logits) if schedule == "linear" else 1 - entropy * LOG10_E
            kept = ~positive & (torch.rand_like(logits) >= drop)
            positives, negatives = (it.sum((-2, -1), keepdim=True) for it in (positive, kept))
            total = (positives + negatives).clamp(min=1)
            weight = torch.where(positive, negatives / total, kept * (positives / total))
        return (weight * (entropy - logits * positive)).sum()

    return random_drop


def autograd_peer(name, schedule, function, logits, labels):
    leaf = logits.detach().requires_grad_()

    def forward():
        with torch.no_grad():
            return function(leaf, labels)

    def forward_backward():
        loss = function(leaf, labels)
        return loss.detach(), torch.autograd.grad(loss, leaf)[0]

    return Peer(name, schedule, forward, forward_backward)


def torch_peers(schedule, logits, labels, compiled):
    eager = eager_function(schedule)
    peers = [autograd_peer("PyTorch eager", schedule, eager, logits, labels)]
    if compiled:
        function = tuned(eager)
        peers.append(autograd_peer("torch.compile", schedule, function, logits, labels))
    return peers


def tuned(function):
    """Compiles with all that PyTorch tries, except CUDA graphs: every contestant gets those."""
    return torch.compile(function, dynamic=False, fullgraph=True, mode="max-autotune-no-cudagraphs")


def plain_peers(logits, labels, compiled):
    """Peers of plain cross entropy, without random numbers and class weights. The eager one
    reads float labels, made beforehand; the compiled one those that all others read."""
    floats = labels.float()

    def with_floats(logits, _labels):
        return binary_cross_entropy_with_logits(logits, floats, reduction="sum")

    def bce(logits, labels):
        return binary_cross_entropy_with_logits(logits, labels.float(), reduction="sum")

    peers = [autograd_peer("PyTorch plain BCE", None, with_floats, logits, labels)]
    if compiled:
        peers.append(autograd_peer("torch.compile plain BCE", None, tuned(bce), logits, labels))
    return peers


def check(peer, logits, labels):
    """Raises ValueError if the peer's loss or gradient does not agree with its draws.

    The gradient shows the dropped pixels, so each peer may draw in its own way: their
    number must be as probable, and they determine loss and gradient in double precision.
    Results of an earlier call do not count: they are set to NaN before the call checked.
    """
    poison(*peer.forward_backward())
    loss, gradient = (it.double() for it in peer.forward_backward())
    x, positive = logits.double(), labels == 1
    kept = ~positive & (gradient != 0) if peer.schedule else ~positive
    if peer.schedule:
        check_drops(peer, x, positive, kept)
        positives, negatives = (it.sum((-2, -1), keepdim=True).double() for it in (positive, kept))
        total = (positives + negatives).clamp(min=1)
        weight = torch.where(positive, negatives / total, kept * (positives / total))
    else:
        weight = torch.ones_like(x)
    expected = (weight * (softplus(x, threshold=1e3) - x * positive)).sum()
    near(peer, "loss", loss, expected, 1e-4 * expected)
    near(peer, "gradient", gradient, weight * (torch.sigmoid(x) - positive.double()), 1e-4 * weight.max())
    # Forward alone draws anew, so its tolerance depends on the number of draws.
    tolerance = min(0.1, 1.5 * SIGMAS / float(kept.sum().clamp(min=1)) ** 0.5) if peer.schedule else 1e-4
    poison(peer.forward())
    near(peer, "loss of forward alone", peer.forward().double(), expected, tolerance * expected)


def poison(*results):
    for result in results:
        result.fill_(math.nan)


def check_drops(peer, x, positive, kept):
    """Checks ranges of logits separately, so that no two errors cancel."""
    probability = torch.sigmoid(-x) if peer.schedule == "linear" else (1 - softplus(x) * LOG10_E).clamp(0, 1)
    for low, high in ((-100, -6), (-6, -4), (-4, -2), (-2, 100)):
        inside = ~positive & (x >= low) & (x < high)
        expected = (1 - probability)[inside].sum()
        deviation = (probability * (1 - probability))[inside].sum().sqrt()
        found = (kept & inside).sum()
        near(peer, f"number of kept pixels of logits {low} to {high}", found, expected, SIGMAS * deviation + 1)


def near(peer, what, found, expected, tolerance):
    difference = (found - expected).abs().max().item()
    if not difference <= float(tolerance):
        raise ValueError(
            f"{peer.name} ({peer.schedule or 'bce'}): {what} is off by {difference:.3g}, {float(tolerance):.3g} may be"
        )
