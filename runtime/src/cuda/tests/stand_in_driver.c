// A stand-in for libcuda, to test the host side of the CUDA path without a GPU: device memory
// is host memory, work is done when it is queued, and the one "module" holds the kernels of
// variance.c. It is stricter than a driver: new memory is filled with NaNs, freed memory is
// poisoned and never reused, and misuse aborts.
#include "variance.c"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int result_t;
typedef uint64_t pointer_t;
typedef void (*kernel_t)(void **parameters, unsigned block, unsigned threads);
enum { SUCCESS = 0, INVALID_PTX = 218, NOT_FOUND = 500 };

static void check(int condition, const char *what) {
  if (!condition) { fprintf(stderr, "stand-in driver: %s\n", what); abort(); }
}

// ---- device memory ----
static struct { char *start; size_t length; int live; } blocks[1 << 16];
static int block_count;

static void check_range(pointer_t pointer, size_t length, const char *what) {
  for (int i = 0; i < block_count; i++) {
    uint64_t start = (uint64_t)blocks[i].start;
    if (blocks[i].live && pointer >= start && pointer + length <= start + blocks[i].length) return;
  }
  check(0, what);
}

static result_t allocate(pointer_t *pointer, size_t length) {
  check(length > 0, "empty allocation");
  char *start = aligned_alloc(256, (length + 255) / 256 * 256);
  memset(start, 0xff, length);
  blocks[block_count].start = start;
  blocks[block_count].length = length;
  blocks[block_count++].live = 1;
  *pointer = (pointer_t)start;
  return SUCCESS;
}

static result_t release(pointer_t pointer) {
  for (int i = 0; i < block_count; i++)
    if (blocks[i].live && (pointer_t)blocks[i].start == pointer) {
      memset(blocks[i].start, 0xdd, blocks[i].length);
      blocks[i].live = 0;
      return SUCCESS;
    }
  check(0, "free of what is not allocated");
  return SUCCESS;
}

result_t cuMemAllocAsync(pointer_t *p, size_t n, void *stream) { (void)stream; return allocate(p, n); }
result_t cuMemFreeAsync(pointer_t p, void *stream) { (void)stream; return release(p); }
result_t cuMemAlloc_v2(pointer_t *p, size_t n) { return allocate(p, n); }
result_t cuMemFree_v2(pointer_t p) { return release(p); }

result_t cuMemcpyHtoDAsync_v2(pointer_t to, const void *from, size_t n, void *stream) {
  (void)stream;
  check_range(to, n, "copy to unknown memory");
  memcpy((void *)to, from, n);
  return SUCCESS;
}
result_t cuMemcpyDtoHAsync_v2(void *to, pointer_t from, size_t n, void *stream) {
  (void)stream;
  check_range(from, n, "copy from unknown memory");
  memcpy(to, (void *)from, n);
  return SUCCESS;
}
result_t cuMemcpyDtoDAsync_v2(pointer_t to, pointer_t from, size_t n, void *stream) {
  (void)stream;
  check_range(to, n, "copy to unknown memory");
  check_range(from, n, "copy from unknown memory");
  memcpy((void *)to, (void *)from, n);
  return SUCCESS;
}
result_t cuMemsetD8Async(pointer_t to, unsigned char value, size_t n, void *stream) {
  (void)stream;
  check_range(to, n, "fill of unknown memory");
  memset((void *)to, value, n);
  return SUCCESS;
}
result_t cuMemsetD32Async(pointer_t to, unsigned value, size_t n, void *stream) {
  (void)stream;
  check_range(to, 4 * n, "fill of unknown memory");
  for (size_t i = 0; i < n; i++) ((unsigned *)to)[i] = value;
  return SUCCESS;
}

// The number of processors, the bytes of shared memory of each, and those that a kernel
// declares.
enum { PROCESSORS = 3, SHARED_BYTES = 1000, DECLARED_BYTES = 100 };

