/* The DLR interface over the compiled model that lies beside this library. */
#pragma GCC visibility push(default)
#include "dlr.h"
#pragma GCC visibility pop

#include "message.h"
#include "system.h"
#include "tinsmith.h"

#define SUCCESS 0
#define DEVICE_CPU 1 /* kDLCPU of dlpack.h */
#define DIMENSIONS 2
#define NAME_BYTES 256

typedef struct {
    int32_t (*predict)(const float *, int64_t, int64_t, void *, uint32_t);
    int64_t features;
    int64_t columns;
    int32_t element_type;
    int64_t count; /* rows of the last SetDLRInput; -1 before it */
    int64_t width; /* columns that SetDLRInput was given */
    float *rows;   /* count * features */
    float *out;    /* count * columns, NULL until the model has run on `rows` */
    DLRFreeFunctionPtr release;
    char output_name[NAME_BYTES];
} Model;

static DLRMallocFunctionPtr custom_allocate;
static DLRFreeFunctionPtr custom_release;

/* Copies the value of "name" inside the object "output" of the model's description. Names with escapes in their
 * JSON form, which are beyond this reader, become "output". */
static void read_output_name(const char *description, char name[NAME_BYTES])
{
    const char *value = after_word(after_word(description, "\"output\""), "\"name\"");
    while (value && (*value == ':' || *value == ' '))
        value++;
    size_t length = 0;
    if (value && *value++ == '"')
        while (value[length] && value[length] != '"' && value[length] != '\\' && length + 1 < NAME_BYTES) {
            name[length] = value[length];
            length++;
        }
    if (length == 0 || value[length] != '"')
        append(name, NAME_BYTES, 0, "output");
    else
        name[length] = 0;
}

/* ---- making and deleting ---- */

static void *allocate(size_t bytes)
{
    size_t some = bytes ? bytes : 1;
    return custom_allocate ? custom_allocate(some) : system_allocate(some);
}

/* Elements of a block of `rows` by `columns`; -1 when that many bytes cannot be. */
static int64_t elements(int64_t rows, int64_t columns, size_t bytes)
{
    int64_t most = (int64_t)(PTRDIFF_MAX / bytes);
    return columns != 0 && rows > most / columns ? -1 : rows * columns;
}

static void *find_function(void *library, const char *name, bool *complete)
{
    void *function = find_symbol(library, name);
    *complete = *complete && function;
    return function;
}

static bool bind(Model *model, void *library)
{
    bool complete = true;
    int32_t (*abi_version)(void) = find_function(library, "tinsmith_abi_version", &complete);
    int64_t (*num_features)(void) = find_function(library, "tinsmith_num_features", &complete);
    int64_t (*num_outputs)(void) = find_function(library, "tinsmith_num_outputs", &complete);
    int32_t (*output_type)(void) = find_function(library, "tinsmith_output_type", &complete);
    const char *(*describe)(void) = find_function(library, "tinsmith_describe", &complete);
    model->predict = find_function(library, "tinsmith_predict", &complete);
    if (!complete || abi_version() != TINSMITH_ABI_VERSION)
        return false;
    model->features = num_features();
    model->columns = num_outputs();
    model->element_type = output_type();
    read_output_name(describe(), model->output_name);
    return model->element_type == TINSMITH_FLOAT32 || model->element_type == TINSMITH_FLOAT64;
}

/* The library is never closed: threads of its pool may still be in its code. */
static int open_model(DLRModelHandle *handle, const char *folder, size_t length)
{
    char path[PATH_BYTES];
    if (length + sizeof LIBRARY_NAME + 1 > sizeof path)
        return fail("The path of the model is too long.");
    for (size_t i = 0; i < length; i++)
        path[i] = folder[i];
    path[length] = 0;
    if (!ends_with(path, length, LIBRARY_NAME)) {
        if (length > 0 && path[length - 1] != '/')
            length = append(path, sizeof path, length, "/");
        append(path, sizeof path, length, LIBRARY_NAME);
    }
    void *library = open_library(path);
    if (!library)
        return fail_with_name("Cannot load '", path, "': it is missing or not compiled for this machine.");
    Model *model = system_allocate(sizeof *model);
    if (!model)
        return fail("Out of memory.");
    *model = (Model){.count = -1, .release = custom_release ? custom_release : system_release};
    if (!bind(model, library)) {
        system_release(model);
        return fail_with_name("'", path, "' is not a compiled model of this version.");
    }
    *handle = model;
    return SUCCESS;
}

