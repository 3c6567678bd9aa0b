/* network_entry.c: the C interface of a network. Chooses the variant, keeps arenas. */
#include "tinsmith.h"

#include <stdatomic.h>

#include "network.h"
#include "network_interface.h"
#include "platform.h"

#if defined(_WIN32)
#define TS_EXPORT /* the linker is told the names */
#else
#define TS_EXPORT __attribute__((visibility("default")))
#endif

/* Arenas that wait for the next call. */
#define SPARES 16

static _Atomic(void *) spares[SPARES];

static ts_network *network(void)
{
#ifdef TS_VARIANTS
#define TS_LIST_NETWORK(variant) ts_network_##variant,
    static ts_network *const all[] = {TS_VARIANTS(TS_LIST_NETWORK)};
    size_t isa = (size_t)ts_cpu_isa();
    size_t last = sizeof all / sizeof all[0] - 1;
    return all[isa < last ? isa : last];
#else
    return ts_network_only;
#endif
}

/* Of an arena and the scratch memory behind it. */
static size_t memory_bytes(void)
{
    return TS_ARENA_BYTES + (TS_SCRATCH_BYTES ? (size_t)TS_SCRATCH_BYTES * ts_thread_limit() : 0);
}

static void *take_arena(void)
{
    for (size_t i = 0; i < SPARES; i++) {
        void *memory = atomic_exchange_explicit(&spares[i], NULL, memory_order_acquire);
        if (memory)
            return memory;
    }
    return ts_allocate(memory_bytes());
}

static void give_arena(void *memory)
{
    for (size_t i = 0; i < SPARES; i++) {
        void *nothing = NULL;
        if (atomic_compare_exchange_strong_explicit(&spares[i], &nothing, memory, memory_order_release,
                                                    memory_order_relaxed))
            return;
    }
    ts_release(memory);
}

#if !defined(_WIN32)
__attribute__((destructor)) static void release_arenas(void)
{
    for (size_t i = 0; i < SPARES; i++)
        if (spares[i])
            ts_release(spares[i]);
}
#endif

/* An entry more, as there may be no tensors. */
static const struct tinsmith_tensor input_tensors[] = {TS_INPUT_TENSORS {0}};
static const struct tinsmith_tensor output_tensors[] = {TS_OUTPUT_TENSORS {0}};

static void write_shapes(int64_t *const *shapes, const ts_index *sizes)
{
    static const int64_t dimensions[] = {TS_OUTPUT_DIMENSIONS 0};
    const int64_t *next = dimensions;
    for (size_t output = 0; output < TS_OUTPUTS; output++)
        for (int32_t axis = 0; axis < output_tensors[output].rank; axis++, next++)
            if (shapes[output])
                shapes[output][axis] = *next >= 0 ? *next : (int64_t)sizes[-1 - *next];
}

TS_EXPORT int32_t tinsmith_run(const void *const *inputs, void *const *outputs, int64_t *const *shapes, uint32_t flags)
{
    if (flags || (TS_INPUTS && !inputs) || (TS_OUTPUTS && !outputs))
        return TINSMITH_BAD_ARGUMENT;
    ts_index sizes[TS_SIZES + 1] = {0};
    bool failed = false;
    unsigned char *arena = memory_bytes() ? take_arena() : NULL;
    if (memory_bytes() && !arena)
        return TINSMITH_NO_MEMORY;
    unsigned char *scratch = TS_SCRATCH_BYTES ? arena + TS_ARENA_BYTES : NULL;
    network()(&(struct ts_run){inputs, outputs, arena, scratch, sizes, &failed});
    if (shapes)
        write_shapes(shapes, sizes);
    if (arena)
        give_arena(arena);
    return failed ? TINSMITH_BAD_ARGUMENT : TINSMITH_OK;
}

TS_EXPORT int32_t tinsmith_abi_version(void)
{
    return TINSMITH_ABI_VERSION;
}

TS_EXPORT const char *tinsmith_describe(void)
{
    return TS_CONSTANT(char, TS_AT_DESCRIPTION);
}

TS_EXPORT const struct tinsmith_tensor *tinsmith_inputs(size_t *count)
{
    *count = TS_INPUTS;
    return input_tensors;
}

TS_EXPORT const struct tinsmith_tensor *tinsmith_outputs(size_t *count)
{
    *count = TS_OUTPUTS;
    return output_tensors;
}

TS_EXPORT int32_t tinsmith_set_threads(int32_t threads)
{
    return ts_limit_threads(threads) ? TINSMITH_OK : TINSMITH_BAD_ARGUMENT;
}
