// Kernels in C that follow the KernelArguments interface: a "loss" that is the variance
// of the inputs at positive pixels, with the chunk sums of the layout contract.
//   kernel 0: sum of x and count of positives   epilogue 0: the mean; a loss for one pass
//   kernel 1: sum of (x - mean)^2               epilogue 1: the loss
//   kernel 2: gradient = upstream * 2 * (x - mean), 0 at negatives
#include <stdint.h>

typedef struct {
  int64_t plane_length, planes, groups, chunks_per_plane;
  uint64_t seed, stream;
  uint8_t *const *pixels;
  const int64_t *plane_group;
  uint64_t *scalars;
  uint64_t *group_totals;
  uint32_t *partials;
  uint64_t *results;
} kernel_arguments;

enum { UPSTREAM, SHIFT, GROUP_COUNT, PIXEL_COUNT, MEAN };

static uint32_t bits_of_float(float x) { uint32_t b; __builtin_memcpy(&b, &x, 4); return b; }
static double double_of_bits(uint64_t b) { double x; __builtin_memcpy(&x, &b, 8); return x; }
static float low_float(uint64_t b) { float x; __builtin_memcpy(&x, &b, 4); return x; }
static uint64_t bits_of_double(double x) { uint64_t b; __builtin_memcpy(&b, &x, 8); return b; }

// Volatile: compilers would otherwise call memset, which no object's loader provides.
static void clear(volatile float *accumulators) {
  for (int i = 0; i < 128; i++) accumulators[i] = 0;
}

static float tree(float *accumulators) {
  for (int n = 64; n >= 32; n /= 2)
    for (int i = 0; i < n; i++) accumulators[i] = accumulators[2 * i] + accumulators[2 * i + 1];
  for (int half = 16; half > 0; half /= 2)
    for (int i = 0; i < half; i++) accumulators[i] += accumulators[i + half];
  return accumulators[0];
}

#define FOR_EACH_PIXEL(body)                                                  \
  int64_t phase = (plane * f->plane_length) & 3;                                  \
  for (int64_t q = chunk * 2048; q < (chunk + 1) * 2048; q++) {               \
    int64_t position = q - phase;                                             \
    if (position < 0 || position >= f->plane_length) continue;                  \
    int64_t e = plane * f->plane_length + position;                               \
    float x = ((const float *)f->pixels[0])[e] + low_float(f->scalars[SHIFT]); \
    int positive = f->pixels[1][e];                                           \
    body                                                                      \
  }

static uint32_t *partial(const kernel_arguments *f, int64_t reduction, int64_t plane, int64_t chunk) {
  return &f->partials[reduction * f->planes * f->chunks_per_plane + plane * f->chunks_per_plane + chunk];
}

void kernel_0(const kernel_arguments *f, int64_t plane, int64_t chunk) {
  float accumulators[128];
  clear(accumulators);
  uint32_t count = 0;
  FOR_EACH_PIXEL(if (positive) { accumulators[q & 127] += x; count++; })
  *partial(f, 0, plane, chunk) = count;
  *partial(f, 1, plane, chunk) = bits_of_float(tree(accumulators));
}

void epilogue_0(const kernel_arguments *f) {
  double sum = 0;
  int64_t count = 0;
  for (int64_t g = 0; g < f->groups; g++) {
    sum += double_of_bits(f->group_totals[0 * f->groups + g]);
    count += (int64_t)f->group_totals[1 * f->groups + g];
    f->results[1 + g] = f->group_totals[1 * f->groups + g];
    f->results[1 + f->groups + g] = bits_of_float((float)double_of_bits(f->group_totals[g]));
  }
  f->scalars[MEAN] = bits_of_double(count ? (float)(sum / (double)count) : 0);
  f->results[0] = bits_of_float((float)sum);
}

void kernel_1(const kernel_arguments *f, int64_t plane, int64_t chunk) {
  float accumulators[128];
  clear(accumulators);
  float mean = (float)double_of_bits(f->scalars[MEAN]);
  FOR_EACH_PIXEL(if (positive) { float d = x - mean; accumulators[q & 127] += d * d; })
  *partial(f, 0, plane, chunk) = bits_of_float(tree(accumulators));
}

void epilogue_1(const kernel_arguments *f) {
  double sum = 0;
  for (int64_t g = 0; g < f->groups; g++) sum += double_of_bits(f->group_totals[2 * f->groups + g]);
  f->results[0] = bits_of_float((float)sum);
}

void kernel_2(const kernel_arguments *f, int64_t plane, int64_t chunk) {
  float mean = (float)double_of_bits(f->scalars[MEAN]), scale = 2 * low_float(f->scalars[UPSTREAM]);
  float *gradient = (float *)f->pixels[2];
  FOR_EACH_PIXEL(gradient[e] = positive ? scale * (x - mean) : 0;)
}

void epilogue_2(const kernel_arguments *f) { (void)f; }
