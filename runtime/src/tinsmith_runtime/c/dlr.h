/* dlr.h: the C interface of the DLR runtime (version 1.10), as the libdlr.so beside this file offers it.
 *
 * Every function returns 0, or -1 after noting a message for DLRGetLastError() (per thread). A handle belongs to
 * one thread at a time; different handles are independent. Pointers that a function gives out stay good until the
 * next call on the same handle that changes what they point at, and no longer than the handle.
 *
 * The library links nothing itself: a C program that uses it links the C library and, with glibc before 2.34, -ldl.
 */
#ifndef DLR_H
#define DLR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DLR_MAJOR 1
#define DLR_MINOR 10
#define DLR_PATCH 0
#define DLR_MAKE_VERSION(major, minor, patch) ((major) * 10000 + (minor) * 100 + (patch))
#define DLR_VERSION DLR_MAKE_VERSION(DLR_MAJOR, DLR_MINOR, DLR_PATCH)

typedef void *DLRModelHandle;
typedef void *(*DLRMallocFunctionPtr)(size_t size);
typedef void (*DLRFreeFunctionPtr)(void *memory);
typedef void *(*DLRMemalignFunctionPtr)(size_t alignment, size_t size);

enum DLRModelElemType { HEXAGON_LIB, NEO_METADATA, TVM_GRAPH, TVM_LIB, TVM_PARAMS, RELAY_EXEC, TF2_SAVED_MODEL };
typedef struct ModelElem {
    const enum DLRModelElemType type;
    const char *path;
    const void *data;
    const size_t data_size;
} DLRModelElem;

/* Making and deleting. model_path: the artifact's folder, or the compiled library in it. dev_type: 1 (CPU). */
int CreateDLRModel(DLRModelHandle *handle, const char *model_path, int dev_type, int dev_id);
int CreateDLRModelFromModelElem(DLRModelHandle *handle, const DLRModelElem *elements, size_t count, int dev_type,
                                int dev_id); /* not offered: -1 */
int CreateDLRPipeline(DLRModelHandle *handle, int num_models, const char **model_paths, int dev_type,
                      int dev_id); /* one model only */
int DeleteDLRModel(DLRModelHandle *handle);

/* The model's inputs. A tree model has one, "data": float32, (rows, features), NaN is a missing value; rows may be
 * shorter than `features`: the columns they lack count as missing. A network has its own names, types and fixed
 * shapes; a scalar may also be given as one element. Types are numpy's names; elements that numpy has no type for
 * are given as their bits: bfloat16 as "uint16", floats of 8 bits as "uint8", int4 as "int8". Values are copied. */
int GetDLRNumInputs(DLRModelHandle *handle, int *num_inputs);
int GetDLRInputName(DLRModelHandle *handle, int index, const char **input_name);
int GetDLRInputType(DLRModelHandle *handle, int index, const char **input_type);
int GetDLRInputShape(DLRModelHandle *handle, int index, int64_t *shape); /* rows: -1 before SetDLRInput */
int GetDLRInputSizeDim(DLRModelHandle *handle, int index, int64_t *size, int *dim);
int SetDLRInput(DLRModelHandle *handle, const char *name, const int64_t *shape, const void *input, int dim);
int SetDLRInputTensor(DLRModelHandle *handle, const char *name, void *tensor);         /* not offered: -1 */
int SetDLRInputTensorZeroCopy(DLRModelHandle *handle, const char *name, void *tensor); /* not offered: -1 */
int GetDLRInput(DLRModelHandle *handle, const char *name, void *input); /* as set: rows of the width given */

/* Weights are compiled in: there are none to name. */
int GetDLRNumWeights(DLRModelHandle *handle, int *num_weights);
int GetDLRWeightName(DLRModelHandle *handle, int index, const char **weight_name);

int RunDLRModel(DLRModelHandle *handle);

/* The model's outputs. A tree model has one: float32, (rows, columns). Of a network whose backend is "relayvm" some
 * sizes depend on the inputs: they are -1 before the first RunDLRModel, afterwards those of the last one. */
int GetDLRNumOutputs(DLRModelHandle *handle, int *num_outputs);
int GetDLROutputName(DLRModelHandle *handle, const int index, const char **name);
int GetDLROutputIndex(DLRModelHandle *handle, const char *name, int *index);
int GetDLROutputType(DLRModelHandle *handle, int index, const char **output_type);
int GetDLROutputShape(DLRModelHandle *handle, int index, int64_t *shape);
int GetDLROutputSizeDim(DLRModelHandle *handle, int index, int64_t *size, int *dim);
int GetDLROutput(DLRModelHandle *handle, int index, void *out);
int GetDLROutputPtr(DLRModelHandle *handle, int index, const void **out);
int GetDLROutputByName(DLRModelHandle *handle, const char *name, void *out);
int GetDLROutputTensor(DLRModelHandle *handle, int index, void *tensor);                  /* not offered: -1 */
int GetDLROutputManagedTensorPtr(DLRModelHandle *handle, int index, const void **tensor); /* not offered: -1 */

/* About the model and the runtime. */
int GetDLRHasMetadata(DLRModelHandle *handle, bool *has_metadata);
int GetDLRBackend(DLRModelHandle *handle, const char **name); /* a tree model: "treelite"; a network: "tvm", "relayvm" */
int GetDLRDeviceType(const char *model_path);                 /* 1: CPU */
int GetDLRVersion(const char **version);
const char *DLRGetLastError(void);

/* Settings. Threads, 1 to 256, are set before the first run, for all handles of a model; else the environment's
 * TINSMITH_NUM_THREADS counts. The allocators hold the rows and results of models that are created later; set both or
 * neither. */
int SetDLRNumThreads(DLRModelHandle *handle, int threads);
int UseDLRCPUAffinity(DLRModelHandle *handle, int use); /* not offered: -1 */
int SetDLRCustomAllocatorMalloc(DLRMallocFunctionPtr function);
int SetDLRCustomAllocatorFree(DLRFreeFunctionPtr function);
int SetDLRCustomAllocatorMemalign(DLRMemalignFunctionPtr function);

#ifdef __cplusplus
}
#endif
#endif
