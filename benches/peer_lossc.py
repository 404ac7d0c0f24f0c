"""lossc in this process: a bundle, called through `runtime/examples/c_interface.rs`."""

import ctypes
import json
import subprocess
import tempfile
from pathlib import Path

import numpy


def cargo_build(root):
    """Builds the `lossc` command and the shared library, and returns their paths."""
    command = built(root, ["--bin", "lossc"], "lossc")
    library = built(root, ["--package", "lossc-runtime", "--example", "c_interface"], "c_interface")
    return command, library


def built(root, arguments, name):
    command = ["cargo", "build", "--message-format", "json-render-diagnostics", *arguments]
    output = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = map(json.loads, output.splitlines())
    files = [
        message["filenames"][0]
        for message in messages
        if message["reason"] == "compiler-artifact"
        and message["target"]["name"] == name
        and message["target"]["kind"][0] in ("bin", "example")
    ]
    return files[-1]


class Lossc:
    """A random drop loss on one image. Labels are checked, as is the default."""

    name = "lossc"
    loss = "random-drop"

    def __init__(self, command, library, schedule, threads, logits, labels):
        self.schedule = schedule
        self.logits, self.labels, self.gradient = logits, labels, numpy.empty_like(logits)
        self.interface = declare(ctypes.CDLL(library))
        with tempfile.TemporaryDirectory() as folder:
            bundle = Path(folder, f"{schedule}.lossc")
            compile_bundle(command, schedule, bundle)
            self.handle = self.interface.lossc_load(str(bundle).encode(), threads)
        if not self.handle:
            raise RuntimeError(self.interface.lossc_error().decode())
        self.result = ctypes.c_float()
        pointers = [array.ctypes.data for array in (logits, labels)]
        self.arguments = [self.handle, *pointers, *logits.shape, 1, ctypes.byref(self.result)]

    def forward(self):
        return self.call(self.interface.lossc_forward, self.arguments)

    def forward_backward(self):
        return self.call(
            self.interface.lossc_forward_backward, [*self.arguments, self.gradient.ctypes.data]
        ), self.gradient

    def call(self, function, arguments):
        if not function(*arguments):
            raise RuntimeError(self.interface.lossc_error().decode())
        return self.result.value

    def with_uniforms(self, _uniforms):
        """Draws the numbers of seed 1 itself."""
        return self.forward_backward()


def compile_bundle(command, schedule, path):
    arguments = ["compile", "random-drop", "--set", f"schedule={schedule}", "--emit", "bundle", "-o", path]
    subprocess.run([command, *arguments], check=True)


def declare(library):
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    image = [pointer, pointer, pointer, size, size, ctypes.c_uint64, pointer]
    for name, result, arguments in [
        ("lossc_load", pointer, [ctypes.c_char_p, size]),
        ("lossc_forward", ctypes.c_bool, image),
        ("lossc_forward_backward", ctypes.c_bool, [*image, pointer]),
        ("lossc_error", ctypes.c_char_p, []),
    ]:
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
