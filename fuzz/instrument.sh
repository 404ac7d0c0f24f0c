#!/bin/sh
# The compiler for lossc's own crates, as cargo's RUSTC_WORKSPACE_WRAPPER: with the counters
# that libFuzzer reads. Dependencies, the bindings of MLIR among them, stay as they are built
# for everything else. The flags are those of cargo-fuzz but for its traces of comparisons,
# which took near half of the time; none takes a nightly toolchain.
exec "$@" -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table
