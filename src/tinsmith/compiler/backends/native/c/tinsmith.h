/* tinsmith.h: the C interface of every compiled model (ABI version 1).
 *
 * All functions are thread-safe. No function keeps a pointer that it was given.
 */
#ifndef TINSMITH_H
#define TINSMITH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TINSMITH_ABI_VERSION 1

/* Flags of tinsmith_predict. */
#define TINSMITH_MARGIN 1u /* give the margin (the sums before the transform) instead of the prediction */

/* Element types, numbered as ONNX TensorProto.DataType. */
#define TINSMITH_FLOAT32 1
#define TINSMITH_FLOAT64 11

/* Return values. */
#define TINSMITH_OK 0
#define TINSMITH_NO_MEMORY 1
#define TINSMITH_BAD_ARGUMENT 2

int32_t tinsmith_abi_version(void);

/* Columns of a row, of the prediction and of the margin, and the element type of both outputs. */
int64_t tinsmith_num_features(void);
int64_t tinsmith_num_outputs(void);
int64_t tinsmith_num_margins(void);
int32_t tinsmith_output_type(void);

/* JSON text: names, types and shapes of input and output, producer of the model, kernels inside. */
const char *tinsmith_describe(void);

/* Predicts `count` rows of float32. Row r begins at rows + r * stride (stride in elements, at least
 * tinsmith_num_features()). NaN is a missing value. `out` takes count * columns elements of
 * tinsmith_output_type(), row by row. Uses up to TINSMITH_NUM_THREADS threads (environment; default: all
 * CPUs) when count is large. */
int32_t tinsmith_predict(const float *rows, int64_t count, int64_t stride, void *out, uint32_t flags);

#ifdef __cplusplus
}
#endif
#endif
