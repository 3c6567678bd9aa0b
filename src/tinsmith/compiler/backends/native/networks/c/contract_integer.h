/* contract_integer.h: contractions of bytes with constant weights: sums in int32, exact, then a number of the output.
 *
 * The windows of a block of output pixels are packed; then each strip of columns is multiplied with all of them.
 */
#ifndef TS_CONTRACT_INTEGER_H
#define TS_CONTRACT_INTEGER_H

#include "contract_integer_pack.h"
#include "contract_integer_store.h"
#include "contract_integer_winograd.h"

/* Constants of one contraction. Steps count elements of the tensor. */
struct ts_integer_contraction {
    struct ts_windows windows;
    struct ts_integer_store store;
    /* Output pixels of an image. */
    size_t height, width;
    /* Output channels of a group. Its weights are panels of TS_PANEL columns, the last filled up with zeros. */
    size_t columns;
    size_t y_row, y_pixel;
    size_t images, x_image, y_image;
    size_t groups, x_group, y_group;
    /* Work items of an image and group: blocks of pixels x slices of `slice` columns. */
    size_t blocks, slices, slice;
    /* Pixels of the largest block. */
    size_t block_pixels;
    /* Winograd's algorithm, where products are of words: then blocks are of tiles of 2 x 2 pixels. */
    bool winograd;
};

/* Scratch: the windows of a block, then the sums of a strip. */
TS_INLINE size_t ts_integer_sums_start(const struct ts_integer_contraction *p)
{
    return (p->block_pixels * p->windows.packed * sizeof(ts_packed) + 63) / 64 * 64;
}

/* One work item: `columns` columns from `column` on, at the pixels `first` to `last - 1`. */
TS_INLINE void ts_integer_item(const struct ts_integer_contraction *p, const uint8_t *x, const int8_t *w,
                               const int32_t *terms, void *y, unsigned char *scratch, size_t column, size_t columns,
                               size_t first, size_t last, ts_activation activation)
{
    const size_t groups = p->windows.packed / TS_GROUP, panel = groups * TS_GROUP * TS_PANEL;
    ts_packed *const packed = (ts_packed *)(void *)scratch;
    int32_t *const sums = (int32_t *)(void *)(scratch + ts_integer_sums_start(p));
    ts_pack_windows(&p->windows, packed, x, p->width, first, last);
    for (size_t end = column + columns; column < end; column += TS_STRIP) {
        const size_t count = end - column < TS_STRIP ? end - column : TS_STRIP;
        ts_dot_block(last - first, count, packed, p->windows.packed,
                     w + column / TS_PANEL * panel + column % TS_PANEL * TS_GROUP, panel, groups, sums);
#pragma clang loop unroll(disable)
        for (size_t pixel = first; pixel < last; pixel++)
            ts_integer_store(&p->store, sums + (pixel - first) * TS_STRIP, terms, column, count, y,
                             pixel / p->width * p->y_row + pixel % p->width * p->y_pixel, ts_pack_offset(&p->windows),
                             activation);
    }
}

#ifdef TS_DOT_WORDS

/* The columns of a panel from `column` on at all pixels of a block. */
TS_INLINE void ts_winograd_store(const struct ts_integer_contraction *p, const struct ts_winograd_block *b,
                                 const int32_t *terms, void *y, size_t column, ts_activation activation)
{
    const size_t rest = p->columns - column, columns = rest < TS_PANEL ? rest : TS_PANEL;
#pragma clang loop unroll(disable)
    for (size_t t = 0; t < b->count; t++) {
        const size_t down = (b->first + t) / b->across * 2, right = (b->first + t) % b->across * 2;
#pragma clang loop unroll(disable)
        for (size_t c = 0; c < columns; c += TS_LANES) {
            ts_vi pixels[4];
            ts_winograd_output(b, b->sums + t * TS_PANEL + c, pixels);
            const int count = columns - c < TS_LANES ? (int)(columns - c) : TS_LANES;
#pragma clang loop unroll(disable)
            for (size_t i = 0; i < 4; i++) {
                const size_t row = down + i / 2, pixel = right + i % 2;
                if (row >= p->height || pixel >= p->width)
                    continue;
                void *const to = ts_element(&p->store, y, row * p->y_row + pixel * p->y_pixel + column + c);
                if (count == TS_LANES)
                    ts_store_sums(&p->store, pixels[i], terms + column + c, to, TS_LANES, 0, activation);
                else
                    ts_store_sums(&p->store, pixels[i], terms + column + c, to, count, 0, activation);
            }
        }
    }
}

