/* tinsmith.h: the C interface of every compiled model (ABI version 1).
 *
 * There are two kinds of library, told apart by the function they export beside the common ones:
 *   a tree or linear model exports tinsmith_predict: rows of float32 in, predictions out;
 *   a network exports tinsmith_run: several tensors in, several tensors out.
 *
 * All functions are thread-safe. No function keeps a pointer that it was given; what a function points at stays as
 * long as the library is loaded. Results do not depend on the number of threads. A thread that has nothing to do looks
 * for more for TINSMITH_SPIN_MICROSECONDS before it sleeps (environment; default: 200, or 0 where there are more threads
 * than CPUs; Linux and Android). docs/c-interface.md has an example.
 */
#ifndef TINSMITH_H
#define TINSMITH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TINSMITH_ABI_VERSION 1

/* Return values. */
#define TINSMITH_OK 0
#define TINSMITH_NO_MEMORY 1
#define TINSMITH_BAD_ARGUMENT 2

/* Element types, numbered as ONNX TensorProto.DataType. Every element takes whole bytes: a number of 4 or 2 bits is
 * stored as int8 or uint8 would store it, a float of 4 bits in the lower half of a byte, a bool as 0 or 1. */
#define TINSMITH_FLOAT32 1
#define TINSMITH_UINT8 2
#define TINSMITH_INT8 3
#define TINSMITH_UINT16 4
#define TINSMITH_INT16 5
#define TINSMITH_INT32 6
#define TINSMITH_INT64 7
#define TINSMITH_BOOL 9
#define TINSMITH_FLOAT16 10
#define TINSMITH_FLOAT64 11
#define TINSMITH_UINT32 12
#define TINSMITH_UINT64 13
#define TINSMITH_COMPLEX64 14
#define TINSMITH_COMPLEX128 15
#define TINSMITH_BFLOAT16 16
#define TINSMITH_FLOAT8E4M3FN 17
#define TINSMITH_FLOAT8E4M3FNUZ 18
#define TINSMITH_FLOAT8E5M2 19
#define TINSMITH_FLOAT8E5M2FNUZ 20
#define TINSMITH_UINT4 21
#define TINSMITH_INT4 22
#define TINSMITH_FLOAT4E2M1 23
#define TINSMITH_FLOAT8E8M0 24
#define TINSMITH_UINT2 25
#define TINSMITH_INT2 26

/* ---- Every library ---- */

int32_t tinsmith_abi_version(void);

/* JSON text about the model: its producer, the kernels inside, and its tensors. A tree model has "input" and
 * "output": {"name", "dtype", "shape"}, where -1 is any number of rows. A network has "inputs" and "outputs", lists
 * of {"name", "dtype", "shape"} in the order that tinsmith_run takes them; in the shape of an output -1 is a size
 * that only a run tells, and "largest" beside it holds upper bounds of all dimensions. "dtype" is a numpy (or
 * ml_dtypes) name: "float32", "int64", "bool", "bfloat16", "float8_e4m3fn" ... */
const char *tinsmith_describe(void);

/* Limits the threads of one call, before the first call: 1 to 256. Without it TINSMITH_NUM_THREADS (environment) is the
 * limit, else the number of CPUs that the process may use. TINSMITH_BAD_ARGUMENT when the limit is settled otherwise. */
int32_t tinsmith_set_threads(int32_t threads);

/* What a returned value means, for people. */
static inline const char *tinsmith_status_text(int32_t status)
{
    return status == TINSMITH_OK             ? "no error"
           : status == TINSMITH_NO_MEMORY    ? "out of memory"
           : status == TINSMITH_BAD_ARGUMENT ? "the model rejects its arguments"
                                             : "unknown status";
}

/* ---- Tree and linear models ---- */

/* Flags of tinsmith_predict. */
#define TINSMITH_MARGIN 1u /* give the margin (the sums before the transform) instead of the prediction */

/* Columns of a row, of the prediction and of the margin, and the element type of both outputs. */
int64_t tinsmith_num_features(void);
int64_t tinsmith_num_outputs(void);
int64_t tinsmith_num_margins(void);
int32_t tinsmith_output_type(void);

/* Predicts `count` rows of float32. Row r begins at rows + r * stride (stride in elements, at least
 * tinsmith_num_features()). NaN is a missing value. `out` takes count * columns elements of
 * tinsmith_output_type(), row by row. Many threads work when count is large. */
int32_t tinsmith_predict(const float *rows, int64_t count, int64_t stride, void *out, uint32_t flags);

/* ---- Networks ---- */

struct tinsmith_tensor {
    const char *name;       /* UTF-8 */
    const int64_t *shape;   /* dimensions, `rank` of them; -1 is a size that only a run tells */
    const int64_t *largest; /* their upper bounds: equal to `shape` where that is not -1 */
    size_t bytes;           /* of the largest shape */
    int32_t rank;
    int32_t type; /* TINSMITH_FLOAT32, ... */
};

/* The inputs and the outputs, in the order that tinsmith_run takes them; *count becomes their number. */
const struct tinsmith_tensor *tinsmith_inputs(size_t *count);
const struct tinsmith_tensor *tinsmith_outputs(size_t *count);

/* Runs the network. inputs[i] and outputs[i] are the tensors of the description in its order: row-major, without
 * gaps, at any alignment, all apart from each other. outputs[i] must have room for the largest shape of output i; the
 * elements of a smaller one come first, again without gaps. `shapes` may be NULL; else shapes[i] may be NULL or takes
 * the dimensions of output i. `flags` is 0. What outputs hold after a failure is undefined. */
int32_t tinsmith_run(const void *const *inputs, void *const *outputs, int64_t *const *shapes, uint32_t flags);

#ifdef __cplusplus
}
#endif
#endif
