// The runtime's stand-in for libcuda, with what a caller of lossc needs besides:
// limited memory, times, graphs, and a stream that is busy. Work on a busy or
// capturing stream is noted, and done when it is waited for or replayed; work on
// any other stream is done at once, so that a call on a wrong stream shows.
//
// STAND_IN_FAULT names something that goes wrong.
#define cuMemAlloc_v2 plain_alloc
#define cuMemAllocAsync plain_alloc_async
#define cuMemFree_v2 plain_free
#define cuMemFreeAsync plain_free_async
#define cuMemcpyDtoDAsync_v2 plain_copy
#define cuMemcpyDtoHAsync_v2 plain_download
#define cuMemsetD8Async plain_fill_bytes
#define cuMemsetD32Async plain_fill_words
#define cuLaunchKernel plain_launch
#define cuStreamIsCapturing plain_is_capturing
#define cuLaunchCooperativeKernel plain_launch_cooperative
#define cuStreamSynchronize plain_synchronize
#define cuGetErrorName plain_error_name
#include "cuda/tests/stand_in_driver.c"
#undef cuMemAlloc_v2
#undef cuMemAllocAsync
#undef cuMemFree_v2
#undef cuMemFreeAsync
#undef cuMemcpyDtoDAsync_v2
#undef cuMemcpyDtoHAsync_v2
#undef cuMemsetD8Async
#undef cuMemsetD32Async
#undef cuLaunchKernel
#undef cuStreamIsCapturing
#undef cuLaunchCooperativeKernel
#undef cuStreamSynchronize
#undef cuGetErrorName

enum { OUT_OF_MEMORY = 2, UNKNOWN = 999 };

static int has_fault(const char *name) {
  const char *fault = getenv("STAND_IN_FAULT");
  return fault && strcmp(fault, name) == 0;
}

// ---- noted work ----
typedef enum { COPY, DOWNLOAD, FILL_BYTES, FILL_WORDS, LAUNCH, COOPERATIVE, FREE } kind_t;
typedef struct {
  kind_t kind;
  pointer_t to, from;
  size_t length;
  unsigned value, blocks, threads, shared;
  void *kernel;
  // Three pointers to pixels, and what a launch of both directions is told of its room.
  uint64_t parameters[PIXELS + 4];
} work_t;
typedef struct { work_t *items; int count; void *stream; } list_t;

static list_t busy, capturing;

static list_t *list_of(void *stream) {
  if (busy.stream && stream == busy.stream) return &busy;
  if (capturing.stream && stream == capturing.stream) return &capturing;
  return 0;
}

static result_t do_work(work_t *work) {
  void *parameters[PIXELS + 4];
  for (int i = 0; i < PIXELS + 4; i++) parameters[i] = &work->parameters[i];
  switch (work->kind) {
    case COPY: return plain_copy(work->to, work->from, work->length, 0);
    case DOWNLOAD: return plain_download((void *)work->to, work->from, work->length, 0);
    case FILL_BYTES: return plain_fill_bytes(work->to, work->value, work->length, 0);
    case FILL_WORDS: return plain_fill_words(work->to, work->value, work->length, 0);
    case LAUNCH: return plain_launch(work->kernel, work->blocks, 1, 1, work->threads, 1, 1, 0, 0, parameters, 0);
    case COOPERATIVE:
      return plain_launch_cooperative(work->kernel, work->blocks, 1, 1, work->threads, 1, 1, work->shared, 0, parameters);
    case FREE: return plain_free(work->to);
  }
  return UNKNOWN;
}

static result_t queue(void *stream, work_t work) {
  list_t *list = list_of(stream);
  if (list == &busy && has_fault("no order") && (work.kind == LAUNCH || work.kind == COOPERATIVE)) list = 0;
  if (!list) return do_work(&work);
  list->items = realloc(list->items, (list->count + 1) * sizeof work);
  list->items[list->count++] = work;
  return SUCCESS;
}

result_t cuMemcpyDtoDAsync_v2(pointer_t to, pointer_t from, size_t n, void *stream) {
  return queue(stream, (work_t){.kind = COPY, .to = to, .from = from, .length = n});
}
result_t cuMemcpyDtoHAsync_v2(void *to, pointer_t from, size_t n, void *stream) {
  result_t result = queue(stream, (work_t){.kind = DOWNLOAD, .to = (pointer_t)to, .from = from, .length = n});
  static int calls;
  int is_wrong = (has_fault("flaky") && n > 100000 && ++calls == 50) || has_fault("off by one bit");
  if (is_wrong && n > 0) *(char *)to ^= 1;
  return result;
}
result_t cuMemsetD8Async(pointer_t to, unsigned char value, size_t n, void *stream) {
  return queue(stream, (work_t){.kind = FILL_BYTES, .to = to, .value = value, .length = n});
}
result_t cuMemsetD32Async(pointer_t to, unsigned value, size_t n, void *stream) {
  return queue(stream, (work_t){.kind = FILL_WORDS, .to = to, .value = value, .length = n});
}
result_t cuStreamIsCapturing(void *stream, int *status) {
  *status = capturing.stream && stream == capturing.stream;
  return SUCCESS;
}
result_t cuLaunchKernel(void *kernel, unsigned x, unsigned y, unsigned z, unsigned tx, unsigned ty, unsigned tz,
                        unsigned shared, void *stream, void **parameters, void **extra) {
  check(y == 1 && z == 1 && ty == 1 && tz == 1 && shared == 0 && !extra, "launch");
  work_t work = {.kind = LAUNCH, .kernel = kernel, .blocks = x, .threads = tx};
  int is_epilogue = kernel == queue_epilogue_0 || kernel == queue_epilogue_1 || kernel == queue_epilogue_2;
  for (int i = 0; i < (is_epilogue ? PIXELS : PIXELS + 3); i++) work.parameters[i] = *(uint64_t *)parameters[i];
  return queue(stream, work);
}
result_t cuLaunchCooperativeKernel(void *kernel, unsigned x, unsigned y, unsigned z, unsigned tx, unsigned ty,
                                   unsigned tz, unsigned shared, void *stream, void **parameters) {
  check(y == 1 && z == 1 && ty == 1 && tz == 1, "cooperative launch");
  work_t work = {.kind = COOPERATIVE, .kernel = kernel, .blocks = x, .threads = tx, .shared = shared};
  for (int i = 0; i < PIXELS + 4; i++) work.parameters[i] = *(uint64_t *)parameters[i];
  return queue(stream, work);
}
result_t cuLaunchHostFunc(void *stream, void (*function)(void *), void *argument) {
  check(!busy.stream && !capturing.stream && function, "host function");
  (void)argument;
  busy.stream = stream;
  return SUCCESS;
}
result_t cuStreamSynchronize(void *stream) {
  check(!capturing.stream, "waiting during a capture");
  if (list_of(stream) != &busy) return SUCCESS;
  busy.stream = 0;
  for (int i = 0; i < busy.count; i++) {
    int is_launch = busy.items[i].kind == LAUNCH || busy.items[i].kind == COOPERATIVE;
    if (!is_launch || !has_fault("late work is lost")) do_work(&busy.items[i]);
  }
  busy.count = 0;
  return SUCCESS;
}

