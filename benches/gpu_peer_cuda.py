"""Random drop by hand in CUDA C++, compiled by the NVRTC that comes with PyTorch.

As the Triton kernels: one pass over the data in each direction, draws made four at a
time and again in the backward pass. Loads are of 16 bytes, sums of a block one atomic.
"""

import ctypes
import glob
import os

import torch

from gpu_peer_losses import Peer

THREADS = 256
BLOCKS_PER_PROCESSOR = 8

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
  float e = __expf(-fabsf(x)), r = __frcp_rn(1 + e);
  float softplus = fmaxf(x, 0.0f) + __logf(1 + e);
  float p = x >= 0 ? r : e * r;
  float drop = LINEAR ? 1 - p : 1 - softplus * 0.4342944819f;
  return {softplus, p, u >= drop};
}

__device__ float warp_sum(float value) {
  for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(~0u, value, distance);
  return value;
}

__device__ unsigned warp_sum(unsigned value) { return __reduce_add_sync(~0u, value); }

// One atomic a block. Called by all its threads.
template <typename T>
__device__ void add(T value, T *total) {
  __shared__ T of_warp[32];
  value = warp_sum(value);
  __syncthreads();
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
  __syncthreads();
  if (threadIdx.x >= 32) return;
  value = warp_sum(threadIdx.x < blockDim.x / 32 ? of_warp[threadIdx.x] : T(0));
  if (threadIdx.x == 0) atomicAdd(total, value);
}

// Counts [image][2] and sums [image][2] of positives and of kept negatives.
template <bool LINEAR>
__device__ void forward(const float4 *logits, const uchar4 *labels, unsigned *counts, float *sums, unsigned quads,
                        unsigned seed) {
  unsigned image = blockIdx.y, positives = 0, kept = 0;
  float positive_sum = 0, kept_sum = 0;
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < quads; i += gridDim.x * blockDim.x) {
    unsigned long long quad = (unsigned long long)image * quads + i;
    float4 x4 = logits[quad];
    uchar4 t4 = labels[quad];
    Draws draws = draw(seed, quad);
    float x[4] = {x4.x, x4.y, x4.z, x4.w};
    unsigned char t[4] = {t4.x, t4.y, t4.z, t4.w};
#pragma unroll
    for (int j = 0; j < 4; j++) {
      Pixel it = pixel<LINEAR>(x[j], draws.u[j]);
      bool positive = t[j] == 1, is_kept = !positive && it.kept;
      positives += positive;
      kept += is_kept;
      positive_sum += positive ? it.softplus - x[j] : 0;
      kept_sum += is_kept ? it.softplus : 0;
    }
  }
  add(positives, counts + 2 * image);
  add(kept, counts + 2 * image + 1);
  add(positive_sum, sums + 2 * image);
  add(kept_sum, sums + 2 * image + 1);
}

__device__ float2 weights(const unsigned *counts, unsigned image) {
  float positives = counts[2 * image], kept = counts[2 * image + 1], total = fmaxf(positives + kept, 1);
  return make_float2(kept / total, positives / total);
}

template <bool LINEAR>
__device__ void backward(const float4 *logits, const uchar4 *labels, float4 *gradient, const unsigned *counts,
                         unsigned quads, unsigned seed) {
  float2 weight = weights(counts, blockIdx.y);
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < quads; i += gridDim.x * blockDim.x) {
    unsigned long long quad = (unsigned long long)blockIdx.y * quads + i;
    float4 x4 = logits[quad];
    uchar4 t4 = labels[quad];
    Draws draws = draw(seed, quad);
    float x[4] = {x4.x, x4.y, x4.z, x4.w}, g[4];
    unsigned char t[4] = {t4.x, t4.y, t4.z, t4.w};
#pragma unroll
    for (int j = 0; j < 4; j++) {
      Pixel it = pixel<LINEAR>(x[j], draws.u[j]);
      g[j] = t[j] == 1 ? weight.x * (it.p - 1) : it.kept ? weight.y * it.p : 0;
    }
    gradient[quad] = make_float4(g[0], g[1], g[2], g[3]);
  }
}

#define KERNELS(NAME, LINEAR)                                                                                      \
  extern "C" __global__ void forward_##NAME(const float4 *logits, const uchar4 *labels, unsigned *counts,          \
                                            float *sums, unsigned quads, unsigned seed) {                          \
    forward<LINEAR>(logits, labels, counts, sums, quads, seed);                                                    \
  }                                                                                                                \
  extern "C" __global__ void backward_##NAME(const float4 *logits, const uchar4 *labels, float4 *gradient,         \
                                             const unsigned *counts, unsigned quads, unsigned seed) {              \
    backward<LINEAR>(logits, labels, gradient, counts, quads, seed);                                               \
  }