int CreateDLRModel(DLRModelHandle *handle, const char *model_path, int dev_type, int dev_id)
{
    (void)dev_id;
    if (!handle || !model_path)
        return fail("handle and model_path must not be null");
    *handle = NULL;
    if (dev_type != DEVICE_CPU)
        return fail_with_numbers("Compiled model requires device type \"cpu\".", dev_type, DEVICE_CPU, "");
    size_t length = 0;
    while (model_path[length])
        length++;
    return open_model(handle, model_path, length);
}

int CreateDLRModelFromModelElem(DLRModelHandle *handle, const DLRModelElem *model_elements, size_t count,
                                int dev_type, int dev_id)
{
    (void)handle, (void)model_elements, (void)count, (void)dev_type, (void)dev_id;
    return fail("CreateDLRModelFromModelElem is not supported by compiled tree models; use CreateDLRModel.");
}

int CreateDLRPipeline(DLRModelHandle *handle, int num_models, const char **model_paths, int dev_type, int dev_id)
{
    if (num_models != 1 || !model_paths)
        return fail_with_numbers("A pipeline of compiled tree models has one model.", num_models, 1, "");
    return CreateDLRModel(handle, model_paths[0], dev_type, dev_id);
}

static void forget_output(Model *model)
{
    if (model->out)
        model->release(model->out);
    model->out = NULL;
}

static void forget_input(Model *model)
{
    forget_output(model);
    if (model->rows)
        model->release(model->rows);
    model->rows = NULL;
    model->count = -1;
}

static Model *model_of(DLRModelHandle *handle)
{
    if (handle && *handle)
        return *handle;
    fail("model is nullptr, create it first");
    return NULL;
}

int DeleteDLRModel(DLRModelHandle *handle)
{
    Model *model = model_of(handle);
    if (!model)
        return FAILURE;
    forget_input(model);
    system_release(model);
    *handle = NULL;
    return SUCCESS;
}

/* ---- input ---- */

/* The model, if `index` names its only input or output and `result` can be written. */
static Model *only(DLRModelHandle *handle, int index, const void *result, const char *complaint)
{
    Model *model = model_of(handle);
    if (!model)
        return NULL;
    if (index == 0 && result)
        return model;
    fail(result ? complaint : "The place for the result is null.");
    return NULL;
}

static Model *only_input(DLRModelHandle *handle, int index, const void *result)
{
    return only(handle, index, result, "Input index is out of range.");
}

static Model *only_output(DLRModelHandle *handle, int index, const void *result)
{
    return only(handle, index, result, "Output index is out of range.");
}

static const char *const input_name = "data"; /* as DLR calls the input of every tree model */

int GetDLRNumInputs(DLRModelHandle *handle, int *num_inputs)
{
    if (!only_input(handle, 0, num_inputs))
        return FAILURE;
    *num_inputs = 1;
    return SUCCESS;
}

int GetDLRInputName(DLRModelHandle *handle, int index, const char **name)
{
    if (!only_input(handle, index, name))
        return FAILURE;
    *name = input_name;
    return SUCCESS;
}

int GetDLRInputType(DLRModelHandle *handle, int index, const char **input_type)
{
    if (!only_input(handle, index, input_type))
        return FAILURE;
    *input_type = "float32";
    return SUCCESS;
}

int GetDLRInputShape(DLRModelHandle *handle, int index, int64_t *shape)
{
    Model *model = only_input(handle, index, shape);
    if (!model)
        return FAILURE;
    shape[0] = model->count;
    shape[1] = model->features;
    return SUCCESS;
}

int GetDLRInputSizeDim(DLRModelHandle *handle, int index, int64_t *size, int *dim)
{
    Model *model = only_input(handle, index, size && dim ? size : NULL);
    if (!model)
        return FAILURE;
    *size = model->count < 0 ? -1 : model->count * model->features;
    *dim = DIMENSIONS;
    return SUCCESS;
}

static void copy_rows(const Model *model, const float *input)
{
    float *cell = model->rows;
    for (int64_t row = 0; row < model->count; row++) {
        for (int64_t column = 0; column < model->width; column++)
            *cell++ = *input++;
        for (int64_t column = model->width; column < model->features; column++)
            *cell++ = __builtin_nanf("");
    }
}

