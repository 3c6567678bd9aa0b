/* tvm_abi.c: the whole network as one packed function of TVM, which the graph runtime inside DLR's own native library
 * (release 1.6 and others of its time) calls as compiled_model.json tells it. */
#include "tinsmith.h"

#include <stdbool.h>

#include "model.h"

#if defined(_WIN32)
#define TS_EXPORT /* the linker is told the names */
#else
#define TS_EXPORT __attribute__((visibility("default")))
#endif

/* DLTensor of dlpack.h, versions 0.2 to 0.6. */
struct dl_tensor {
    void *data;
    int32_t device_type, device_id;
    int32_t dimensions;
    uint8_t type_code, type_bits;
    uint16_t type_lanes;
    int64_t *shape, *strides;
    uint64_t byte_offset;
};

/* TVMValue of c_runtime_api.h; eight bytes on every machine. */
union tvm_value {
    int64_t integer;
    const struct dl_tensor *tensor;
};

static void *data_of(union tvm_value value)
{
    return (char *)value.tensor->data + value.tensor->byte_offset;
}

/* `values` are the inputs, then the outputs, all without gaps; gives 0, or -1. */
TS_EXPORT int32_t tinsmith_tvm_run(const union tvm_value *values, const int32_t *types, int32_t count,
                                   union tvm_value *result, int32_t *result_type, void *resource)
{
    (void)types, (void)result, (void)result_type, (void)resource;
    const void *inputs[TS_INPUTS + 1];
    void *outputs[TS_OUTPUTS + 1];
    if (count != TS_INPUTS + TS_OUTPUTS)
        return -1;
    for (int32_t i = 0; i < TS_INPUTS; i++)
        inputs[i] = data_of(values[i]);
    for (int32_t i = 0; i < TS_OUTPUTS; i++)
        outputs[i] = data_of(values[TS_INPUTS + i]);
    return tinsmith_run(inputs, outputs, NULL, 0) == TINSMITH_OK ? 0 : -1;
}
