/* The DLR interface over the compiled model that lies beside this library. */
#pragma GCC visibility push(default)
#include "dlr.h"
#pragma GCC visibility pop

#include "message.h"
#include "model.h"
#include "tinsmith.h"

#define SUCCESS 0
#define DEVICE_CPU 1 /* kDLCPU of dlpack.h */
#define DIMENSIONS 2

int CreateDLRModel(DLRModelHandle *handle, const char *model_path, int dev_type, int dev_id)
{
    (void)dev_id;
    if (!handle || !model_path)
        return fail("handle and model_path must not be null");
    *handle = NULL;
    if (dev_type != DEVICE_CPU)
        return fail_with_numbers("Compiled model requires device type \"cpu\".", dev_type, DEVICE_CPU, "");
    *handle = open_model(model_path);
    return *handle ? SUCCESS : FAILURE;
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
    close_model(model);
    *handle = NULL;
    return SUCCESS;
}

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
    forget_input(model);
    model->rows = allocate_block(shape[0], model->features, sizeof *model->rows);
    if (!model->rows)
        return FAILURE;
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
    void *out = allocate_block(model->count, model->columns, bytes);
    if (!out)
        return FAILURE;
    int32_t status = model->count ? model->predict(model->rows, model->count, model->features, out, 0) : TINSMITH_OK;
    if (status != TINSMITH_OK) {
        model->release(out);
        return fail(status == TINSMITH_NO_MEMORY ? "Out of memory." : "The compiled model rejected its input.");
    }
    if (model->element_type == TINSMITH_FLOAT64)
        narrow(out, model->count * model->columns);
    model->out = out;
    return SUCCESS;
}

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