KERNELS(linear, true)
KERNELS(log, false)

extern "C" __global__ void finish(const unsigned *counts, const float *sums, float *loss, unsigned images) {
  float total = 0;
  for (unsigned image = 0; image < images; image++) {
    float2 weight = weights(counts, image);
    total += weight.x * sums[2 * image] + weight.y * sums[2 * image + 1];
  }
  *loss = total;
}
"""


def nvrtc():
    """The library, from PyTorch's wheels or from the system."""
    import nvidia

    patterns = [os.path.join(path, "*", "lib", "libnvrtc.so.*") for path in nvidia.__path__]
    names = [name for pattern in patterns for name in sorted(glob.glob(pattern)) if "builtins" not in name]
    return ctypes.CDLL((names or ["libnvrtc.so"])[0])


def compile_ptx(architecture):
    """PTX for `architecture`, such as `compute_90`."""
    library, program = nvrtc(), ctypes.c_void_p()

    def checked(code):
        if code != 0:
            length = ctypes.c_size_t()
            library.nvrtcGetProgramLogSize(program, ctypes.byref(length))
            log = ctypes.create_string_buffer(length.value)
            library.nvrtcGetProgramLog(program, log)
            raise RuntimeError(f"NVRTC failed with {code}: {log.value.decode()}")

    checked(library.nvrtcCreateProgram(ctypes.byref(program), SOURCE.encode(), b"peer.cu", 0, None, None))
    options = [f"--gpu-architecture={architecture}".encode(), b"--std=c++17"]
    checked(library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options)))
    length = ctypes.c_size_t()
    checked(library.nvrtcGetPTXSize(program, ctypes.byref(length)))
    ptx = ctypes.create_string_buffer(length.value)
    checked(library.nvrtcGetPTX(program, ptx))
    return ptx.value


class Module:
    """Loaded kernels, launched on PyTorch's current stream."""

    def __init__(self, ptx):
        self.driver = ctypes.CDLL("libcuda.so.1")
        self.handle = ctypes.c_void_p()
        self.checked(self.driver.cuModuleLoadData(ctypes.byref(self.handle), ptx))

    def kernel(self, name, grid, threads, arguments):
        """A function that launches `name`. Arguments are tensors and 32-bit numbers, and
        live as long as it."""
        function = ctypes.c_void_p()
        self.checked(self.driver.cuModuleGetFunction(ctypes.byref(function), self.handle, name.encode()))
        values = [
            ctypes.c_void_p(it.data_ptr()) if isinstance(it, torch.Tensor) else ctypes.c_uint32(it) for it in arguments
        ]
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        launch = self.driver.cuLaunchKernel

        def run(_values=values, _arguments=arguments):
            stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
            self.checked(launch(function, *grid, 1, threads, 1, 1, 0, stream, pointers, None))

        return run

    @staticmethod
    def checked(code):
        if code != 0:
            raise RuntimeError(f"the CUDA driver failed with {code}")


def cuda_peer(schedule, logits, labels):
    pixels = logits.shape[-1] * logits.shape[-2]
    if pixels % 4:
        raise ValueError("the kernels by hand take images whose pixels are a multiple of 4")
    images, quads = logits.numel() // pixels, pixels // 4
    properties = torch.cuda.get_device_properties(logits.device)
    module = Module(compile_ptx(f"compute_{properties.major}{properties.minor}"))
    workspace = torch.empty(4 * images, dtype=torch.int32, device=logits.device)
    counts, sums = workspace[: 2 * images], workspace[2 * images :].view(torch.float32)
    loss, gradient = torch.empty((), device=logits.device), torch.empty_like(logits)
    most = -(-properties.multi_processor_count * BLOCKS_PER_PROCESSOR // images)
    grid = (min(-(-quads // THREADS), most), images)
    name, seed = "linear" if schedule == "linear" else "log", 1
    sum_up = module.kernel(f"forward_{name}", grid, THREADS, [logits, labels, counts, sums, quads, seed])
    finish = module.kernel("finish", (1, 1), 1, [counts, sums, loss, images])
    backward = module.kernel(f"backward_{name}", grid, THREADS, [logits, labels, gradient, counts, quads, seed])

    def forward():
        workspace.zero_()
        sum_up()
        finish()
        return loss

    def forward_backward():
        forward()
        backward()
        return loss, gradient

    return Peer("CUDA by hand", schedule, forward, forward_backward)