/* One work item: `columns` columns from `column` on at the tiles of block `block`. Scratch: a pixel from outside, then
 * inputs, filters and sums. */
TS_INLINE void ts_winograd_item(const struct ts_integer_contraction *p, const uint8_t *x, const int8_t *w,
                                const int32_t *terms, void *y, unsigned char *scratch, size_t column, size_t columns,
                                size_t block, ts_activation activation)
{
    const size_t across = (p->width + 1) / 2, tiles = (p->height + 1) / 2 * across, deep = p->windows.deep;
    const size_t first = tiles * block / p->blocks, count = tiles * (block + 1) / p->blocks - first;
    struct ts_winograd_block b = {&p->windows, across, first, count, NULL, NULL, NULL};
    b.inputs = (int16_t *)(void *)(scratch + (deep + 63) / 64 * 64);
    b.filters = b.inputs + TS_POSITIONS * ts_winograd_inputs_step(&b);
    b.sums = (int32_t *)(void *)(b.filters + TS_POSITIONS * ts_winograd_filters_step(&b));
    ts_winograd_inputs(&b, x, scratch);
#pragma clang loop unroll(disable)
    for (size_t end = column + columns; column < end; column += TS_PANEL) {
        ts_winograd_filters(&b, w + column * p->windows.packed);
#pragma clang loop unroll(disable)
        for (size_t i = 0; i < TS_POSITIONS; i++)
            ts_winograd_product(count, b.inputs + i * ts_winograd_inputs_step(&b),
                                b.filters + i * ts_winograd_filters_step(&b), deep, b.sums + i * count * TS_PANEL);
        ts_winograd_store(p, &b, terms, y, column, activation);
    }
}

#endif

/* Computes the work items `first` to `last - 1` of images x groups x blocks x slices. */
TS_INLINE void ts_integer_contract(struct ts_integer_contraction p, const uint8_t *x, const int8_t *w,
                                   const int32_t *terms, void *y, unsigned char *scratch, size_t first, size_t last,
                                   ts_activation activation)
{
    const size_t padded = (p.columns + TS_PANEL - 1) / TS_PANEL * TS_PANEL, pixels = p.height * p.width;
    const size_t items = p.blocks * p.slices;
    p.store.stride = padded;
#pragma clang loop unroll(disable)
    for (size_t item = first; item < last; item++) {
        const size_t image = item / items / p.groups, group = item / items % p.groups, within = item % items;
        const size_t block = within / p.slices, column = within % p.slices * p.slice;
        const size_t columns = p.columns - column < p.slice ? p.columns - column : p.slice;
        const uint8_t *const from = x + image * p.x_image + group * p.x_group;
        void *const to = ts_element(&p.store, y, image * p.y_image + group * p.y_group);
#ifdef TS_DOT_WORDS
        if (p.winograd) {
            ts_winograd_item(&p, from, w, terms, to, scratch, column, columns, block, activation);
            continue;
        }
#endif
        ts_integer_item(&p, from, w + group * padded * p.windows.packed, terms + group * padded * TS_TERMS, to, scratch,
                        column, columns, pixels * block / p.blocks, pixels * (block + 1) / p.blocks, activation);
    }
}

#endif