int SetDLRInput(DLRModelHandle *handle, const char *name, const int64_t *shape, const void *input, int dim)
{
    Model *model = model_of(handle);
    if (!model)
        return FAILURE;
    if (!name || !same_text(name, input_name))
        return fail_with_name("Input '", name, "' is unknown; the only input is 'data'.");
    if (dim != DIMENSIONS || !shape)
        return fail_with_numbers("Mismatch found in input dimension.", dim, DIMENSIONS, "");
    if (shape[1] < 0 || shape[1] > model->features)
        return fail_with_numbers("ClientError: Mismatch found in input shape at dimension 1.", shape[1],
                                 model->features, " or less");
    if (shape[0] < 0 || (!input && shape[0] > 0 && shape[1] > 0))
        return fail("ClientError: the number of rows is negative or the data is null.");
    int64_t cells = elements(shape[0], model->features, sizeof *model->rows);
    forget_input(model);
    model->rows = cells < 0 ? NULL : allocate((size_t)cells * sizeof *model->rows);
    if (!model->rows)
        return fail("Out of memory.");
    model->count = shape[0];
    model->width = shape[1];
    copy_rows(model, input);
    return SUCCESS;
}

int SetDLRInputTensor(DLRModelHandle *handle, const char *name, void *tensor)
{
    (void)handle, (void)name, (void)tensor;
    return fail("model is not a TVMModel or RelayVMModel. Found 'treelite' but expected 'tvm' or 'relayvm'");
}

int SetDLRInputTensorZeroCopy(DLRModelHandle *handle, const char *name, void *tensor)
{
    (void)handle, (void)name, (void)tensor;
    return fail("model is not a TVMModel. Found 'treelite' but expected 'tvm'");
}

int GetDLRInput(DLRModelHandle *handle, const char *name, void *input)
{
    Model *model = only_input(handle, 0, input);
    if (!model)
        return FAILURE;
    if (!name || !same_text(name, input_name))
        return fail_with_name("Input '", name, "' is unknown; the only input is 'data'.");
    if (model->count < 0)
        return fail("The input has not been set.");
    float *cell = input;
    for (int64_t row = 0; row < model->count; row++)
        for (int64_t column = 0; column < model->width; column++)
            *cell++ = model->rows[row * model->features + column];
    return SUCCESS;
}

int GetDLRNumWeights(DLRModelHandle *handle, int *num_weights)
{
    if (!only_input(handle, 0, num_weights))
        return FAILURE;
    *num_weights = 0;
    return SUCCESS;
}

int GetDLRWeightName(DLRModelHandle *handle, int index, const char **weight_name)
{
    (void)handle, (void)index, (void)weight_name;
    return fail("GetWeightName is not supported by Treelite backend.");
}

/* ---- running ---- */

/* Rounds each double to the float in its place's first half; the k-th float never overtakes the k-th double. */
static void narrow(void *values, int64_t count)
{
    const char *source = values;
    char *destination = values;
    for (int64_t i = 0; i < count; i++) {
        double wide;
        __builtin_memcpy(&wide, source + i * (int64_t)sizeof wide, sizeof wide);
        float rounded = (float)wide;
        __builtin_memcpy(destination + i * (int64_t)sizeof rounded, &rounded, sizeof rounded);
    }
}

int RunDLRModel(DLRModelHandle *handle)
{
    Model *model = model_of(handle);
    if (!model)
        return FAILURE;
    if (model->count < 0)
        return fail("The input has not been set.");
    forget_output(model);
    size_t bytes = model->element_type == TINSMITH_FLOAT64 ? sizeof(double) : sizeof(float);
    int64_t cells = elements(model->count, model->columns, bytes);
    void *out = cells < 0 ? NULL : allocate((size_t)cells * bytes);
    if (!out)
        return fail("Out of memory.");
    int32_t status = model->count ? model->predict(model->rows, model->count, model->features, out, 0) : TINSMITH_OK;
    if (status != TINSMITH_OK) {
        model->release(out);
        return fail(status == TINSMITH_NO_MEMORY ? "Out of memory." : "The compiled model rejected its input.");
    }
    if (model->element_type == TINSMITH_FLOAT64)
        narrow(out, cells);
    model->out = out;
    return SUCCESS;
}

/* ---- output ---- */

int GetDLRNumOutputs(DLRModelHandle *handle, int *num_outputs)
{
    if (!only_output(handle, 0, num_outputs))
        return FAILURE;
    *num_outputs = 1;
    return SUCCESS;
}

int GetDLROutputName(DLRModelHandle *handle, const int index, const char **name)
{
    Model *model = only_output(handle, index, name);
    if (!model)
        return FAILURE;
    *name = model->output_name;
    return SUCCESS;
}