// ---- devices, contexts, streams and events ----
static void *current;
static int context;
// Modules may be loaded by several threads.
static _Atomic int handles;
result_t cuInit(unsigned flags) { (void)flags; return SUCCESS; }
result_t cuDriverGetVersion(int *version) { *version = 12080; return SUCCESS; }
result_t cuDeviceGetCount(int *count) { *count = 1; return SUCCESS; }
result_t cuDeviceGet(int *device, int ordinal) { *device = ordinal; return ordinal == 0 ? SUCCESS : 101; }
result_t cuDeviceGetName(char *name, int length, int device) {
  (void)device;
  snprintf(name, length, "stand-in");
  return SUCCESS;
}
result_t cuDeviceGetAttribute(int *value, int attribute, int device) {
  (void)device;
  switch (attribute) {
    case 16: *value = PROCESSORS; break;
    case 75: *value = 9; break;
    case 95: *value = 1; break;
    case 97: *value = SHARED_BYTES; break;
    case 115: *value = getenv("STAND_IN_NO_POOLS") == 0; break;
    default: *value = 0;
  }
  return SUCCESS;
}
result_t cuDevicePrimaryCtxRetain(void **c, int device) { (void)device; *c = &context; return SUCCESS; }
result_t cuDevicePrimaryCtxRelease_v2(int device) {
  (void)device;
  for (int i = 0; i < block_count; i++) check(!blocks[i].live, "memory was never freed");
  check(handles == 0, "a stream, event or module was never destroyed");
  return SUCCESS;
}
result_t cuCtxGetCurrent(void **c) { *c = current; return SUCCESS; }
result_t cuCtxSetCurrent(void *c) { current = c; return SUCCESS; }
result_t cuCtxSynchronize(void) { return SUCCESS; }
static result_t create(void **handle) { *handle = malloc(8); handles++; return SUCCESS; }
static result_t destroy(void *handle) { free(handle); handles--; return SUCCESS; }
result_t cuStreamCreate(void **stream, unsigned flags) { (void)flags; return create(stream); }
result_t cuStreamDestroy_v2(void *stream) { return destroy(stream); }
result_t cuStreamSynchronize(void *stream) { (void)stream; return SUCCESS; }
result_t cuStreamWaitEvent(void *stream, void *event, unsigned flags) { (void)stream; (void)event; (void)flags; return SUCCESS; }
result_t cuEventCreate(void **event, unsigned flags) { (void)flags; return create(event); }
result_t cuEventRecord(void *event, void *stream) { (void)event; (void)stream; return SUCCESS; }
result_t cuEventDestroy_v2(void *event) { return destroy(event); }
result_t cuGetErrorName(result_t error, const char **name) {
  *name = error == INVALID_PTX ? "CUDA_ERROR_INVALID_PTX" : "CUDA_ERROR_OTHER";
  return SUCCESS;
}
result_t cuGetErrorString(result_t error, const char **text) { (void)error; *text = "told by the stand-in"; return SUCCESS; }

// ---- kernels ----
// The parameters of a kernel in their order; pixels follow.
enum { PLANE_LENGTH, PLANES, GROUPS, CHUNKS_PER_PLANE, SEED, STREAM, PLANE_GROUP, SCALARS, GROUP_TOTALS, PARTIALS, RESULTS, PIXELS };

// The workspace begins with the totals of planes, 8 bytes per reduction and plane.
static kernel_arguments arguments_of(void **parameters, int reductions) {
  uint64_t value[PIXELS];
  for (int i = 0; i < PIXELS; i++) value[i] = *(uint64_t *)parameters[i];
  uint64_t partials = value[PARTIALS] + 8 * reductions * value[PLANES];
  return (kernel_arguments){
      value[PLANE_LENGTH], value[PLANES], value[GROUPS], value[CHUNKS_PER_PLANE], value[SEED], value[STREAM], 0,
      (const int64_t *)value[PLANE_GROUP], (uint64_t *)value[SCALARS], (uint64_t *)value[GROUP_TOTALS],
      (uint32_t *)partials, (uint64_t *)value[RESULTS]};
}

static double total_of_plane(const uint32_t *partials, int64_t chunks, uint64_t *count) {
  double accumulators[256] = {0};
  for (int64_t c = 0; c < chunks; c++) {
    float value;
    memcpy(&value, &partials[c], 4);
    accumulators[c % 256] += value;
    *count += partials[c];
  }
  for (int half = 128; half > 0; half /= 2)
    for (int i = 0; i < half; i++) accumulators[i] += accumulators[i + half];
  return accumulators[0];
}

