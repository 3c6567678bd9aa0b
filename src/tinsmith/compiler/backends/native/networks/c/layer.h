/* layer.h: runs a kernel's work items, on several threads where that pays. */
#ifndef TS_LAYER_H
#define TS_LAYER_H

#include <stddef.h>

#include "model.h"
#include "platform.h"

typedef void ts_layer_function(const float *x, const float *w, const float *bias, const float *residual, float *y,
                               float *scratch, size_t first, size_t last);

struct ts_layer {
    ts_layer_function *function;
    const float *x, *w, *bias, *residual;
    float *y;
    unsigned char *scratch; /* TS_SCRATCH_BYTES for every thread; NULL: it needs none */
    size_t items;
};

static inline void ts_layer_part(void *context, size_t thread, size_t first, size_t last)
{
    const struct ts_layer *layer = context;
    float *scratch = layer->scratch ? (float *)(void *)(layer->scratch + thread * TS_SCRATCH_BYTES) : NULL;
    layer->function(layer->x, layer->w, layer->bias, layer->residual, layer->y, scratch, first, last);
}

/* `threads`: as many as the work is worth. */
static inline void ts_run_layer(struct ts_layer *layer, size_t threads)
{
    const size_t limit = threads < 2 ? 1 : ts_thread_limit();
    for (size_t i = 0; layer->scratch && i < limit; i++)
        __builtin_memset(layer->scratch + i * TS_SCRATCH_BYTES, 0, sizeof(size_t));
    if (limit < 2)
        ts_layer_part(layer, 0, 0, layer->items);
    else
        ts_share(ts_layer_part, layer, layer->items, threads);
}

/* Zeros the rim of `images` images of `rows` x `row` floats. */
static inline void ts_clear_rim(float *image, size_t images, size_t rows, size_t row, size_t top, size_t bottom,
                                size_t left, size_t right)
{
    for (size_t i = 0; i < images; i++, image += rows * row) {
        __builtin_memset(image, 0, top * row * sizeof *image);
        __builtin_memset(image + (rows - bottom) * row, 0, bottom * row * sizeof *image);
        for (size_t y = top; y < rows - bottom; y++) {
            __builtin_memset(image + y * row, 0, left * sizeof *image);
            __builtin_memset(image + (y + 1) * row - right, 0, right * sizeof *image);
        }
    }
}

#endif
