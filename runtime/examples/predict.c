/* predict.c: runs a compiled network on files of numbers and prints what it answers.
 *
 *     cc predict.c compiled.so -I. -Wl,-rpath,'$ORIGIN' -o predict      in the folder of an unpacked artifact
 *     ./predict input0.bin input1.bin                                   elements in order, as the machine stores them
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tinsmith.h"

typedef struct tinsmith_tensor Tensor;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static void *allocate(size_t bytes)
{
    void *memory = malloc(bytes ? bytes : 1);
    if (!memory)
        fail("malloc", "out of memory");
    return memory;
}

static void *read_tensor(const Tensor *tensor, const char *path)
{
    void *data = allocate(tensor->bytes);
    FILE *file = fopen(path, "rb");
    if (!file || fread(data, 1, tensor->bytes, file) != tensor->bytes || fgetc(file) != EOF)
        fail(path, "not a file of exactly the elements of its input");
    fclose(file);
    return data;
}

static void print_element(int32_t type, const void *data, size_t index)
{
    switch (type) {
    case TINSMITH_FLOAT32:
        printf(" %.9g", (double)((const float *)data)[index]);
        break;
    case TINSMITH_FLOAT64:
        printf(" %.17g", ((const double *)data)[index]);
        break;
    case TINSMITH_INT64:
        printf(" %" PRId64, ((const int64_t *)data)[index]);
        break;
    case TINSMITH_INT32:
        printf(" %" PRId32, ((const int32_t *)data)[index]);
        break;
    case TINSMITH_BOOL:
    case TINSMITH_UINT8:
        printf(" %d", ((const uint8_t *)data)[index]);
        break;
    default:
        printf(" ?"); /* the other types go the same way */
    }
}

static void print_tensor(const Tensor *tensor, const int64_t *shape, const void *data)
{
    size_t count = 1;
    printf("%s (", tensor->name);
    for (int32_t axis = 0; axis < tensor->rank; axis++) {
        printf(axis ? ", %" PRId64 : "%" PRId64, shape[axis]);
        count *= (size_t)shape[axis];
    }
    printf("):");
    for (size_t i = 0; i < count; i++)
        print_element(tensor->type, data, i);
    printf("\n");
}

int main(int argc, char **argv)
{
    size_t num_inputs, num_outputs;
    const Tensor *inputs = tinsmith_inputs(&num_inputs), *outputs = tinsmith_outputs(&num_outputs);
    if (tinsmith_abi_version() != TINSMITH_ABI_VERSION || (size_t)argc != 1 + num_inputs) {
        fprintf(stderr, "usage: %s", argv[0]);
        for (size_t i = 0; i < num_inputs; i++)
            fprintf(stderr, " %s (%zu bytes)", inputs[i].name, inputs[i].bytes);
        fprintf(stderr, "\n");
        return EXIT_FAILURE;
    }

    const void **given = allocate(num_inputs * sizeof *given);
    void **answers = allocate(num_outputs * sizeof *answers);
    int64_t **shapes = allocate(num_outputs * sizeof *shapes);
    for (size_t i = 0; i < num_inputs; i++)
        given[i] = read_tensor(&inputs[i], argv[1 + i]);
    for (size_t i = 0; i < num_outputs; i++) {
        answers[i] = allocate(outputs[i].bytes);
        shapes[i] = allocate((size_t)outputs[i].rank * sizeof **shapes);
    }

    tinsmith_set_threads(2); /* may be left out */
    int32_t status = tinsmith_run(given, answers, shapes, 0);
    if (status != TINSMITH_OK)
        fail("tinsmith_run", tinsmith_status_text(status));
    for (size_t i = 0; i < num_outputs; i++)
        print_tensor(&outputs[i], shapes[i], answers[i]);
    return EXIT_SUCCESS; /* where all memory goes back */
}
