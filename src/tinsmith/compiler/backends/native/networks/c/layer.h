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
    unsigned char *scratch; /* TS_SCRATCH_BYTES for every part */
    size_t items;
    size_t parts;
};

/* Multiplications and additions that are worth a thread. */
#define TS_THREAD_FLOPS 1000000.0

static inline void ts_layer_part(void *context, size_t part)
{
    const struct ts_layer *layer = context;
    size_t first = layer->items * part / layer->parts;
    size_t last = layer->items * (part + 1) / layer->parts;
    float *scratch = (float *)(void *)(layer->scratch + part * TS_SCRATCH_BYTES);
    layer->function(layer->x, layer->w, layer->bias, layer->residual, layer->y, scratch, first, last);
}

static inline void ts_run_layer(struct ts_layer *layer, double flops)
{
    size_t most = (size_t)(flops / TS_THREAD_FLOPS);
    if (most > layer->items)
        most = layer->items;
    layer->parts = most < 2 ? 1 : ts_thread_limit();
    if (layer->parts > most)
        layer->parts = most < 2 ? 1 : most;
    if (layer->parts > 1)
        ts_parallel(ts_layer_part, layer, layer->parts);
    else
        ts_layer_part(layer, 0);
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
