"""Random drop by hand in CUDA C++, compiled by the NVRTC that comes with PyTorch.

Two plans, each with several grids; only the fastest on the device counts:

- two launches: the forward pass sums, and its last block computes weights and loss; the
  backward pass draws again. Forward alone is the first of them.
- one cooperative launch, if all pixels fit into registers: the values that the gradient
  needs stay there across a barrier of the grid, and everything is read and written once.

Loads and stores of logits and gradients are of 16 bytes, several of them in flight; each
Philox block makes the draws of four pixels; a block adds its sums by four atomics.
"""

import ctypes
import glob
import math
import mmap
import os
import subprocess
from pathlib import Path

import torch

import gpu_peer_timing as timing
from gpu_peer_losses import Peer

THREADS = 256
# Grids of the plan with two launches. A processor holds at least four blocks.
BLOCKS_PER_PROCESSOR = (4, 8, 16)
# Quads of pixels that a thread holds in registers, in the plan with one launch.
HELD = (1, 2, 4, 8)

SOURCE = r"""
struct Draws { float u[4]; };

__device__ Draws draw(unsigned seed, unsigned block) {
  unsigned c[4] = {block, 0, 0, 0}, k[2] = {seed, 0};
#pragma unroll
  for (int round = 0; round < 10; round++) {
    unsigned low0 = 0xD2511F53u * c[0], low1 = 0xCD9E8D57u * c[2];
    unsigned high0 = __umulhi(0xD2511F53u, c[0]), high1 = __umulhi(0xCD9E8D57u, c[2]);
    c[0] = high1 ^ c[1] ^ k[0];
    c[1] = low1;
    c[2] = high0 ^ c[3] ^ k[1];
    c[3] = low0;
    k[0] += 0x9E3779B9u;
    k[1] += 0xBB67AE85u;
  }
  Draws draws;
#pragma unroll
  for (int i = 0; i < 4; i++) draws.u[i] = (float)(c[i] >> 8) * 0x1p-24f;
  return draws;
}

struct Pixel { float softplus, p; bool kept; };

template <bool LINEAR>
__device__ Pixel pixel(float x, float u) {
  float e = __expf(-fabsf(x)), r = __fdividef(1.0f, 1 + e);
  float softplus = fmaxf(x, 0.0f) + __logf(1 + e);
  float p = x >= 0 ? r : e * r;
  float drop = LINEAR ? 1 - p : 1 - softplus * 0.4342944819f;
  return {softplus, p, u >= drop};
}

// Of positives and of kept negatives.
struct __align__(16) Totals { unsigned positives, kept; float positive_sum, kept_sum; };

__device__ float2 weights(Totals all) {
  float total = fmaxf((float)all.positives + (float)all.kept, 1);
  return make_float2(all.kept / total, all.positives / total);
}

__device__ float loss_of(Totals all) {
  float2 weight = weights(all);
  return weight.x * all.positive_sum + weight.y * all.kept_sum;
}

// Adds four pixels to the sums. Returns their gradients without the class weights. Their signs
// tell the classes apart: those of positives are not above 0, those of negatives not below.
template <bool LINEAR>
__device__ float4 add(Totals &sums, float4 x4, uchar4 t4, Draws draws) {
  float x[4] = {x4.x, x4.y, x4.z, x4.w}, g[4];
  unsigned char t[4] = {t4.x, t4.y, t4.z, t4.w};
#pragma unroll
  for (int j = 0; j < 4; j++) {
    Pixel it = pixel<LINEAR>(x[j], draws.u[j]);
    bool positive = t[j] == 1, kept = !positive && it.kept;
    sums.positives += positive;
    sums.kept += kept;
    sums.positive_sum += positive ? it.softplus - x[j] : 0;
    sums.kept_sum += kept ? it.softplus : 0;
    g[j] = positive ? it.p - 1 : kept ? it.p : 0;
  }
  return make_float4(g[0], g[1], g[2], g[3]);
}

__device__ float weighted(float g, float2 weight) { return g * (g < 0 ? weight.x : weight.y); }

// Bypasses the caches: the gradient is not read again, and the inputs may be needed there.
__device__ void store(float4 *gradient, float4 g, float2 weight) {
  __stcs(gradient, make_float4(weighted(g.x, weight), weighted(g.y, weight), weighted(g.z, weight),
                               weighted(g.w, weight)));
}

__device__ float warp_sum(float value) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(~0u, value, distance);
  return value;
}

__device__ Totals warp_sum(Totals it) {
  return {__reduce_add_sync(~0u, it.positives), __reduce_add_sync(~0u, it.kept), warp_sum(it.positive_sum),
          warp_sum(it.kept_sum)};
}

// Called once by all threads of a block; its first warp gets the sums.
__device__ Totals block_sum(Totals sums) {
  __shared__ Totals of_warp[32];
  sums = warp_sum(sums);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = sums;
  __syncthreads();
  if (threadIdx.x >= 32) return sums;
  Totals none = {0, 0, 0, 0};
  return warp_sum(threadIdx.x < blockDim.x / 32 ? of_warp[threadIdx.x] : none);
}

__device__ void publish(Totals sums, Totals *all) {
  atomicAdd(&all->positives, sums.positives);
  atomicAdd(&all->kept, sums.kept);
  atomicAdd(&all->positive_sum, sums.positive_sum);
  atomicAdd(&all->kept_sum, sums.kept_sum);
  __threadfence();
}

// Reads what other blocks have published, past this processor's own cache.
__device__ Totals published(const Totals *all) {
  uint4 it = __ldcg((const uint4 *)all);
  return {it.x, it.y, __uint_as_float(it.z), __uint_as_float(it.w)};
}

// `all` [image] and `arrived` are 0 before and after.
template <bool LINEAR>
__device__ void forward(const float4 *logits, const uchar4 *labels, Totals *all, unsigned *arrived, float2 *weight,
                        float *loss, unsigned quads, unsigned seed) {
  const int IN_FLIGHT = 4;
  unsigned image = blockIdx.y, stride = gridDim.x * blockDim.x;
  unsigned long long start = (unsigned long long)image * quads;
  Totals sums = {0, 0, 0, 0};
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < quads; i += IN_FLIGHT * stride) {
    float4 x[IN_FLIGHT];
    uchar4 t[IN_FLIGHT];
#pragma unroll
    for (int k = 0; k < IN_FLIGHT; k++) {
      if (i + k * stride < quads) {
        x[k] = logits[start + i + k * stride];
        t[k] = labels[start + i + k * stride];
      }
    }
#pragma unroll
    for (int k = 0; k < IN_FLIGHT; k++) {
      if (i + k * stride < quads) add<LINEAR>(sums, x[k], t[k], draw(seed, start + i + k * stride));
    }
  }
  __shared__ bool is_last;
  sums = block_sum(sums);
  if (threadIdx.x == 0) {
    publish(sums, all + image);
    is_last = atomicAdd(arrived, 1) == gridDim.x * gridDim.y - 1;
    __threadfence();
  }
  __syncthreads();
  if (!is_last || threadIdx.x >= 32) return;
  float total = 0;
  for (unsigned image = threadIdx.x; image < gridDim.y; image += 32) {
    Totals it = published(all + image);
    weight[image] = weights(it);
    total += loss_of(it);
    all[image] = {0, 0, 0, 0};
  }
  total = warp_sum(total);
  if (threadIdx.x == 0) {
    *loss = total;
    *arrived = 0;
  }
}

template <bool LINEAR>
__device__ void backward(const float4 *logits, const uchar4 *labels, float4 *gradient, const float2 *weight,
                         unsigned quads, unsigned seed) {
  const int IN_FLIGHT = 4;
  unsigned stride = gridDim.x * blockDim.x;
  unsigned long long start = (unsigned long long)blockIdx.y * quads;
  float2 of_image = weight[blockIdx.y];
  Totals unused = {0, 0, 0, 0};
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < quads; i += IN_FLIGHT * stride) {
    float4 x[IN_FLIGHT];
    uchar4 t[IN_FLIGHT];
#pragma unroll
    for (int k = 0; k < IN_FLIGHT; k++) {
      if (i + k * stride < quads) {
        x[k] = logits[start + i + k * stride];
        t[k] = labels[start + i + k * stride];
      }
    }
#pragma unroll
    for (int k = 0; k < IN_FLIGHT; k++) {
      unsigned long long quad = start + i + k * stride;
      if (i + k * stride < quads) store(gradient + quad, add<LINEAR>(unused, x[k], t[k], draw(seed, quad)), of_image);
    }
  }
}

// `all` [2][image] and `arrived` are 0 before the first call. Each call uses one half of
// `all` and clears the other for the next. All blocks are on the device at once.
template <bool LINEAR, int HELD>
__device__ void both(const float4 *logits, const uchar4 *labels, float4 *gradient, Totals *all, unsigned *arrived,
                     float *loss, unsigned quads, unsigned seed) {
  unsigned image = blockIdx.y, images = gridDim.y, blocks = gridDim.x * images;
  unsigned first = blockIdx.x * blockDim.x + threadIdx.x, stride = gridDim.x * blockDim.x;
  unsigned long long start = (unsigned long long)image * quads;
  float4 held[HELD];
  uchar4 t[HELD];
#pragma unroll
  for (int k = 0; k < HELD; k++) {
    if (first + k * stride < quads) {
      held[k] = logits[start + first + k * stride];
      t[k] = labels[start + first + k * stride];
    }
  }
  Totals sums = {0, 0, 0, 0};
#pragma unroll
  for (int k = 0; k < HELD; k++) {
    if (first + k * stride < quads) {
      held[k] = add<LINEAR>(sums, held[k], t[k], draw(seed, start + first + k * stride));
    }
  }
  __shared__ float2 weight;
  sums = block_sum(sums);
  if (threadIdx.x == 0) {
    // The number of the call: it stays until this block has arrived too.
    unsigned call = *(volatile unsigned *)arrived / blocks, end = (call + 1) * blocks;
    Totals *now = all + (call & 1) * images, *next = all + (~call & 1) * images;
    publish(sums, now + image);
    bool is_last = atomicAdd(arrived, 1) == end - 1;
    while ((int)(*(volatile unsigned *)arrived - end) < 0) {
    }
    __threadfence();
    weight = weights(published(now + image));
    if (is_last) {
      float total = 0;
      for (unsigned other = 0; other < images; other++) {
        total += loss_of(published(now + other));
        next[other] = {0, 0, 0, 0};
      }
      *loss = total;
    }
  }
  __syncthreads();
#pragma unroll
  for (int k = 0; k < HELD; k++) {
    if (first + k * stride < quads) store(gradient + start + first + k * stride, held[k], weight);
  }
}

#define BOTH(NAME, LINEAR, HELD)                                                                                   \
  extern "C" __global__ void __launch_bounds__(256, HELD > 4 ? 2 : 4) both_##NAME##_##HELD(                        \
      const float4 *logits, const uchar4 *labels, float4 *gradient, Totals *all, unsigned *arrived, float *loss,   \
      unsigned quads, unsigned seed) {                                                                             \
    both<LINEAR, HELD>(logits, labels, gradient, all, arrived, loss, quads, seed);                                 \
  }
#define KERNELS(NAME, LINEAR)                                                                                      \
  extern "C" __global__ void __launch_bounds__(256, 4) forward_##NAME(                                             \
      const float4 *logits, const uchar4 *labels, Totals *all, unsigned *arrived, float2 *weight, float *loss,     \
      unsigned quads, unsigned seed) {                                                                             \
    forward<LINEAR>(logits, labels, all, arrived, weight, loss, quads, seed);                                      \
  }                                                                                                                \
  extern "C" __global__ void __launch_bounds__(256, 4) backward_##NAME(                                            \
      const float4 *logits, const uchar4 *labels, float4 *gradient, const float2 *weight, unsigned quads,          \
      unsigned seed) {                                                                                             \
    backward<LINEAR>(logits, labels, gradient, weight, quads, seed);                                               \
  }                                                                                                                \
  BOTH(NAME, LINEAR, 1)                                                                                            \
  BOTH(NAME, LINEAR, 2)                                                                                            \
  BOTH(NAME, LINEAR, 4)                                                                                            \
  BOTH(NAME, LINEAR, 8)
KERNELS(linear, true)
KERNELS(log, false)
"""
# Number of kernels of both schedules.
KERNELS = 2 * (2 + len(HELD))
SEED = 1


