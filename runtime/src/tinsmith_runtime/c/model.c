#include "model.h"

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

/* Copies the value of "name" of the object "output" in the model's description. A name with escapes in its JSON
 * form, which is beyond this reader, becomes "output". */
static void read_output_name(const char *description, char name[NAME_BYTES])
{
    const char *value = after_word(after_word(description, "\"output\": {"), "\"name\": \"");
    size_t length = 0;
    while (value && value[length] && value[length] != '"' && value[length] != '\\' && length + 1 < NAME_BYTES) {
        name[length] = value[length];
        length++;
    }
    name[length] = 0;
    if (length == 0 || value[length] != '"')
        append(name, NAME_BYTES, 0, "output");
}

static void *find_function(void *library, const char *name, bool *complete)
{
    void *function = find_symbol(library, name);
    *complete = *complete && function;
    return function;
}

static bool bind(Model *model)
{
    bool complete = true;
    int32_t (*abi_version)(void) = find_function(model->library, "tinsmith_abi_version", &complete);
    int64_t (*num_features)(void) = find_function(model->library, "tinsmith_num_features", &complete);
    int64_t (*num_outputs)(void) = find_function(model->library, "tinsmith_num_outputs", &complete);
    int32_t (*output_type)(void) = find_function(model->library, "tinsmith_output_type", &complete);
    const char *(*describe)(void) = find_function(model->library, "tinsmith_describe", &complete);
    model->predict = find_function(model->library, "tinsmith_predict", &complete);
    if (!complete || abi_version() != TINSMITH_ABI_VERSION)
        return false;
    model->features = num_features();
    model->columns = num_outputs();
    model->element_type = output_type();
    read_output_name(describe(), model->output_name);
    return model->element_type == TINSMITH_FLOAT32 || model->element_type == TINSMITH_FLOAT64;
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
    *model = (Model){.library = open_library(path), .count = -1};
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

void close_model(Model *model)
{
    forget_input(model);
    if (model->library)
        close_library(model->library);
    system_release(model);
}

void *allocate_block(int64_t rows, int64_t columns, size_t bytes)
{
    int64_t cells, size;
    void *block = NULL;
    if (!__builtin_mul_overflow(rows, columns, &cells) && !__builtin_mul_overflow(cells, (int64_t)bytes, &size) &&
        size < PTRDIFF_MAX) {
        size_t some = size ? (size_t)size : 1;
        block = custom_allocate && custom_release ? custom_allocate(some) : system_allocate(some);
    }
    if (!block)
        fail("Out of memory.");
    return block;
}

void forget_output(Model *model)
{
    if (model->out)
        model->release(model->out);
    model->out = NULL;
}

void forget_input(Model *model)
{
    forget_output(model);
    if (model->rows)
        model->release(model->rows);
    model->rows = NULL;
    model->count = -1;
}
