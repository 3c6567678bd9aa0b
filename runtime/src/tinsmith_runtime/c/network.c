/* Networks: several tensors in and out; shapes of inputs are fixed, those of outputs may depend on the run. */
#include "json.h"
#include "message.h"
#include "model.h"
#include "system.h"

/* Element types, and what numpy calls their arrays: where it has no such type, that of their bits. */
static const struct {
    const char *name, *shown;
    size_t bytes;
} types[] = {
    {"bool", "bool", 1},          {"int8", "int8", 1},           {"uint8", "uint8", 1},
    {"int16", "int16", 2},        {"uint16", "uint16", 2},       {"int32", "int32", 4},
    {"uint32", "uint32", 4},      {"int64", "int64", 8},         {"uint64", "uint64", 8},
    {"float16", "float16", 2},    {"float32", "float32", 4},     {"float64", "float64", 8},
    {"complex64", "complex64", 8}, {"complex128", "complex128", 16}, {"bfloat16", "uint16", 2},
    {"int4", "int8", 1},          {"int2", "int8", 1},           {"uint4", "uint8", 1},
    {"uint2", "uint8", 1},        {"float8_e4m3fn", "uint8", 1}, {"float8_e4m3fnuz", "uint8", 1},
    {"float8_e5m2", "uint8", 1},  {"float8_e5m2fnuz", "uint8", 1}, {"float8_e8m0fnu", "uint8", 1},
    {"float4_e2m1fn", "uint8", 1},
};

static int set_tensor(Model *model, Tensor *input, const int64_t *shape, const void *data, int dim)
{
    (void)model;
    /* Numpy has no contiguous arrays without dimensions, so DLR's users give a scalar one of one element. */
    bool scalar = input->dim == 0 && dim == 1 && shape && shape[0] == 1;
    if (!scalar && (dim != input->dim || (dim && !shape)))
        return fail_with_numbers("ClientError: Mismatch found in input dimension.", dim, input->dim, "");
    for (int i = 0; i < input->dim; i++)
        if (shape[i] != input->shape[i])
            return fail_at_dimension(i, shape[i], input->shape[i]);
    int64_t count = elements(input);
    if (!data && count)
        return fail_with_name("ClientError: the data of input '", input->name, "' is null.");
    if (!input->data)
        input->data = allocate_block(input->shape, input->dim, input->element_bytes);
    if (!input->data)
        return FAILURE;
    if (count)
        __builtin_memcpy(input->data, data, (size_t)count * input->element_bytes);
    return 0;
}

static int get_tensor(const Model *model, const Tensor *input, void *data)
{
    (void)model;
    __builtin_memcpy(data, input->data, (size_t)elements(input) * input->element_bytes);
    return 0;
}

static bool allocate_outputs(Model *model)
{
    for (int i = 0; i < model->num_outputs; i++) {
        Tensor *output = &model->outputs[i];
        if (!output->data)
            output->data = allocate_block(output->largest, output->dim, output->element_bytes);
        if (!output->data)
            return false;
    }
    return true;
}

static int run_tensors(Model *model)
{
    size_t count = (size_t)model->num_inputs + 2 * (size_t)model->num_outputs + 1;
    void **pointers = allocate_outputs(model) ? system_allocate(count * sizeof *pointers) : NULL;
    if (!pointers)
        return fail("Out of memory.");
    const void **inputs = (const void **)pointers;
    void **outputs = pointers + model->num_inputs;
    int64_t **shapes = (int64_t **)(void *)(outputs + model->num_outputs);
    for (int i = 0; i < model->num_inputs; i++)
        inputs[i] = model->inputs[i].data;
    for (int i = 0; i < model->num_outputs; i++) {
        outputs[i] = model->outputs[i].data;
        shapes[i] = model->outputs[i].shape;
    }
    int32_t status = model->run(inputs, outputs, shapes, 0);
    system_release(pointers);
    return status ? fail_with_status(status) : 0;
}

/* DLR's Python package asks "relayvm" for shapes after every run, "tvm" but once. */
static const Kind fixed = {"tvm", set_tensor, get_tensor, run_tensors};
static const Kind varying = {"relayvm", set_tensor, get_tensor, run_tensors};

static bool read_shape(const char *array, int64_t shape[MAX_DIMENSIONS], int *dim)
{
    *dim = 0;
    if (!array || *array != '[')
        return false;
    for (const char *at = json_first(array); at; at = json_next(at))
        if (*dim == MAX_DIMENSIONS || !json_number(at, &shape[(*dim)++]))
            return false;
    return true;
}

static bool read_type(const char *value, Tensor *tensor)
{
    char name[32];
    if (!value || json_text_bytes(value) > sizeof name || !json_text(value, name))
        return false;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (same_text(name, types[i].name)) {
            tensor->type = types[i].shown;
            tensor->element_bytes = types[i].bytes;
            return true;
        }
    return false;
}

static bool read_tensor(const char *value, Tensor *tensor)
{
    int bounds;
    const char *shape = json_member(value, "shape"), *largest = json_member(value, "largest");
    bool complete = read_type(json_member(value, "dtype"), tensor) && read_shape(shape, tensor->shape, &tensor->dim) &&
                    read_shape(largest ? largest : shape, tensor->largest, &bounds) && bounds == tensor->dim;
    for (int i = 0; complete && i < tensor->dim; i++)
        complete = tensor->largest[i] >= 0;
    tensor->name = complete ? copy_name(json_member(value, "name"), "") : NULL;
    return tensor->name;
}

static int count_elements(const char *array)
{
    int count = 0;
    for (const char *at = json_first(array); at; at = json_next(at))
        count++;
    return count;
}

static bool read_tensors(const char *array, Tensor *tensors)
{
    for (const char *at = json_first(array); at; at = json_next(at))
        if (!read_tensor(at, tensors++))
            return false;
    return true;
}

bool bind_network(Model *model, const char *description)
{
    const char *inputs = json_member(description, "inputs"), *outputs = json_member(description, "outputs");
    model->run = find_symbol(model->library, "tinsmith_run");
    if (!model->run || !inputs || *inputs != '[' || !outputs || *outputs != '[' ||
        !make_tensors(model, count_elements(inputs), count_elements(outputs)) ||
        !read_tensors(inputs, model->inputs) || !read_tensors(outputs, model->outputs))
        return false;
    model->kind = &fixed;
    for (int i = 0; i < model->num_outputs; i++)
        if (elements(&model->outputs[i]) < 0)
            model->kind = &varying;
    return true;
}