static void combine(const kernel_arguments *f, int reduction, int group_total, int is_count) {
  const int64_t *first = f->plane_group + f->planes, *members = first + f->groups + 1;
  check(first[0] == 0 && first[f->groups] == f->planes, "planes by group");
  for (int64_t group = 0; group < f->groups; group++) {
    double total = 0;
    uint64_t count = 0;
    for (int64_t i = first[group]; i < first[group + 1]; i++) {
      check(f->plane_group[members[i]] == group && (i == first[group] || members[i - 1] < members[i]), "a group's planes");
      int64_t plane = reduction * f->planes + members[i];
      total += total_of_plane(f->partials + plane * f->chunks_per_plane, f->chunks_per_plane, &count);
    }
    if (!is_count) memcpy(&count, &total, 8);
    f->group_totals[group_total * f->groups + group] = count;
  }
}

static unsigned cooperative_blocks;

// The number of chunks that a block sums.
static int64_t chunks_per_tile = 8;
static int64_t tiles_per_plane(const kernel_arguments *f) {
  return (f->chunks_per_plane + chunks_per_tile - 1) / chunks_per_tile;
}

// Returns whether the block is the last of `count` at a ticket, which is then 0 again.
static int is_last(const kernel_arguments *f, int64_t number, int64_t count) {
  int64_t *ticket = (int64_t *)f->plane_group + 2 * f->planes + f->groups + 1 + number;
  check(*ticket >= 0 && *ticket < count, "a ticket");
  *ticket = (*ticket + 1) % count;
  return *ticket == 0;
}

// Runs a block of a pass; returns whether it was the last.
static int pass(kernel_arguments *f, void (*run)(const kernel_arguments *, int64_t, int64_t), int outputs, void **parameters,
                unsigned block, unsigned threads) {
  check(threads == 256, "block");
  uint8_t *pixels[3];
  for (int i = 0; i < 3; i++) pixels[i] = *(uint8_t **)parameters[PIXELS + i];
  check((uint64_t)pixels[0] % 4 == 0, "misaligned input");
  check(!outputs || (pixels[2] && (uint64_t)pixels[2] % 4 == 0), "missing or misaligned output");
  f->pixels = pixels;
  int64_t per_plane = tiles_per_plane(f), plane = block / per_plane, first = block % per_plane * chunks_per_tile;
  check(plane < f->planes, "grid");
  for (int64_t c = first; c < first + chunks_per_tile && c < f->chunks_per_plane; c++) run(f, plane, c);
  return is_last(f, plane, per_plane) && is_last(f, f->planes, f->planes);
}

static void queue_kernel_0(void **p, unsigned b, unsigned t) {
  kernel_arguments f = arguments_of(p, 2);
  if (!pass(&f, kernel_0, 0, p, b, t)) return;
  combine(&f, 0, 1, 1);
  combine(&f, 1, 0, 0);
  epilogue_0(&f);
}
static void queue_kernel_1(void **p, unsigned b, unsigned t) {
  kernel_arguments f = arguments_of(p, 1);
  if (!pass(&f, kernel_1, 0, p, b, t)) return;
  combine(&f, 0, 2, 0);
  epilogue_1(&f);
}
static void queue_kernel_2(void **p, unsigned b, unsigned t) {
  kernel_arguments f = arguments_of(p, 0);
  if (pass(&f, kernel_2, 1, p, b, t)) epilogue_2(&f);
}
// Both directions in one launch: the last block does all the work.
static void queue_cooperative_0(void **p, unsigned b, unsigned t) {
  kernel_arguments f = arguments_of(p, 2);
  int64_t *flag = (int64_t *)f.plane_group + 3 * f.planes + f.groups + 2;
  check(*flag >= 0 && t == 256, "a flag");
  if (b + 1 < cooperative_blocks) return;
  check(*(int64_t *)p[PIXELS + 3] % 2 == 0, "room for steps that are done at once");
  int64_t per_plane = tiles_per_plane(&f);
  for (int64_t i = 0; i < f.planes * per_plane; i++) queue_kernel_0(p, i, t);
  for (int64_t i = 0; i < f.planes * per_plane; i++) queue_kernel_1(p, i, t);
  for (int64_t i = 0; i < f.planes * per_plane; i++) queue_kernel_2(p, i, t);
  ++*flag;
}
// Runs a kernel in which a block sums a chunk.
static void by_block(kernel_t kernel, void **p, unsigned b, unsigned t) {
  chunks_per_tile = 1;
  kernel(p, b, t);
  chunks_per_tile = 8;
}
static void queue_kernel_block_0(void **p, unsigned b, unsigned t) { by_block(queue_kernel_0, p, b, t); }
static void queue_kernel_block_1(void **p, unsigned b, unsigned t) { by_block(queue_kernel_1, p, b, t); }
static void queue_kernel_block_2(void **p, unsigned b, unsigned t) { by_block(queue_kernel_2, p, b, t); }
static void queue_cooperative_block_0(void **p, unsigned b, unsigned t) { by_block(queue_cooperative_0, p, b, t); }
static void epilogue(void (*run)(const kernel_arguments *), void **p, unsigned b, unsigned t) {
  kernel_arguments f = arguments_of(p, 0);
  check(t == 256 && b == 0, "grid of epilogue");
  run(&f);
}
static void queue_epilogue_0(void **p, unsigned b, unsigned t) { epilogue(epilogue_0, p, b, t); }
static void queue_epilogue_1(void **p, unsigned b, unsigned t) { epilogue(epilogue_1, p, b, t); }
static void queue_epilogue_2(void **p, unsigned b, unsigned t) { epilogue(epilogue_2, p, b, t); }

