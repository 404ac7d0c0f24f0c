#!/usr/bin/env python3
"""Compares lossc with other ways to compute these losses on one GPU, in one process.

    python gpu_peers.py [--bundles FOLDER] [--interface FILE] [--json FILE] [--markdown FILE] [--warm]
    python gpu_peers.py --self-test

It needs PyTorch and Triton, and the folder that `cargo xtask gpu-bundle` packs, which
contains it too. All contestants work on the same logits and labels in device memory. Each is
checked in double precision first, as called and as a CUDA graph. One that is wrong or
unavailable is left out with a message; if that is lossc, the exit code is 1. lossc has two
rows: `reproducible` computes the bits of a processor, `fast` is near them. Times are medians
between device events, of replayed graphs that take turns in random order. Before a call the
caches of the device hold none of the inputs, or with `--warm` what the call before left
there. If a contestant has several plans, the fastest counts.

GB/s count the fewest bytes that a phase can move, whatever a contestant moves: forward
reads 5 bytes per pixel, and with backward writes 4 more. The bound is a copy within the
device's memory that moves as many, half of them read and half written.

`--self-test` needs no GPU: it checks the formulas on the processor, Triton's in its
interpreter and CUDA's as C++, and compiles both for GPUs.
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

if "--self-test" in sys.argv:
    os.environ["TRITON_INTERPRET"] = "1"

import torch

import gpu_peer_losses as losses
import gpu_peer_timing as timing

HERE = Path(__file__).resolve().parent
SHAPES = ((512, 512), (1440, 960), (4288, 2848), (16, 1024, 1024))
SCHEDULES = ("linear", "log")
# lossc's rows, and the suffixes of their bundles' names.
LOSSC = {"lossc reproducible": "", "lossc fast": ".fast"}
# The fewest bytes per pixel.
BYTES = {"forward": 5, "forward_backward": 9}
COPY = "copy"
ROUNDS = 100


def main():
    arguments = parse_arguments()
    if arguments.self_test:
        return self_test()
    if not torch.cuda.is_available():
        print("no GPU to compare on: PyTorch finds none")
        return 2
    rows = [row for shape in SHAPES for row in measure_shape(shape, arguments)]
    found = {"machine": machine(arguments), "rows": rows}
    print(markdown(**found))
    if arguments.markdown:
        arguments.markdown.write_text(markdown(**found))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    expected = len(SHAPES) * len(BYTES) * (len(SCHEDULES) + 1) * len(LOSSC)
    return 0 if sum(row["name"] in LOSSC for row in rows) == expected else 1


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bundles", type=Path, default=HERE / "losses")
    parser.add_argument("--interface", type=Path, default=HERE / "libc_interface.so")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--warm", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    return parser.parse_args()


def machine(arguments):
    """Describes the machine, without which figures are worthless."""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    driver = subprocess.run(query, stdout=subprocess.PIPE, text=True).stdout.split("\n")[0]
    name = torch.cuda.get_device_properties(0).name
    caches = "warm" if arguments.warm else "cold"
    versions = {"torch": torch.__version__, "cuda": torch.version.cuda}
    return {"device": name, "driver": driver, **versions, "caches": caches, "rounds": arguments.rounds}


def markdown(machine, rows):
    title = "# lossc and its peers on a GPU\n\nMade by `gpu_peers.py`, which says what is measured and how.\n"
    return "\n".join([title, "; ".join(f"{key} {value}" for key, value in machine.items()) + "\n", table(rows), ""])


def image(shape, device):
    """Returns logits around -4 with a deviation of 2, and labels of which one in 1,000 is
    positive, in squares."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(shape, generator=generator) * 2 - 4
    labels = torch.zeros(shape, dtype=torch.uint8)
    labels[..., 100:108, 100:108] = 1
    rows, columns = (torch.randint(0, size - 8, (max(logits.numel() // 64_000, 1),), generator=generator)
                     for size in shape[-2:])
    for row, column in zip(rows.tolist(), columns.tolist()):
        labels[..., row : row + 8, column : column + 8] = 1
    return logits.to(device), labels.to(device)


class Lossc:
    """A bundle, called through `runtime/examples/c_interface/cuda.rs`."""

    def __init__(self, interface, bundle):
        self.interface = ctypes.CDLL(str(interface))
        pointer, size, address = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64
        call = [pointer, ctypes.POINTER(address), ctypes.POINTER(size), size, address, size, ctypes.POINTER(address)]
        for name, result, arguments in (
            ("lossc_cuda_load", pointer, [ctypes.c_char_p, size]),
            ("lossc_cuda_forward", ctypes.c_bool, call),
            ("lossc_cuda_forward_backward", ctypes.c_bool, [*call, address]),
            ("lossc_error", ctypes.c_char_p, []),
        ):
            function = getattr(self.interface, name)
            function.restype, function.argtypes = result, arguments
        self.handle = self.interface.lossc_cuda_load(str(bundle).encode(), torch.cuda.current_device())
        if not self.handle:
            raise RuntimeError(self.interface.lossc_error().decode())

    def peer(self, row, schedule, logits, labels):
        gradient, result = torch.empty_like(logits), ctypes.c_uint64()
        pixels = (ctypes.c_uint64 * 2)(logits.data_ptr(), labels.data_ptr())
        shape = (ctypes.c_size_t * logits.dim())(*logits.shape)

        def call(function, *more):
            stream = torch.cuda.current_stream().cuda_stream
            if not function(self.handle, pixels, shape, len(shape), 1, stream, ctypes.byref(result), *more):
                raise RuntimeError(self.interface.lossc_error().decode())
            return DeviceScalar(result.value)

        return losses.Peer(
            row,
            schedule,
            lambda: call(self.interface.lossc_cuda_forward),
            lambda: (call(self.interface.lossc_cuda_forward_backward, gradient.data_ptr()), gradient),
        )


class DeviceScalar:
    """An f32 in device memory that lossc owns until its next call."""

    def __init__(self, address):
        # PyTorch rejects memory that is marked read-only.
        self.__cuda_array_interface__ = {"shape": (1,), "typestr": "<f4", "data": (address, False), "version": 3}

    def double(self):
        return torch.as_tensor(self, device="cuda").double()[0]

    def fill_(self, value):
        torch.as_tensor(self, device="cuda").fill_(value)


def makers(schedule, logits, labels, arguments):
    """Returns functions, each of which makes contestants."""
    major, minor = torch.cuda.get_device_capability()
    target = max((it for it in (80, 90) if it <= 10 * major + minor), default=80)
    name = "bce" if schedule is None else f"random-drop-schedule-{schedule}"

    def lossc(row, ending):
        bundle = arguments.bundles / f"{name}.f32.sm_{target}{ending}.lossc"

        def peers():
            # One for each direction, since a graph holds the results of its call.
            forward, both = (Lossc(arguments.interface, bundle).peer(row, schedule, logits, labels) for _ in range(2))
            return [losses.Peer(row, schedule, forward.forward, both.forward_backward)]

        return peers

    ours = {row: lossc(row, ending) for row, ending in LOSSC.items()}
    if schedule is None:
        return {**ours, "PyTorch": lambda: losses.plain_peers(logits, labels, compiled=True)}
    return {
        **ours,
        "PyTorch": lambda: losses.torch_peers(schedule, logits, labels, compiled=True),
        "Triton": lambda: [hand_written_triton()(schedule, logits, labels)],
        "CUDA": lambda: [hand_written_cuda()(schedule, logits, labels)],
    }


def hand_written_triton():
    from gpu_peer_triton import triton_peer

    return triton_peer


def hand_written_cuda():
    from gpu_peer_cuda import cuda_peer

    return cuda_peer


def contestants(logits, labels, arguments):
    """Returns all contestants that work and are right, and whether they are graphs."""
    found = []
    for schedule in (*SCHEDULES, None):
        for name, make in makers(schedule, logits, labels, arguments).items():
            try:
                found += [checked(peer, logits, labels) for peer in make()]
            except Exception as error:
                # The others can still be compared.
                print(f"left out: {name} ({schedule or 'bce'}): {error}", file=sys.stderr)
    return found


def measure_shape(shape, arguments):
    logits, labels = image(shape, "cuda")
    # Code compiled for another shape affects what is compiled now.
    torch.compiler.reset()
    peers = contestants(logits, labels, arguments)
    work = {(COPY, None, phase): copy(bytes_ * logits.numel()) for phase, bytes_ in BYTES.items()}
    for peer, _ in peers:
        work.update({(peer.name, peer.schedule, phase): getattr(peer, phase) for phase in losses.PHASES})
    is_graph = {(peer.name, peer.schedule): is_graph for peer, is_graph in peers}
    times = timing.medians(work, arguments.rounds, timing.Pause(arguments.warm))
    for (name, schedule, phase), seconds in times.items():
        yield {
            "name": name,
            "loss": "" if name == COPY else f"random-drop {schedule}" if schedule else "bce",
            "phase": phase,
            "shape": list(shape),
            "graph": is_graph.get((name, schedule), True),
            "microseconds": seconds * 1e6,
            "gb_per_s": BYTES[phase] * logits.numel() / seconds / 1e9,
            "ratio_to_copy": times[COPY, None, phase] / seconds,
        }


def checked(peer, logits, labels):
    """Returns the peer as a graph, if it can be one, and whether it is. Checks both forms."""
    losses.check(peer, logits, labels)
    graphs, failure = timing.captured(peer)
    if failure:
        print(f"not as a graph: {peer.name} ({peer.schedule or 'bce'}): {failure}", file=sys.stderr)
    losses.check(graphs, logits, labels)
    return graphs, failure is None


def copy(moved):
    """Returns a copy that moves so many bytes, as a graph."""
    source, target = (torch.zeros(moved // 2, dtype=torch.uint8, device="cuda") for _ in range(2))
    return timing.graph_of(lambda: target.copy_(source))


def table(rows):
    lines = ["| shape | loss | phase | | µs | GB/s | of copy |", "|---|---|---|---|--:|--:|--:|"]
    for row in sorted(rows, key=lambda row: (row["shape"], row["loss"], row["phase"], row["microseconds"])):
        lines.append(
            f"| {'×'.join(map(str, row['shape']))} | {row['loss']} | {row['phase'].replace('_', '+')} "
            f"| {row['name']}{'' if row['graph'] else ' (no graph)'} "
            f"| {row['microseconds']:.1f} | {row['gb_per_s']:.0f} | {row['ratio_to_copy']:.2f} |"
        )
    return "\n".join(lines)


def self_test():
    """Checks what needs no GPU, and reports it."""
    from gpu_peer_cuda import host_plans
    from gpu_peer_triton import triton_plans

    logits, labels = image((2, 160, 200), "cpu")
    # Each GPU thread is a thread of the processor, which can run only few at the same time.
    few = image((2, 110, 112), "cpu")
    for schedule in SCHEDULES:
        check_plans(losses.torch_peers(schedule, logits, labels, compiled=False), logits, labels)
        check_plans(list(triton_plans(schedule, logits, labels, processors=2)), logits, labels)
        with tempfile.TemporaryDirectory() as folder:
            check_plans(host_plans(schedule, *few, folder), *few)
    for peer in losses.plain_peers(logits, labels, compiled=False):
        losses.check(peer, logits, labels)
        print(f"ok: {peer.name}")
    for architecture in (80, 90):
        compile_triton(architecture)
        compile_cuda(architecture)
        print(f"ok: Triton and CUDA by hand compile for sm_{architecture}; there they were not run")
    return 0


def check_plans(plans, logits, labels):
    """Checks plans by four calls: each must leave the state that the next one starts from."""
    for peer in plans:
        losses.check(peer, logits, labels)
    refuses_a_wrong_one(plans[0], logits, labels)
    print(f"ok: {plans[0].name} ({plans[0].schedule}), plans: {len(plans)}")


def compile_triton(architecture):
    """Compiles in a process of its own, since Triton is interpreted in this one."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, HERE / "gpu_peer_triton.py", str(architecture)]
    subprocess.run(command, env=environment, check=True)


def compile_cuda(architecture):
    from gpu_peer_cuda import KERNELS, compile_code

    _, log = compile_code(f"sm_{architecture}", "--ptxas-options=-v")
    kernels, unspilt = log.count("Compiling entry function"), log.count(" 0 bytes spill stores")
    if not kernels == unspilt == KERNELS:
        raise RuntimeError(f"{kernels} kernels for sm_{architecture}, {unspilt} of them without spills:\n{log}")


def refuses_a_wrong_one(peer, logits, labels):
    """Checks that the reference notices a wrong loss, a wrong gradient, and too few draws."""

    def off(loss_factor, gradient_factor, kept):
        loss, gradient = peer.forward_backward()
        return loss * loss_factor, gradient * gradient_factor * kept

    thinned = torch.where((labels == 1) | (torch.rand(logits.shape) < 0.8), 1.0, 0.0)
    for wrong in ((1.01, 1, 1), (1, 1.01, 1), (1, 1, thinned)):
        other = losses.Peer(peer.name, peer.schedule, peer.forward, lambda wrong=wrong: off(*wrong))
        try:
            losses.check(other, logits, labels)
        except ValueError:
            continue
        raise RuntimeError(f"a wrong {peer.name} passes the check")


if __name__ == "__main__":
    sys.exit(main())
