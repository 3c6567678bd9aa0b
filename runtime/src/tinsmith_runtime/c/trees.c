/* Tree and linear models: one input of rows, one output, any number of rows. */
#include "json.h"
#include "message.h"
#include "model.h"
#include "system.h"
#include "tinsmith.h"

#define DIMENSIONS 2

static void forget_rows(Model *model)
{
    release_data(model, &model->inputs[0]);
    release_data(model, &model->outputs[0]);
    model->inputs[0].shape[0] = model->outputs[0].shape[0] = -1;
}

static void copy_rows(const Model *model, const float *input)
{
    const Tensor *rows = &model->inputs[0];
    float *cell = rows->data;
    for (int64_t row = 0; row < rows->shape[0]; row++) {
        for (int64_t column = 0; column < model->width; column++)
            *cell++ = *input++;
        for (int64_t column = model->width; column < rows->shape[1]; column++)
            *cell++ = __builtin_nanf("");
    }
}

static int set_rows(Model *model, Tensor *input, const int64_t *shape, const void *data, int dim)
{
    if (dim != DIMENSIONS || !shape)
        return fail_with_numbers("Mismatch found in input dimension.", dim, DIMENSIONS, "");
    if (shape[1] < 0 || shape[1] > input->shape[1])
        return fail_with_numbers("ClientError: Mismatch found in input shape at dimension 1.", shape[1],
                                 input->shape[1], " or less");
    if (shape[0] < 0 || (!data && shape[0] > 0 && shape[1] > 0))
        return fail("ClientError: the number of rows is negative or the data is null.");
    forget_rows(model);
    int64_t whole[DIMENSIONS] = {shape[0], input->shape[1]};
    input->data = allocate_block(whole, DIMENSIONS, input->element_bytes);
    if (!input->data)
        return FAILURE;
    input->shape[0] = model->outputs[0].shape[0] = shape[0];
    model->width = shape[1];
    copy_rows(model, data);
    return 0;
}

static int get_rows(const Model *model, const Tensor *input, void *data)
{
    float *cell = data;
    const float *rows = input->data;
    for (int64_t row = 0; row < input->shape[0]; row++)
        for (int64_t column = 0; column < model->width; column++)
            *cell++ = rows[row * input->shape[1] + column];
    return 0;
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

static int predict_rows(Model *model)
{
    Tensor *rows = &model->inputs[0], *answer = &model->outputs[0];
    release_data(model, answer);
    size_t bytes = model->element_type == TINSMITH_FLOAT64 ? sizeof(double) : sizeof(float);
    answer->data = allocate_block(answer->shape, DIMENSIONS, bytes);
    if (!answer->data)
        return FAILURE;
    int64_t count = rows->shape[0];
    int32_t status = count ? model->predict(rows->data, count, rows->shape[1], answer->data, 0) : TINSMITH_OK;
    if (status != TINSMITH_OK)
        return fail_with_status(status);
    if (model->element_type == TINSMITH_FLOAT64)
        narrow(answer->data, elements(answer));
    return 0;
}

static const Kind kind = {"treelite", set_rows, get_rows, predict_rows};

static Tensor rows_of(int64_t columns, char *name)
{
    return (Tensor){
        .name = name,
        .type = "float32",
        .element_bytes = sizeof(float),
        .dim = DIMENSIONS,
        .shape = {-1, columns},
    };
}

bool bind_trees(Model *model, const char *description)
{
    int64_t (*num_features)(void) = find_symbol(model->library, "tinsmith_num_features");
    int64_t (*num_outputs)(void) = find_symbol(model->library, "tinsmith_num_outputs");
    int32_t (*output_type)(void) = find_symbol(model->library, "tinsmith_output_type");
    model->predict = find_symbol(model->library, "tinsmith_predict");
    if (!num_features || !num_outputs || !output_type || !model->predict || !make_tensors(model, 1, 1))
        return false;
    model->kind = &kind;
    model->element_type = output_type();
    const char *output_name = json_member(json_member(description, "output"), "name");
    model->inputs[0] = rows_of(num_features(), copy_name(NULL, "data"));
    model->outputs[0] = rows_of(num_outputs(), copy_name(output_name, "output"));
    return model->inputs[0].name && model->outputs[0].name &&
           (model->element_type == TINSMITH_FLOAT32 || model->element_type == TINSMITH_FLOAT64);
}
