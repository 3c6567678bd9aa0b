#include "model.h"

#include "json.h"
#include "message.h"
#include "system.h"
#include "tinsmith.h"

DLRMallocFunctionPtr custom_allocate;
DLRFreeFunctionPtr custom_release;

static bool library_path(const char *folder, char path[PATH_BYTES])
{
    size_t length = append(path, PATH_BYTES, 0, folder);
    if (!same_text(path, folder))
        return false;
    if (ends_with(path, length, LIBRARY_NAME))
        return true;
    if (length > 0 && path[length - 1] != '/')
        length = append(path, PATH_BYTES, length, "/");
    append(path, PATH_BYTES, length, LIBRARY_NAME);
    return true;
}

static bool bind(Model *model)
{
    int32_t (*abi_version)(void) = find_symbol(model->library, "tinsmith_abi_version");
    const char *(*describe)(void) = find_symbol(model->library, "tinsmith_describe");
    if (!abi_version || !describe || abi_version() != TINSMITH_ABI_VERSION)
        return false;
    return find_symbol(model->library, "tinsmith_run") ? bind_network(model, describe())
                                                       : bind_trees(model, describe());
}

Model *open_model(const char *folder)
{
    char path[PATH_BYTES];
    if (!library_path(folder, path)) {
        fail("The path of the model is too long.");
        return NULL;
    }
    Model *model = system_allocate(sizeof *model);
    if (!model) {
        fail("Out of memory.");
        return NULL;
    }
    *model = (Model){.library = open_library(path)};
    model->release = custom_allocate && custom_release ? custom_release : system_release;
    if (model->library && bind(model))
        return model;
    if (model->library)
        fail_with_name("'", path, "' is not a compiled model of this version.");
    else
        fail_with_name("Cannot load '", path, "': it is missing or not compiled for this machine.");
    close_model(model);
    return NULL;
}

static void release_tensors(const Model *model, Tensor *tensors, int count)
{
    for (int i = 0; i < count; i++) {
        release_data(model, &tensors[i]);
        system_release(tensors[i].name);
    }
    system_release(tensors);
}

void close_model(Model *model)
{
    release_tensors(model, model->inputs, model->num_inputs);
    release_tensors(model, model->outputs, model->num_outputs);
    if (model->library)
        close_library(model->library);
    system_release(model);
}

static Tensor *allocate_tensors(int count)
{
    Tensor *tensors = system_allocate((size_t)(count ? count : 1) * sizeof *tensors);
    for (int i = 0; tensors && i < count; i++)
        tensors[i] = (Tensor){0};
    return tensors;
}

bool make_tensors(Model *model, int num_inputs, int num_outputs)
{
    model->inputs = allocate_tensors(num_inputs);
    model->num_inputs = model->inputs ? num_inputs : 0;
    model->outputs = allocate_tensors(num_outputs);
    model->num_outputs = model->outputs ? num_outputs : 0;
    return model->inputs && model->outputs;
}

char *copy_name(const char *value, const char *otherwise)
{
    size_t bytes = json_text_bytes(value), room = 1;
    for (const char *letter = otherwise; *letter; letter++)
        room++;
    room = bytes > room ? bytes : room;
    char *name = system_allocate(room);
    if (name && !json_text(value, name))
        append(name, room, 0, otherwise);
    return name;
}

void *allocate_block(const int64_t *shape, int dim, size_t element_bytes)
{
    int64_t size = (int64_t)element_bytes;
    void *block = NULL;
    bool fits = true, empty = false;
    for (int i = 0; i < dim; i++) {
        empty = empty || shape[i] == 0;
        fits = fits && !__builtin_mul_overflow(size, shape[i], &size);
    }
    if (empty || (fits && size < PTRDIFF_MAX)) {
        size_t some = empty ? 1 : (size_t)size;
        block = custom_allocate && custom_release ? custom_allocate(some) : system_allocate(some);
    }
    if (!block)
        fail("Out of memory.");
    return block;
}

void release_data(const Model *model, Tensor *tensor)
{
    if (tensor->data)
        model->release(tensor->data);
    tensor->data = NULL;
}

int64_t elements(const Tensor *tensor)
{
    int64_t count = 1;
    for (int i = 0; i < tensor->dim; i++) {
        if (tensor->shape[i] < 0)
            return -1;
        count *= tensor->shape[i];
    }
    return count;
}

int fail_with_status(int32_t status)
{
    return fail(status == TINSMITH_NO_MEMORY ? "Out of memory." : "The compiled model rejected its input.");
}