// ---- graphs: the list that was noted is both the graph and what is launched ----
result_t cuStreamBeginCapture_v2(void *stream, int mode) {
  check(!busy.stream && !capturing.stream && mode == 0, "begin of a capture");
  capturing = (list_t){.stream = stream};
  return SUCCESS;
}
result_t cuStreamEndCapture(void *stream, list_t **graph) {
  check(stream && stream == capturing.stream, "end of a capture");
  *graph = malloc(sizeof capturing);
  **graph = capturing;
  capturing = (list_t){0};
  handles++;
  return SUCCESS;
}
result_t cuGraphInstantiateWithFlags(list_t **executable, list_t *graph, unsigned long long flags) {
  check(flags == 0, "flags of a graph");
  *executable = graph;
  handles++;
  return SUCCESS;
}
result_t cuGraphLaunch(list_t *graph, void *stream) {
  check(!list_of(stream), "a graph on a busy stream");
  static int launches;
  if (has_fault("replay does nothing")) return SUCCESS;
  int is_first = launches++ == 0;
  if (has_fault(is_first ? "first replay does nothing" : "replay with old inputs")) return SUCCESS;
  // A graph's own memory is there for each launch: it is freed with the graph.
  for (int i = 0; i < graph->count; i++)
    if (graph->items[i].kind != FREE) do_work(&graph->items[i]);
  return SUCCESS;
}
result_t cuGraphGetNodes(list_t *graph, void **nodes, size_t *count) {
  check(!nodes, "an array of nodes");
  *count = graph->count;
  return SUCCESS;
}
result_t cuGraphExecDestroy(list_t *executable) { (void)executable; handles--; return SUCCESS; }
result_t cuGraphDestroy(list_t *graph) {
  for (int i = 0; i < graph->count; i++)
    if (graph->items[i].kind == FREE) do_work(&graph->items[i]);
  free(graph->items);
  return destroy(graph);
}

// ---- memory: as much as the largest timing needs, and large blocks are given back ----
enum { MEMORY = 400 << 20, LARGE = 1 << 16 };
static size_t used;

static result_t limited(pointer_t *pointer, size_t length) {
  if (length > MEMORY - used) return has_fault("other error") ? UNKNOWN : OUT_OF_MEMORY;
  result_t result = allocate(pointer, length);
  if (result == SUCCESS) used += length;
  return result;
}
static size_t length_of(pointer_t pointer) {
  for (int i = 0; i < block_count; i++)
    if (blocks[i].live && (pointer_t)blocks[i].start == pointer) return blocks[i].length;
  return 0;
}
static result_t give_back(pointer_t pointer) {
  size_t length = length_of(pointer);
  result_t result = plain_free(pointer);
  if (length >= LARGE) free((void *)pointer);
  used -= length;
  return result;
}
result_t cuMemAlloc_v2(pointer_t *p, size_t n) { check(!capturing.stream, "cuMemAlloc in a capture"); return limited(p, n); }
result_t cuMemAllocAsync(pointer_t *p, size_t n, void *stream) { (void)stream; return limited(p, n); }
result_t cuMemFree_v2(pointer_t p) { check(!capturing.stream, "cuMemFree in a capture"); return give_back(p); }
result_t cuMemFreeAsync(pointer_t p, void *stream) {
  if (list_of(stream)) return queue(stream, (work_t){.kind = FREE, .to = p});
  return give_back(p);
}
result_t cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
  *total = MEMORY;
  *free_bytes = MEMORY - used;
  return SUCCESS;
}
result_t cuGetErrorName(result_t error, const char **name) {
  if (error != OUT_OF_MEMORY) return plain_error_name(error, name);
  *name = "CUDA_ERROR_OUT_OF_MEMORY";
  return SUCCESS;
}

// ---- times ----
result_t cuEventElapsedTime(float *milliseconds, void *start, void *end) {
  check(start && end, "events");
  *milliseconds = 0.5F;
  return SUCCESS;
}
