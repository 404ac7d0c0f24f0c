#!/usr/bin/env python3
"""Compares lossc with what else computes these losses on one GPU, in one process.

    python gpu_peers.py [--bundles FOLDER] [--library FILE] [--json FILE] [--markdown FILE]
    python gpu_peers.py --self-test

It needs PyTorch and Triton, and the folder that `cargo xtask gpu-bundle` packs, in which
it lies too. All contestants work on the same logits and labels in device memory. Each is
checked in double precision first; one that is wrong, or cannot be had, is left out with a
word, and where that is lossc the exit code is 1. lossc has two rows: `reproducible` gives
the bits of a processor, `fast` is near them. Times are medians between device events, of
calls that take turns.

GB/s count the fewest bytes that a phase can move, whatever a contestant moves: forward
reads 5 bytes a pixel, and with backward writes 4 more. The copy within the device's
memory, 4 bytes read and 4 written, is what can be reached.

`--self-test` needs no GPU: it checks the formulas on the processor, Triton's in its
interpreter, and compiles the CUDA kernels.
"""

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

if "--self-test" in sys.argv:
    os.environ["TRITON_INTERPRET"] = "1"

import torch

import gpu_peer_losses as losses

HERE = Path(__file__).resolve().parent
SHAPES = ((512, 512), (1440, 960), (4288, 2848), (16, 1024, 1024))
SCHEDULES = ("linear", "log")
# Its rows, and what ends the names of their bundles.
LOSSC = {"lossc reproducible": "", "lossc fast": ".fast"}
# The fewest bytes a pixel.
BYTES = {"forward": 5, "forward_backward": 9}
ROUNDS = 100


def main():
    arguments = parse_arguments()
    if arguments.self_test:
        return self_test()
    if not torch.cuda.is_available():
        print("no GPU to compare on: PyTorch finds none")
        return 2
    rows = [row for shape in SHAPES for row in measure_shape(shape, arguments)]
    found = {"machine": machine(), "rows": rows}
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
    parser.add_argument("--library", type=Path, default=HERE / "libc_interface.so")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--self-test", action="store_true")
    return parser.parse_args()


def machine():
    """What figures are worth nothing without."""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    driver = subprocess.run(query, stdout=subprocess.PIPE, text=True).stdout.split("\n")[0]
    name = torch.cuda.get_device_properties(0).name
    return {"device": name, "driver": driver, "torch": torch.__version__, "cuda": torch.version.cuda}


def markdown(machine, rows):
    title = "# lossc and its peers on a GPU\n\nMade by `gpu_peers.py`, which says what is measured and how.\n"
    return "\n".join([title, "; ".join(f"{key} {value}" for key, value in machine.items()) + "\n", table(rows), ""])


def image(shape, device):
    """Logits around -4 with a deviation of 2; of the labels 1 of 1,000 is positive, in
    squares."""
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

    def __init__(self, library, bundle):
        self.interface = ctypes.CDLL(str(library))
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
        # PyTorch takes no memory that is called read-only.
        self.__cuda_array_interface__ = {"shape": (1,), "typestr": "<f4", "data": (address, False), "version": 3}

    def double(self):
        return torch.as_tensor(self, device="cuda").double()[0]


def makers(schedule, logits, labels, arguments):
    """Functions, each of which makes contestants."""
    major, minor = torch.cuda.get_device_capability()
    target = max((it for it in (80, 90) if it <= 10 * major + minor), default=80)
    name = "bce" if schedule is None else f"random-drop-schedule-{schedule}"

    def lossc(row, ending):
        bundle = arguments.bundles / f"{name}.f32.sm_{target}{ending}.lossc"
        return lambda: [Lossc(arguments.library, bundle).peer(row, schedule, logits, labels)]

    ours = {row: lossc(row, ending) for row, ending in LOSSC.items()}
    if schedule is None:
        return {**ours, "PyTorch": lambda: [losses.plain_peer(logits, labels)]}
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
    """All that can be had and are right."""
    found = []
    for schedule in (*SCHEDULES, None):
        for name, make in makers(schedule, logits, labels, arguments).items():
            try:
                peers = make()
                for peer in peers:
                    losses.check(peer, logits, labels)
                found += peers
            except Exception as error:
                # Whatever a peer cannot do here, the others can still be compared.
                print(f"left out: {name} ({schedule or 'bce'}): {error}", file=sys.stderr)
    return found


def measure_shape(shape, arguments):
    logits, labels = image(shape, "cuda")
    peers = contestants(logits, labels, arguments)
    target = torch.empty_like(logits)
    work = {("copy", None, "copy"): lambda: target.copy_(logits)}
    for peer in peers:
        work[peer.name, peer.schedule, "forward"] = peer.forward
        work[peer.name, peer.schedule, "forward_backward"] = peer.forward_backward
    times = medians(work, arguments.rounds)
    copied = 8 * logits.numel() / times["copy", None, "copy"]
    for (name, schedule, phase), seconds in times.items():
        rate = BYTES.get(phase, 8) * logits.numel() / seconds
        yield {
            "name": name,
            "loss": "" if phase == "copy" else f"random-drop {schedule}" if schedule else "bce",
            "phase": phase,
            "shape": list(shape),
            "microseconds": seconds * 1e6,
            "gb_per_s": rate / 1e9,
            "ratio_to_copy": rate / copied,
        }


def medians(work, rounds):
    """Seconds by key. In every round each is called twice, and the second call counts."""
    events = {key: [] for key in work}
    for round_ in range(rounds + 2):
        for key, call in work.items():
            call()
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            call()
            end.record()
            if round_ >= 2:
                events[key].append((start, end))
    torch.cuda.synchronize()
    return {
        key: statistics.median(start.elapsed_time(end) for start, end in pairs) / 1e3 for key, pairs in events.items()
    }


def table(rows):
    lines = ["| shape | loss | phase | | µs | GB/s | of copy |", "|---|---|---|---|--:|--:|--:|"]
    for row in sorted(rows, key=lambda row: (row["shape"], row["loss"], row["phase"], row["microseconds"])):
        lines.append(
            f"| {'×'.join(map(str, row['shape']))} | {row['loss']} | {row['phase'].replace('_', '+')} | {row['name']} "
            f"| {row['microseconds']:.1f} | {row['gb_per_s']:.0f} | {row['ratio_to_copy']:.2f} |"
        )
    return "\n".join(lines)


def self_test():
    """What can be checked without a GPU; says what it was."""
    from gpu_peer_cuda import compile_ptx

    logits, labels = image((2, 160, 200), "cpu")
    for schedule in SCHEDULES:
        peers = losses.torch_peers(schedule, logits, labels, compiled=False)
        peers.append(hand_written_triton()(schedule, logits, labels))
        for peer in peers:
            losses.check(peer, logits, labels)
            print(f"ok: {peer.name} ({schedule})")
            refuses_a_wrong_one(peer, logits, labels)
    losses.check(losses.plain_peer(logits, labels), logits, labels)
    for architecture in ("compute_80", "compute_90"):
        kernels = compile_ptx(architecture).count(b".entry")
        if kernels != 5:
            raise RuntimeError(f"{kernels} kernels for {architecture}")
        print(f"ok: CUDA by hand compiles for {architecture}, and was not run")
    return 0


def refuses_a_wrong_one(peer, logits, labels):
    """The judge sees a wrong loss, a wrong gradient, and draws that are too few."""

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