def nvrtc():
    """Loads the library, from PyTorch's wheels or from the system."""
    import nvidia

    patterns = [os.path.join(path, "*", "lib", "libnvrtc.so.*") for path in nvidia.__path__]
    names = [name for pattern in patterns for name in sorted(glob.glob(pattern)) if "builtins" not in name]
    return ctypes.CDLL((names or ["libnvrtc.so"])[0])


def compile_code(architecture, *options):
    """Returns machine code for `architecture`, such as `sm_90`, and the compiler's messages."""
    library, program = nvrtc(), ctypes.c_void_p()

    def text(size, get):
        length = ctypes.c_size_t()
        checked(size(program, ctypes.byref(length)))
        buffer = ctypes.create_string_buffer(length.value)
        checked(get(program, buffer))
        return buffer.raw

    def log():
        return text(library.nvrtcGetProgramLogSize, library.nvrtcGetProgramLog).rstrip(b"\0").decode()

    def checked(code):
        if code != 0:
            raise RuntimeError(f"NVRTC failed with {code}")

    checked(library.nvrtcCreateProgram(ctypes.byref(program), SOURCE.encode(), b"peer.cu", 0, None, None))
    options = [it.encode() for it in (f"--gpu-architecture={architecture}", "--std=c++17", *options)]
    if library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options)) != 0:
        raise RuntimeError(f"NVRTC does not compile the kernels for {architecture}: {log()}")
    return text(library.nvrtcGetCUBINSize, library.nvrtcGetCUBIN), log()


