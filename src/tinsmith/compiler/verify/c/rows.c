/* rows.c: calls with rows of numbers, as tree models take them.
 *
 * PLAN, all little-endian: int64 calls, int64 elements; per call int64 offset, count, stride, flags; then the
 * elements, float32. Call number i is tinsmith_predict(elements + offset, count, stride, out, flags); those to a DLR
 * library have no gaps between rows and ask for no margins.
 * RESULT: int64 ABI version, features, outputs, margins, element type; per call int64 status and, where that
 * is 0, the output.
 */
#include "calls.h"
#include "tinsmith.h"

typedef struct {
    int64_t offset, count, stride, flags;
} Call;

static int32_t predict(const Library *library, const float *rows, const Call *call, void *out)
{
    return CALL(library, "tinsmith_predict", int32_t, (const float *, int64_t, int64_t, void *, uint32_t), rows,
                call->count, call->stride, out, (uint32_t)call->flags);
}

static void describe_model(const Library *library, int64_t facts[5])
{
    facts[0] = CALL(library, "tinsmith_abi_version", int32_t, (void));
    facts[1] = CALL(library, "tinsmith_num_features", int64_t, (void));
    facts[2] = CALL(library, "tinsmith_num_outputs", int64_t, (void));
    facts[3] = CALL(library, "tinsmith_num_margins", int64_t, (void));
    facts[4] = CALL(library, "tinsmith_output_type", int32_t, (void));
}

static int32_t predict_by_dlr(const Library *library, const float *rows, const Call *call, void *out)
{
    int64_t shape[2] = {call->count, call->stride};
    if (CALL(library, "SetDLRInput", int, (void **, const char *, const int64_t *, const void *, int), &dlr_handle,
             "data", shape, rows, 2))
        return -1;
    if (CALL(library, "RunDLRModel", int, (void **), &dlr_handle))
        return -2;
    return CALL(library, "GetDLROutput", int, (void **, int, void *), &dlr_handle, 0, out);
}

static void describe_by_dlr(const Library *library, int64_t facts[5])
{
    int64_t input[2], output[2];
    CALL(library, "GetDLRInputShape", int, (void **, int, int64_t *), &dlr_handle, 0, input);
    CALL(library, "GetDLROutputShape", int, (void **, int, int64_t *), &dlr_handle, 0, output);
    facts[0] = TINSMITH_ABI_VERSION;
    facts[1] = input[1];
    facts[2] = output[1];
    facts[3] = 0;
    facts[4] = TINSMITH_FLOAT32;
}

static void run(const Library *library, const Call *call, const float *elements, const int64_t facts[5], int result)
{
    size_t columns = (size_t)(call->flags & TINSMITH_MARGIN ? facts[3] : facts[2]);
    size_t element = facts[4] == TINSMITH_FLOAT64 ? sizeof(double) : sizeof(float);
    size_t span = call->count ? (size_t)((call->count - 1) * call->stride + facts[1]) * sizeof(float) : 0;
    size_t out_bytes = (size_t)call->count * columns * element;
    float *rows = map_before_guard(span);
    void *out = map_before_guard(out_bytes);
    __builtin_memcpy(rows, elements + call->offset, span);
    int64_t status = dlr_handle ? predict_by_dlr(library, rows, call, out) : predict(library, rows, call, out);
    write_all(result, &status, sizeof status);
    if (status == TINSMITH_OK)
        write_all(result, out, out_bytes);
    unmap_before_guard(rows, span);
    unmap_before_guard(out, out_bytes);
}

void call_with_rows(const Library *library, const int64_t *plan, int result)
{
    const Call *calls = (const Call *)(plan + 2);
    const float *elements = (const float *)(calls + plan[0]);
    int64_t facts[5];
    if (dlr_handle)
        describe_by_dlr(library, facts);
    else
        describe_model(library, facts);
    write_all(result, facts, sizeof facts);
    for (int64_t i = 0; i < plan[0]; i++)
        run(library, &calls[i], elements, facts, result);
}
