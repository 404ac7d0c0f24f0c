#!/usr/bin/env python3
"""Compares lossc with other ways to compute these losses, in one process.

    python benches/peers.py [--rounds N] [--sizes 1440x960,4288x2848] [--output benches]

It builds lossc with cargo and needs NumPy. PyTorch, JAX and Numba are compared if
installed, and skipped with a message otherwise. The picture needs matplotlib.
It writes RESULTS.md and RESULTS.png to the output folder.

Everything runs on two threads and on the same logits and labels. Each contestant is
checked against double precision first. In every round each of them is called
for a twentieth of a second, and the next call is timed; the figures are medians over
the rounds.
"""

import os

THREADS = 2
# Before any of the libraries starts its threads.
os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:THREADS]))
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = str(THREADS)
os.environ["LOSSC_CACHE"] = "off"

import argparse
import gc
import json
import random
import statistics
import subprocess
import time
from pathlib import Path

import numpy

import peer_check
import peer_losses
import peer_report
from peer_lossc import Lossc, cargo_build

ROOT = Path(__file__).resolve().parent.parent
SCHEDULES = ("linear", "log")
PHASES = ("forward", "forward_backward")
# Rounds for an image of 1440x960; larger ones get fewer, but not fewer than 5.
ROUNDS = 21
FEWEST_ROUNDS = 5
# Seconds of untimed calls at the start of each turn: threads of the previous contestant
# may still spin, and its own may be asleep.
WARM_UP = 0.05
# Sizes of `lossc bench`, to show the fixed cost of a call and the growth of cost.
OWN_SIZES = (1 << 10, 1 << 20, 1 << 24)


def main():
    arguments = parse_arguments()
    lossc_binary, library = cargo_build(ROOT)
    results, versions, skipped = {}, {"numpy": numpy.__version__}, []
    for height, width in arguments.sizes:
        contestants = prepare(height, width, lossc_binary, library, versions, skipped)
        rounds = max(min(FEWEST_ROUNDS, arguments.rounds), arguments.rounds * 960 * 1440 // (height * width))
        print(f"{width}x{height}: {rounds} rounds of {len(contestants)} contestants", flush=True)
        results[height, width] = measure(contestants, rounds, height * width)
    print("lossc alone", flush=True)
    own = run_lossc_bench(lossc_binary, arguments.own_sizes)
    report = peer_report.Report(results, own, versions, skipped, THREADS)
    report.write(arguments.output)
    print(peer_report.Path(arguments.output, "RESULTS.md").read_text())


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds for 1440x960")
    parser.add_argument("--sizes", type=sizes, default="1440x960,4288x2848", help="widths x heights")
    parser.add_argument("--own-sizes", type=counts, default=OWN_SIZES, help="pixels for `lossc bench`")
    parser.add_argument("--output", type=Path, default=ROOT / "benches")
    return parser.parse_args()


def sizes(text):
    return [tuple(map(int, size.split("x")))[::-1] for size in text.split(",")]


def counts(text):
    return tuple(map(int, text.split(",")))


def prepare(height, width, lossc_binary, library, versions, skipped):
    """Returns all contestants on one image, checked and warm."""
    logits, labels = image(height, width)
    uniforms = peer_check.uniforms(seed=1, count=logits.size).reshape(logits.shape)
    contestants = []
    for schedule in SCHEDULES:
        lossc = Lossc(lossc_binary, library, schedule, THREADS, logits, labels)
        peers = [lossc, *peer_losses.random_drop_peers(logits, labels, schedule, THREADS, versions, skipped)]
        reference = peer_check.random_drop(logits, labels, uniforms, schedule)
        for peer in peers:
            peer_check.check(peer, uniforms, reference)
        contestants += peers
    plain = peer_losses.plain_peers(logits, labels, THREADS, versions, skipped)
    for peer in plain:
        peer_check.check(peer, uniforms, peer_check.PLAIN[peer.loss](logits, labels))
    return contestants + plain


def image(height, width):
    """Returns logits around -4 with a deviation of 2, and labels, a thousandth positive, in discs."""
    generator = numpy.random.default_rng(1)
    logits = generator.normal(-4, 2, (height, width)).astype(numpy.float32)
    labels = numpy.zeros((height, width), numpy.uint8)
    rows, columns = numpy.ogrid[:height, :width]
    while labels.sum(dtype=int) * 1000 < labels.size:
        y, x, radius = generator.integers(height), generator.integers(width), generator.integers(2, 7)
        near = (slice(max(y - 7, 0), y + 8), slice(max(x - 7, 0), x + 8))
        disc = (rows[near[0]] - y) ** 2 + (columns[:, near[1]] - x) ** 2 <= radius**2
        labels[near] |= disc.astype(numpy.uint8)
    return logits, labels


def measure(contestants, rounds, pixels):
    """Returns median nanoseconds per pixel by (name, schedule, phase). All take turns."""
    times = {(peer.name, peer.schedule, phase): [] for peer in contestants for phase in PHASES}
    order = random.Random(1)
    gc.disable()
    for _ in range(rounds):
        # Each round has its own order: what a contestant leaves running or in the caches
        # affects the next, however long that warms up.
        for peer in order.sample(contestants, len(contestants)):
            for phase in PHASES:
                call = getattr(peer, phase)
                warm_up(call)
                start = time.perf_counter_ns()
                call()
                elapsed = time.perf_counter_ns() - start
                times[peer.name, peer.schedule, phase].append(elapsed / pixels)
        gc.collect()
    gc.enable()
    return {key: statistics.median(values) for key, values in times.items()}


def warm_up(call):
    end = time.perf_counter() + WARM_UP
    call()
    while time.perf_counter() < end:
        call()


def run_lossc_bench(binary, pixel_counts):
    command = [binary, "bench", "random-drop", "--set", "schedule=log", "--threads", f"1,{THREADS}", "--json"]
    command += ["--pixels", ",".join(map(str, pixel_counts))]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


if __name__ == "__main__":
    main()
