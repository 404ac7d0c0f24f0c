"""Device times of contestants, measured in the same way for all.

Each is captured as a CUDA graph and replayed: the host launches one thing for it, and its
language costs nothing. One that cannot be captured is called, and its row says so.
Before each call the device reads a buffer four times as large as its second-level cache.
All contestants then read inputs from memory, even those that would fit into the cache, and
the host has queued the call by the time the device gets to it. With `warm` it only waits.
"""

import random
import statistics

import torch

import gpu_peer_losses as losses

WARM_UP = 10
# Rounds that choose the fastest of a contestant's candidates.
TRIAL_ROUNDS = 20
# Clocks that the device waits if it need not read: some 100 microseconds.
WAIT = 200_000


def captured(peer):
    """Returns the peer as graphs of its calls, and None; or itself, and why capture failed."""
    try:
        forward, forward_backward = graph_of(peer.forward), graph_of(peer.forward_backward)
    except Exception as error:
        return peer, str(error)
    return losses.Peer(peer.name, peer.schedule, forward, forward_backward), None


def graph_of(call):
    """Returns a function that replays the graph of `call` and returns its result."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        result = call()

    # The values that the call uses must live as long as the graph.
    def replay(_call=call):
        graph.replay()
        return result

    for _ in range(2):
        replay()
        torch.cuda.synchronize()
    return replay


class Pause:
    """Work of the device between calls."""

    def __init__(self, warm):
        self.warm = warm
        if not warm:
            bytes_of_cache = torch.cuda.get_device_properties(0).L2_cache_size
            self.buffer = torch.zeros(bytes_of_cache, dtype=torch.int32, device="cuda")
            self.total = torch.zeros((), dtype=torch.int64, device="cuda")

    def __call__(self):
        if self.warm:
            torch.cuda._sleep(WAIT)
        else:
            torch.sum(self.buffer, 0, out=self.total)


def medians(work, rounds, pause):
    """Median seconds by key. Each round calls all, in an order of its own."""
    events, order = {key: [] for key in work}, random.Random(1)
    keys = list(work)
    for round_ in range(rounds + WARM_UP):
        order.shuffle(keys)
        for key in keys:
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            pause()
            start.record()
            work[key]()
            end.record()
            if round_ >= WARM_UP:
                events[key].append((start, end))
        torch.cuda.synchronize()
    return {
        key: statistics.median(start.elapsed_time(end) for start, end in pairs) / 1e3 for key, pairs in events.items()
    }


def fastest(plans, logits, labels):
    """Returns the fastest of one contestant's plans in each direction. All must be right."""
    graphs = []
    for plan in plans:
        losses.check(plan, logits, labels)
        graphs.append(captured(plan)[0])
    work = {(index, phase): getattr(it, phase) for index, it in enumerate(graphs) for phase in losses.PHASES}
    times = medians(work, TRIAL_ROUNDS, Pause(warm=False))
    best = {phase: plans[min(range(len(plans)), key=lambda it: times[it, phase])] for phase in losses.PHASES}
    return losses.Peer(
        plans[0].name, plans[0].schedule, best["forward"].forward, best["forward_backward"].forward_backward
    )