static const struct { const char *name; kernel_t kernel; } kernels[] = {
    {"kernel_0", queue_kernel_0}, {"kernel_1", queue_kernel_1}, {"kernel_2", queue_kernel_2}, {"cooperative_0", queue_cooperative_0},
    {"kernel_block_0", queue_kernel_block_0}, {"kernel_block_1", queue_kernel_block_1},
    {"kernel_block_2", queue_kernel_block_2}, {"cooperative_block_0", queue_cooperative_block_0},
    {"epilogue_0", queue_epilogue_0}, {"epilogue_1", queue_epilogue_1}, {"epilogue_2", queue_epilogue_2}};

static int is_cooperative(void *function) {
  return function == (void *)queue_cooperative_0 || function == (void *)queue_cooperative_block_0;
}

result_t cuModuleLoadDataEx(void **module, const char *text, unsigned count, int *options, void **values) {
  if (strcmp(text, "variance") == 0) return create(module);
  check(count == 2 && options[0] == 5 && options[1] == 6, "options of the log");
  snprintf(values[0], (size_t)values[1], "line 1: this is no PTX\n");
  return INVALID_PTX;
}
result_t cuModuleUnload(void *module) { return destroy(module); }
result_t cuModuleGetFunction(void **function, void *module, const char *name) {
  (void)module;
  for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
    if (strcmp(kernels[i].name, name) == 0) { *function = (void *)kernels[i].kernel; return SUCCESS; }
  return NOT_FOUND;
}
result_t cuStreamIsCapturing(void *stream, int *status) { (void)stream; *status = 0; return SUCCESS; }
result_t cuLaunchKernel(void *kernel, unsigned x, unsigned y, unsigned z, unsigned tx, unsigned ty, unsigned tz,
                        unsigned shared, void *stream, void **parameters, void **extra) {
  (void)stream;
  check(x > 0 && y == 1 && z == 1 && ty == 1 && tz == 1 && shared == 0 && !extra, "launch");
  for (unsigned block = 0; block < x; block++) ((kernel_t)kernel)(parameters, block, tx);
  return SUCCESS;
}
result_t cuFuncGetAttribute(int *value, int attribute, void *function) {
  check(attribute == 1 && is_cooperative(function), "attribute of a function");
  *value = DECLARED_BYTES;
  return SUCCESS;
}
static int allowed_bytes;
result_t cuFuncSetAttribute(void *function, int attribute, int value) {
  check(attribute == 8 && is_cooperative(function) && value <= SHARED_BYTES - DECLARED_BYTES, "shared memory");
  allowed_bytes = value;
  return SUCCESS;
}
result_t cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *function, int threads, size_t shared) {
  check(is_cooperative(function) && threads == 256, "occupancy");
  *blocks = SHARED_BYTES / (shared + DECLARED_BYTES);
  return SUCCESS;
}
result_t cuLaunchCooperativeKernel(void *kernel, unsigned x, unsigned y, unsigned z, unsigned tx, unsigned ty,
                                   unsigned tz, unsigned shared, void *stream, void **parameters) {
  (void)stream;
  check(is_cooperative(kernel) && x > 0 && y == 1 && z == 1 && ty == 1 && tz == 1, "cooperative launch");
  check((int)shared <= allowed_bytes && x <= PROCESSORS * (SHARED_BYTES / (shared + DECLARED_BYTES)), "too large a grid");
  cooperative_blocks = x;
  for (unsigned block = 0; block < x; block++) ((kernel_t)kernel)(parameters, block, tx);
  return SUCCESS;
}
