/* The DLR interface over the compiled model that lies beside this library. */
#pragma GCC visibility push(default)
#include "dlr.h"
#pragma GCC visibility pop

#include "message.h"
#include "model.h"
#include "system.h"

#define SUCCESS 0
#define DEVICE_CPU 1 /* kDLCPU of dlpack.h */

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
    return fail("CreateDLRModelFromModelElem is not supported by compiled models; use CreateDLRModel.");
}

int CreateDLRPipeline(DLRModelHandle *handle, int num_models, const char **model_paths, int dev_type, int dev_id)
{
    if (num_models != 1 || !model_paths)
        return fail_with_numbers("A pipeline of compiled models has one model.", num_models, 1, "");
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

/* The model, if `result` can be written. */
static Model *asked(DLRModelHandle *handle, const void *result)
{
    Model *model = model_of(handle);
    if (model && !result)
        fail("The place for the result is null.");
    return result ? model : NULL;
}

static Tensor *input_at(DLRModelHandle *handle, int index, const void *result)
{
    Model *model = asked(handle, result);
    if (!model)
        return NULL;
    if (index >= 0 && index < model->num_inputs)
        return &model->inputs[index];
    fail("Input index is out of range.");
    return NULL;
}

static Tensor *output_at(DLRModelHandle *handle, int index, const void *result)
{
    Model *model = asked(handle, result);
    if (!model)
        return NULL;
    if (index >= 0 && index < model->num_outputs)
        return &model->outputs[index];
    fail("Output index is out of range.");
    return NULL;
}

/* The input called `name`; NULL after fail(). */
static Tensor *find_input(const Model *model, const char *name)
{
    for (int i = 0; name && i < model->num_inputs; i++)
        if (same_text(name, model->inputs[i].name))
            return &model->inputs[i];
    if (model->num_inputs == 1)
        fail_with_names("Input '", name, "' is unknown; the only input is '", model->inputs[0].name, "'.");
    else
        fail_with_name("Input '", name, "' is unknown.");
    return NULL;
}

static int give_shape(const Tensor *tensor, int64_t *shape)
{
    if (!tensor)
        return FAILURE;
    for (int i = 0; i < tensor->dim; i++)
        shape[i] = tensor->shape[i];
    return SUCCESS;
}

static int give_size(const Tensor *tensor, int64_t *size, int *dim)
{
    if (!tensor)
        return FAILURE;
    *size = elements(tensor);
    *dim = tensor->dim;
    return SUCCESS;
}

static int give_text(const Tensor *tensor, const char *text, const char **result)
{
    if (!tensor)
        return FAILURE;
    *result = text;
    return SUCCESS;
}

int GetDLRNumInputs(DLRModelHandle *handle, int *num_inputs)
{
    const Model *model = asked(handle, num_inputs);
    if (!model)
        return FAILURE;
    *num_inputs = model->num_inputs;
    return SUCCESS;
}

int GetDLRInputName(DLRModelHandle *handle, int index, const char **name)
{
    const Tensor *input = input_at(handle, index, name);
    return give_text(input, input ? input->name : NULL, name);
}

int GetDLRInputType(DLRModelHandle *handle, int index, const char **input_type)
{
    const Tensor *input = input_at(handle, index, input_type);
    return give_text(input, input ? input->type : NULL, input_type);
}

int GetDLRInputShape(DLRModelHandle *handle, int index, int64_t *shape)
{
    return give_shape(input_at(handle, index, shape), shape);
}

int GetDLRInputSizeDim(DLRModelHandle *handle, int index, int64_t *size, int *dim)
{
    return give_size(input_at(handle, index, size && dim ? size : NULL), size, dim);
}

int SetDLRInput(DLRModelHandle *handle, const char *name, const int64_t *shape, const void *input, int dim)
{
    Model *model = model_of(handle);
    Tensor *tensor = model ? find_input(model, name) : NULL;
    if (!tensor || model->kind->set_input(model, tensor, shape, input, dim))
        return FAILURE;
    model->has_run = false;
    return SUCCESS;
}

int SetDLRInputTensor(DLRModelHandle *handle, const char *name, void *tensor)
{
    (void)handle, (void)name, (void)tensor;
    return fail("SetDLRInputTensor is not supported by compiled models; use SetDLRInput.");
}

int SetDLRInputTensorZeroCopy(DLRModelHandle *handle, const char *name, void *tensor)
{
    (void)handle, (void)name, (void)tensor;
    return fail("SetDLRInputTensorZeroCopy is not supported by compiled models; use SetDLRInput.");
}

int GetDLRInput(DLRModelHandle *handle, const char *name, void *input)
{
    const Model *model = asked(handle, input);
    const Tensor *tensor = model ? find_input(model, name) : NULL;
    if (!tensor)
        return FAILURE;
    if (!tensor->data)
        return fail_with_name("The input has not been set: '", tensor->name, "'.");
    return model->kind->get_input(model, tensor, input);
}

int GetDLRNumWeights(DLRModelHandle *handle, int *num_weights)
{
    if (!asked(handle, num_weights))
        return FAILURE;
    *num_weights = 0;
    return SUCCESS;
}

int GetDLRWeightName(DLRModelHandle *handle, int index, const char **weight_name)
{
    (void)handle, (void)index, (void)weight_name;
    return fail("GetDLRWeightName is not supported by compiled models: they have no weights to name.");
}

int RunDLRModel(DLRModelHandle *handle)
{
    Model *model = model_of(handle);
    if (!model)
        return FAILURE;
    for (int i = 0; i < model->num_inputs; i++)
        if (!model->inputs[i].data)
            return fail_with_name("The input has not been set: '", model->inputs[i].name, "'.");
    model->has_run = model->kind->run(model) == SUCCESS;
    return model->has_run ? SUCCESS : FAILURE;
}

int GetDLRNumOutputs(DLRModelHandle *handle, int *num_outputs)
{
    const Model *model = asked(handle, num_outputs);
    if (!model)
        return FAILURE;
    *num_outputs = model->num_outputs;
    return SUCCESS;
}

int GetDLROutputName(DLRModelHandle *handle, const int index, const char **name)
{
    const Tensor *output = output_at(handle, index, name);
    return give_text(output, output ? output->name : NULL, name);
}

int GetDLROutputIndex(DLRModelHandle *handle, const char *name, int *index)
{
    const Model *model = asked(handle, index);
    if (!model)
        return FAILURE;
    for (int i = 0; name && i < model->num_outputs; i++)
        if (same_text(name, model->outputs[i].name)) {
            *index = i;
            return SUCCESS;
        }
    return fail_with_name("Couldn't find index for output node ", name, "!");
}

int GetDLROutputType(DLRModelHandle *handle, int index, const char **output_type)
{
    const Tensor *output = output_at(handle, index, output_type);
    return give_text(output, output ? output->type : NULL, output_type);
}

int GetDLROutputShape(DLRModelHandle *handle, int index, int64_t *shape)
{
    return give_shape(output_at(handle, index, shape), shape);
}

int GetDLROutputSizeDim(DLRModelHandle *handle, int index, int64_t *size, int *dim)
{
    return give_size(output_at(handle, index, size && dim ? size : NULL), size, dim);
}

int GetDLROutputPtr(DLRModelHandle *handle, int index, const void **out)
{
    const Tensor *output = output_at(handle, index, out);
    if (!output)
        return FAILURE;
    if (!model_of(handle)->has_run || !output->data)
        return fail("The model has not run on its input.");
    *out = output->data;
    return SUCCESS;
}

int GetDLROutput(DLRModelHandle *handle, int index, void *out)
{
    const void *source = NULL;
    const Tensor *output = output_at(handle, index, out);
    if (!output || GetDLROutputPtr(handle, index, &source) != SUCCESS)
        return FAILURE;
    __builtin_memcpy(out, source, (size_t)elements(output) * output->element_bytes);
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
    return fail("GetDLROutputTensor is not supported by compiled models; use GetDLROutput.");
}

int GetDLROutputManagedTensorPtr(DLRModelHandle *handle, int index, const void **tensor)
{
    (void)handle, (void)index, (void)tensor;
    return fail("GetDLROutputManagedTensorPtr is not supported by compiled models; use GetDLROutput.");
}

const char *DLRGetLastError(void)
{
    return last_message();
}

int GetDLRHasMetadata(DLRModelHandle *handle, bool *has_metadata)
{
    if (!asked(handle, has_metadata))
        return FAILURE;
    *has_metadata = true;
    return SUCCESS;
}

int GetDLRBackend(DLRModelHandle *handle, const char **name)
{
    const Model *model = asked(handle, name);
    if (!model)
        return FAILURE;
    *name = model->kind->backend;
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
    const Model *model = model_of(handle);
    if (!model)
        return FAILURE;
    int32_t (*set_threads)(int32_t) = find_symbol(model->library, "tinsmith_set_threads");
    if (!set_threads || set_threads(threads))
        return fail("The number of threads is not 1 to 256, or the model runs already with another one.");
    return SUCCESS;
}

int UseDLRCPUAffinity(DLRModelHandle *handle, int use)
{
    (void)handle, (void)use;
    return fail("UseDLRCPUAffinity is not supported by compiled models.");
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
