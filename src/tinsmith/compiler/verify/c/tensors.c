/* tensors.c: calls with several tensors, as networks take them.
 *
 * PLAN, all little-endian: int64 runs, inputs, outputs; per input int64 bytes; per output int64 bytes of its largest
 * shape, int64 dimensions; then per run the elements of every input.
 * RESULT: int64 ABI version; per run int64 status and, where that is 0, for every output its shape (int64 per
 * dimension) and so many bytes as its largest shape has.
 */
#include "calls.h"
#include "tinsmith.h"

typedef struct {
    int64_t bytes, dimensions;
} Output;

typedef struct {
    int64_t runs, num_inputs, num_outputs;
    const int64_t *input_bytes;
    const Output *outputs;
} Plan;

/* Buffers of one run; all arrays are of pointers. */
typedef struct {
    void **inputs, **outputs;
    int64_t **shapes;
} Buffers;

static Buffers allocate_buffers(const Plan *plan)
{
    size_t count = (size_t)(plan->num_inputs + 2 * plan->num_outputs + 1);
    Buffers buffers = {.inputs = map_memory(count * sizeof(void *))};
    buffers.outputs = buffers.inputs + plan->num_inputs;
    buffers.shapes = (int64_t **)(void *)(buffers.outputs + plan->num_outputs);
    for (int64_t i = 0; i < plan->num_inputs; i++)
        buffers.inputs[i] = map_before_guard((size_t)plan->input_bytes[i]);
    for (int64_t i = 0; i < plan->num_outputs; i++) {
        buffers.outputs[i] = map_before_guard((size_t)plan->outputs[i].bytes);
        buffers.shapes[i] = map_before_guard((size_t)plan->outputs[i].dimensions * sizeof(int64_t));
    }
    return buffers;
}

static int64_t run_model(const Library *library, const Plan *plan, const Buffers *buffers)
{
    (void)plan;
    return CALL(library, "tinsmith_run", int32_t, (const void *const *, void *const *, int64_t *const *, uint32_t),
                (const void *const *)buffers->inputs, buffers->outputs, buffers->shapes, 0);
}

static int set_input_by_dlr(const Library *library, int index, const void *data)
{
    const char *name;
    int64_t shape[64], size;
    int dimensions;
    return CALL(library, "GetDLRInputName", int, (void **, int, const char **), &dlr_handle, index, &name) ||
           CALL(library, "GetDLRInputSizeDim", int, (void **, int, int64_t *, int *), &dlr_handle, index, &size,
                &dimensions) ||
           CALL(library, "GetDLRInputShape", int, (void **, int, int64_t *), &dlr_handle, index, shape) ||
           CALL(library, "SetDLRInput", int, (void **, const char *, const int64_t *, const void *, int), &dlr_handle,
                name, shape, data, dimensions);
}

static int64_t run_by_dlr(const Library *library, const Plan *plan, const Buffers *buffers)
{
    for (int index = 0; index < plan->num_inputs; index++)
        if (set_input_by_dlr(library, index, buffers->inputs[index]))
            return -1;
    if (CALL(library, "RunDLRModel", int, (void **), &dlr_handle))
        return -2;
    for (int index = 0; index < plan->num_outputs; index++)
        if (CALL(library, "GetDLROutputShape", int, (void **, int, int64_t *), &dlr_handle, index,
                 buffers->shapes[index]) ||
            CALL(library, "GetDLROutput", int, (void **, int, void *), &dlr_handle, index, buffers->outputs[index]))
            return -3;
    return 0;
}

static void write_outputs(const Plan *plan, const Buffers *buffers, int result)
{
    for (int64_t i = 0; i < plan->num_outputs; i++) {
        write_all(result, buffers->shapes[i], (size_t)plan->outputs[i].dimensions * sizeof(int64_t));
        write_all(result, buffers->outputs[i], (size_t)plan->outputs[i].bytes);
    }
}

void call_with_tensors(const Library *library, const int64_t *numbers, int result)
{
    const Plan plan = {numbers[0], numbers[1], numbers[2], numbers + 3, (const Output *)(numbers + 3 + numbers[1])};
    const char *elements = (const char *)(plan.outputs + plan.num_outputs);
    int64_t abi = dlr_handle ? TINSMITH_ABI_VERSION : CALL(library, "tinsmith_abi_version", int32_t, (void));
    write_all(result, &abi, sizeof abi);
    Buffers buffers = allocate_buffers(&plan);
    for (int64_t number = 0; number < plan.runs; number++) {
        for (int64_t i = 0; i < plan.num_inputs; i++) {
            __builtin_memcpy(buffers.inputs[i], elements, (size_t)plan.input_bytes[i]);
            elements += plan.input_bytes[i];
        }
        int64_t status = dlr_handle ? run_by_dlr(library, &plan, &buffers) : run_model(library, &plan, &buffers);
        write_all(result, &status, sizeof status);
        if (status == TINSMITH_OK)
            write_outputs(&plan, &buffers, result);
    }
}