int GetDLROutputIndex(DLRModelHandle *handle, const char *name, int *index)
{
    Model *model = only_output(handle, 0, index);
    if (!model)
        return FAILURE;
    if (!name || !same_text(name, model->output_name))
        return fail_with_name("Couldn't find index for output node ", name, "!");
    *index = 0;
    return SUCCESS;
}

int GetDLROutputType(DLRModelHandle *handle, int index, const char **output_type)
{
    if (!only_output(handle, index, output_type))
        return FAILURE;
    *output_type = "float32";
    return SUCCESS;
}

int GetDLROutputShape(DLRModelHandle *handle, int index, int64_t *shape)
{
    Model *model = only_output(handle, index, shape);
    if (!model)
        return FAILURE;
    shape[0] = model->count;
    shape[1] = model->columns;
    return SUCCESS;
}

int GetDLROutputSizeDim(DLRModelHandle *handle, int index, int64_t *size, int *dim)
{
    Model *model = only_output(handle, index, size && dim ? size : NULL);
    if (!model)
        return FAILURE;
    *size = model->count < 0 ? -1 : model->count * model->columns;
    *dim = DIMENSIONS;
    return SUCCESS;
}

int GetDLROutputPtr(DLRModelHandle *handle, int index, const void **out)
{
    Model *model = only_output(handle, index, out);
    if (!model)
        return FAILURE;
    if (!model->out)
        return fail("The model has not run on its input.");
    *out = model->out;
    return SUCCESS;
}

int GetDLROutput(DLRModelHandle *handle, int index, void *out)
{
    const void *source = NULL;
    Model *model = only_output(handle, index, out);
    if (!model || GetDLROutputPtr(handle, index, &source) != SUCCESS)
        return FAILURE;
    __builtin_memcpy(out, source, (size_t)(model->count * model->columns) * sizeof(float));
    return SUCCESS;
}

int GetDLROutputByName(DLRModelHandle *handle, const char *name, void *out)
{
    int index;
    return GetDLROutputIndex(handle, name, &index) == SUCCESS ? GetDLROutput(handle, index, out) : FAILURE;
}

int GetDLROutputTensor(DLRModelHandle *handle, int index, void *tensor)
{
    (void)handle, (void)index, (void)tensor;
    return fail("model is not a TVMModel or RelayVMModel. Found 'treelite' but expected 'tvm' or 'relayvm'");
}

int GetDLROutputManagedTensorPtr(DLRModelHandle *handle, int index, const void **tensor)
{
    (void)handle, (void)index, (void)tensor;
    return fail("model is not a TVMModel or RelayVMModel. Found 'treelite' but expected 'tvm' or 'relayvm'");
}

/* ---- about ---- */

const char *DLRGetLastError(void)
{
    return last_message();
}

int GetDLRHasMetadata(DLRModelHandle *handle, bool *has_metadata)
{
    if (!only_output(handle, 0, has_metadata))
        return FAILURE;
    *has_metadata = true;
    return SUCCESS;
}

int GetDLRBackend(DLRModelHandle *handle, const char **name)
{
    if (!only_output(handle, 0, name))
        return FAILURE;
    *name = "treelite";
    return SUCCESS;
}

int GetDLRDeviceType(const char *model_path)
{
    return model_path ? DEVICE_CPU : fail("model_path must not be null");
}

#define TEXT_OF(number) #number
#define VERSION_TEXT(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

int GetDLRVersion(const char **version)
{
    if (!version)
        return fail("The place for the result is null.");
    *version = VERSION_TEXT(DLR_MAJOR, DLR_MINOR, DLR_PATCH);
    return SUCCESS;
}

/* ---- settings ---- */

int SetDLRNumThreads(DLRModelHandle *handle, int threads)
{
    (void)handle, (void)threads;
    return fail("SetNumThreads is not supported by Treelite backend; set TINSMITH_NUM_THREADS.");
}

int UseDLRCPUAffinity(DLRModelHandle *handle, int use)
{
    (void)handle, (void)use;
    return fail("UseCPUAffinity is not supported by Treelite backend.");
}

int SetDLRCustomAllocatorMalloc(DLRMallocFunctionPtr function)
{
    custom_allocate = function;
    return SUCCESS;
}

int SetDLRCustomAllocatorFree(DLRFreeFunctionPtr function)
{
    custom_release = function;
    return SUCCESS;
}

int SetDLRCustomAllocatorMemalign(DLRMemalignFunctionPtr function)
{
    (void)function; /* nothing here is aligned beyond malloc's own */
    return SUCCESS;
}