def addresses(arguments):
    """Kernel arguments: addresses of tensors and 32-bit numbers, and pointers to them. Both
    must live as long as the pointers are used."""
    values = [
        ctypes.c_void_p(it.data_ptr()) if isinstance(it, torch.Tensor) else ctypes.c_uint32(it) for it in arguments
    ]
    return values, (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))


class Module:
    """Loaded kernels, launched on PyTorch's current stream."""

    def __init__(self, code):
        self.driver = ctypes.CDLL("libcuda.so.1")
        self.handle = ctypes.c_void_p()
        self.checked(self.driver.cuModuleLoadData(ctypes.byref(self.handle), code))

    def function(self, name):
        function = ctypes.c_void_p()
        self.checked(self.driver.cuModuleGetFunction(ctypes.byref(function), self.handle, name.encode()))
        return function

    def resident(self, name):
        """Blocks that a multiprocessor holds at the same time."""
        blocks = ctypes.c_int()
        occupancy = self.driver.cuOccupancyMaxActiveBlocksPerMultiprocessor
        self.checked(occupancy(ctypes.byref(blocks), self.function(name), THREADS, ctypes.c_size_t(0)))
        return blocks.value

    def kernel(self, name, grid, arguments, cooperative=False):
        """Returns a function that launches `name`. Arguments are tensors and 32-bit numbers,
        and live as long as it."""
        function = self.function(name)
        values, pointers = addresses(arguments)
        launch = self.driver.cuLaunchCooperativeKernel if cooperative else self.driver.cuLaunchKernel
        rest = () if cooperative else (None,)

        def run(_values=values, _arguments=arguments):
            stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
            self.checked(launch(function, *grid, 1, THREADS, 1, 1, 0, stream, pointers, *rest))

        return run

    @staticmethod
    def zeros(shape, type_):
        return torch.zeros(shape, dtype=type_, device="cuda")

    @staticmethod
    def checked(code):
        if code != 0:
            raise RuntimeError(f"the CUDA driver failed with {code}")


