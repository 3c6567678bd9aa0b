/* plain_network.c: the network of conftest.py in a few lines of C. */
#pragma GCC visibility push(default)
#include "tinsmith.h"
#pragma GCC visibility pop
#include "plain_network.h"

int32_t tinsmith_abi_version(void)
{
    return TINSMITH_ABI_VERSION;
}

const char *tinsmith_describe(void)
{
    return DESCRIPTION;
}

static float at(const void *data, int64_t index)
{
    float value;
    __builtin_memcpy(&value, (const char *)data + index * (int64_t)sizeof value, sizeof value);
    return value;
}

static void put(void *data, int64_t index, const void *value, size_t bytes)
{
    __builtin_memcpy((char *)data + index * (int64_t)bytes, value, bytes);
}

/* inputs: x float32 (2, 3), ids int64 (4,), mask bool (4,)
 * outputs: scores float32 (2, 2) = x * WEIGHTS + BIAS; rows float16 (4, 2) = TABLE[ids]; kept bool (4,) = not mask;
 * found int64 (2, -1): where x is not zero. */
int32_t tinsmith_run(const void *const *inputs, void *const *outputs, int64_t *const *shapes, uint32_t flags)
{
    if (flags)
        return TINSMITH_BAD_ARGUMENT;
    const void *x = inputs[0];
    int64_t found = 0;
    for (int row = 0; row < 2; row++)
        for (int column = 0; column < 2; column++) {
            float sum = BIAS[column];
            for (int k = 0; k < 3; k++)
                sum += at(x, 3 * row + k) * WEIGHTS[2 * k + column];
            put(outputs[0], 2 * row + column, &sum, sizeof sum);
        }
    for (int i = 0; i < 4; i++) {
        int64_t id;
        __builtin_memcpy(&id, (const char *)inputs[1] + 8 * i, 8);
        if (id < 0 || id >= TABLE_ROWS)
            return TINSMITH_BAD_ARGUMENT;
        put(outputs[1], i, TABLE + 2 * id, 4);
        ((char *)outputs[2])[i] = !((const char *)inputs[2])[i];
    }
    for (int i = 0; i < 6; i++)
        found += at(x, i) != 0;
    for (int64_t i = 0, place = 0; i < 6; i++)
        if (at(x, i) != 0) {
            int64_t row = i / 3, column = i % 3;
            put(outputs[3], place, &row, 8);
            put(outputs[3], found + place++, &column, 8);
        }
    if (shapes && shapes[3]) {
        int64_t shape[] = {2, found};
        __builtin_memcpy(shapes[3], shape, sizeof shape);
    }
    for (int i = 0; i < 3; i++)
        if (shapes && shapes[i]) {
            static const int64_t known[3][2] = {{2, 2}, {4, 2}, {4}};
            __builtin_memcpy(shapes[i], known[i], i == 2 ? 8 : 16);
        }
    MISBEHAVE
    return TINSMITH_OK;
}
