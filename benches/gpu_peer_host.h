// What CUDA C++ means on a processor: enough to run the kernels by hand of
// gpu_peer_cuda.py without a GPU. A block is a process with a thread for each of its
// threads, so that `static` is its shared memory; tensors lie in memory that processes share.
// For tests: slow, and no statement about memory models.
#include <cmath>
#include <cstring>
#include <pthread.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#define __device__ static
#define __global__
#define __launch_bounds__(...)
#define __shared__ static
#define __align__(bytes) alignas(bytes)

struct float2 { float x, y; };
struct float4 { float x, y, z, w; };
struct uint4 { unsigned x, y, z, w; };
struct uchar4 { unsigned char x, y, z, w; };
struct Dimensions { unsigned x, y; };

const unsigned WARP = 32;
static Dimensions gridDim, blockDim, blockIdx;
static thread_local Dimensions threadIdx;
static pthread_barrier_t of_block, of_warp[32];

static float2 make_float2(float x, float y) { return {x, y}; }
static float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

static float __uint_as_float(unsigned bits) { float value; memcpy(&value, &bits, 4); return value; }
static unsigned __float_as_uint(float value) { unsigned bits; memcpy(&bits, &value, 4); return bits; }
static unsigned __umulhi(unsigned a, unsigned b) { return (unsigned long long)a * b >> 32; }
static float __fdividef(float a, float b) { return a / b; }
static float fast_exp(float x) { return expf(x); }
static float fast_log(float x) { return logf(x); }
// The C library has other functions of these names.
#define __expf fast_exp
#define __logf fast_log

template <typename T> static T __ldcg(const T *place) { return *place; }
template <typename T> static void __stcs(T *place, T value) { *place = value; }
static void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
static void __syncthreads() { pthread_barrier_wait(&of_block); }

static unsigned exchange(unsigned value, unsigned distance) {
  static unsigned values[32][WARP];
  unsigned warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
  values[warp][lane] = value;
  pthread_barrier_wait(&of_warp[warp]);
  value = values[warp][lane ^ distance];
  pthread_barrier_wait(&of_warp[warp]);
  return value;
}
static float __shfl_xor_sync(unsigned, float value, unsigned distance) {
  return __uint_as_float(exchange(__float_as_uint(value), distance));
}
static unsigned __reduce_add_sync(unsigned, unsigned value) {
  for (unsigned distance = WARP / 2; distance > 0; distance /= 2) value += exchange(value, distance);
  return value;
}

static unsigned atomicAdd(unsigned *place, unsigned value) {
  return __atomic_fetch_add(place, value, __ATOMIC_SEQ_CST);
}
static float atomicAdd(float *place, float value) {
  unsigned *bits = (unsigned *)place, old = __atomic_load_n(bits, __ATOMIC_SEQ_CST), sum;
  do sum = __float_as_uint(__uint_as_float(old) + value);
  while (!__atomic_compare_exchange_n(bits, &old, sum, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  return __uint_as_float(old);
}

template <typename Kernel> static void run_block(unsigned threads, Kernel kernel) {
  pthread_barrier_init(&of_block, nullptr, threads);
  for (auto &barrier : of_warp) pthread_barrier_init(&barrier, nullptr, WARP);
  std::vector<std::thread> running;
  for (unsigned thread = 0; thread < threads; thread++) {
    running.emplace_back([=] { threadIdx = {thread, 0}; kernel(); });
  }
  for (auto &thread : running) thread.join();
}

template <typename... Types, size_t... Index>
static int run_grid(unsigned threads, void (*kernel)(Types...), void **arguments, std::index_sequence<Index...>) {
  for (unsigned block = 0; block < gridDim.x * gridDim.y; block++) {
    pid_t child = fork();
    if (child < 0) return 1;
    if (child > 0) continue;
    blockIdx = {block % gridDim.x, block / gridDim.x};
    run_block(threads, [=] { kernel(*(Types *)arguments[Index]...); });
    _exit(0);
  }
  int failed = 0;
  for (unsigned block = 0; block < gridDim.x * gridDim.y; block++) {
    int status = 0;
    failed |= wait(&status) < 0 || status != 0;
  }
  return failed;
}

// 0 if all blocks ended well. All of them run at the same time.
template <typename... Types>
static int launch(unsigned x, unsigned y, unsigned threads, void (*kernel)(Types...), void **arguments) {
  gridDim = {x, y};
  blockDim = {threads, 1};
  return run_grid(threads, kernel, arguments, std::index_sequence_for<Types...>{});
}