class HostModule:
    """The kernels on this processor, by `gpu_peer_host.h`, for tests."""

    def __init__(self, folder):
        source, library = Path(folder) / "kernels.cpp", Path(folder) / "kernels.so"
        names = [f"both_{it}_{held}" for it in ("linear", "log") for held in HELD]
        names += [f"{direction}_{it}" for it in ("linear", "log") for direction in ("forward", "backward")]
        launches = [
            f'extern "C" int host_{it}(unsigned x, unsigned y, unsigned threads, void **arguments) '
            f"{{ return launch(x, y, threads, {it}, arguments); }}"
            for it in names
        ]
        header = Path(__file__).resolve().parent / "gpu_peer_host.h"
        source.write_text("\n".join([f'#include "{header}"', SOURCE, *launches]))
        options = ["-std=c++20", "-O1", "-shared", "-fPIC", "-pthread", "-w"]
        subprocess.run(["g++", *options, source, "-o", library], check=True)
        self.code = ctypes.CDLL(str(library))

    def resident(self, _name):
        return 64

    def kernel(self, name, grid, arguments, cooperative=False):
        values, pointers = addresses(arguments)
        launch = getattr(self.code, f"host_{name}")

        def run(_values=values, _arguments=arguments):
            if launch(*grid, THREADS, pointers) != 0:
                raise RuntimeError(f"a block of {name} failed")

        return run

    @staticmethod
    def zeros(shape, type_):
        """Returns zeros in memory that is shared with the processes of blocks."""
        count = math.prod(shape)
        return torch.frombuffer(mmap.mmap(-1, count * type_.itemsize), dtype=type_, count=count).reshape(shape)


class Image:
    """Tensors of one image, or several of one size, and the kernels' state for them."""

    def __init__(self, schedule, logits, labels, module, processors):
        pixels = logits.shape[-1] * logits.shape[-2]
        if pixels % 4:
            raise ValueError("the kernels by hand take images whose pixels are a multiple of 4")
        self.schedule, self.logits, self.labels = schedule, logits, labels
        self.images, self.quads = logits.numel() // pixels, pixels // 4
        self.module, self.processors = module, processors

    def zeros(self, *shape):
        return self.module.zeros(shape, torch.int32)

    def results(self):
        return self.module.zeros((), torch.float32), self.module.zeros(self.logits.shape, torch.float32)

    def two_launches(self, blocks_per_processor):
        most = -(-self.processors * blocks_per_processor // self.images)
        grid = (min(-(-self.quads // THREADS), most), self.images)
        loss, gradient = self.results()
        sums, arrived, weight = self.zeros(self.images, 4), self.zeros(1), self.zeros(self.images, 2)
        inputs, sizes = [self.logits, self.labels], [self.quads, SEED]
        forward = [*inputs, sums, arrived, weight, loss, *sizes]
        sum_up = self.module.kernel(f"forward_{self.schedule}", grid, forward)
        scatter = self.module.kernel(f"backward_{self.schedule}", grid, [*inputs, gradient, weight, *sizes])
        return self.peer(lambda: (sum_up(), loss)[1], lambda: (sum_up(), scatter(), (loss, gradient))[2])

    def one_launch(self, held):
        """Returns None if the pixels do not fit."""
        name, blocks = f"both_{self.schedule}_{held}", -(-self.quads // (THREADS * held))
        if blocks * self.images > self.processors * self.module.resident(name):
            return None
        loss, gradient = self.results()
        state = [self.zeros(2, self.images, 4), self.zeros(1), loss]
        arguments = [self.logits, self.labels, gradient, *state, self.quads, SEED]
        both = self.module.kernel(name, (blocks, self.images), arguments, cooperative=True)
        return self.peer(lambda: (both(), loss)[1], lambda: (both(), (loss, gradient))[1])

    def peer(self, forward, forward_backward):
        return Peer("CUDA by hand", self.schedule, forward, forward_backward)


    def plans(self):
        two = [self.two_launches(blocks) for blocks in BLOCKS_PER_PROCESSOR]
        return two + [plan for plan in map(self.one_launch, HELD) if plan]


def cuda_peer(schedule, logits, labels):
    properties = torch.cuda.get_device_properties(logits.device)
    code, _ = compile_code(f"sm_{properties.major}{properties.minor}")
    image = Image(schedule, logits, labels, Module(code), properties.multi_processor_count)
    return timing.fastest(image.plans(), logits, labels)


def host_plans(schedule, logits, labels, folder):
    """Returns every plan on this processor, where `logits` and `labels` must be."""
    module = HostModule(folder)
    shared = [module.zeros(it.shape, it.dtype).copy_(it) for it in (logits, labels)]
    return Image(schedule, *shared, module, processors=1).plans()
