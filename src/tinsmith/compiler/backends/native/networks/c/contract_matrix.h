/* contract_matrix.h: walks the tiles of a contraction; see contract_tile.h. */
#ifndef TS_CONTRACT_MATRIX_H
#define TS_CONTRACT_MATRIX_H

#include "contract_cut.h"
#include "contract_tile.h"

TS_INLINE struct ts_operands ts_at_pixel(const struct ts_contraction *p, struct ts_operands at, size_t row,
                                         size_t pixel)
{
    at.x += row * p->x_row + pixel * p->x_pixel;
    at.y += row * p->y_row + pixel * p->y_pixel;
    if (p->residual)
        at.residual += row * p->residual_row + pixel * p->residual_pixel;
    return at;
}

TS_INLINE struct ts_operands ts_at_vector(const struct ts_contraction *p, struct ts_operands at, size_t vector)
{
    const size_t column = vector * TS_LANES;
    at.w += column / TS_PANEL * ts_panel_floats(p) + column % TS_PANEL;
    if (p->bias)
        at.bias += column;
    at.y += column;
    if (p->residual)
        at.residual += column;
    return at;
}

/* One pass over the tiles of the blocks `first` to `last - 1`: whole rows of pixels where they are short, else parts of
 * rows. */
TS_INLINE void ts_tiles(const struct ts_contraction *p, int vectors, int tail, struct ts_operands at, size_t first,
                        size_t last, size_t high, ts_activation activation)
{
    const size_t rows = (size_t)ts_tile_rows(p, vectors);
    const bool whole = p->height > 1 && 2 * p->width <= rows;
    const struct ts_cut cut = whole ? ts_cut(p->height, rows / p->width) : ts_cut(p->width, rows);
    const size_t tiles = whole ? cut.parts : p->height * cut.parts;
    const int shorter = (int)cut.shorter, width = (int)p->width;
    for (size_t tile = tiles * first / p->blocks; tile < tiles * last / p->blocks; tile++) {
        const size_t part = tile % cut.parts, start = ts_cut_start(cut, part);
        const struct ts_operands here =
            whole ? ts_at_pixel(p, at, start, 0) : ts_at_pixel(p, at, tile / cut.parts, start);
        if (part < cut.longer_parts)
            ts_tile(p, whole ? shorter + 1 : 1, whole ? width : shorter + 1, vectors, tail, here, high, activation);
        else
            ts_tile(p, whole ? shorter : 1, whole ? width : shorter, vectors, tail, here, high, activation);
    }
}

/* The columns of a slice at the pixels of the blocks `first` to `last - 1`. */
TS_INLINE void ts_item(const struct ts_contraction *p, struct ts_operands at, size_t slice, size_t first,
                       size_t last, ts_activation activation)
{
    const size_t across = (size_t)ts_tile_vectors(p), per_slice = TS_SLICE / (across * TS_LANES);
    const size_t vectors = (p->columns + TS_LANES - 1) / TS_LANES;
    const size_t full = p->columns / (across * TS_LANES), rest = vectors - full * across;
    const int tail = (int)(p->columns - (vectors - 1) * TS_LANES);
    for (size_t high = 0; high < p->high; high += p->high_block) {
        size_t strip = slice * per_slice;
        for (; strip < (slice + 1) * per_slice && strip < full; strip++)
            ts_tiles(p, (int)across, TS_LANES, ts_at_vector(p, at, strip * across), first, last, high,
                     activation);
        if (rest > 0 && full / per_slice == slice)
            ts_tiles(p, (int)rest, tail, ts_at_vector(p, at, full * across), first, last, high, activation);
    }
}

/* Computes the work items `first` to `last - 1` of images x groups x blocks x slices. Blocks of one slice that follow
 * each other are done as one, so small blocks cost nothing where a thread has many. */
TS_INLINE void ts_contract(struct ts_contraction p, const float *x, const float *w, const float *bias,
                           const float *residual, float *y, size_t first, size_t last, ts_activation activation)
{
    const size_t padded = (p.columns + TS_PANEL - 1) / TS_PANEL * TS_PANEL, items = p.blocks * p.slices;
    for (size_t item = first, next; item < last; item = next) {
        const size_t image = item / items / p.groups, group = item / items % p.groups, within = item % items;
        struct ts_operands at = {x + image * p.x_image + group * p.x_group,
                                 w + group * (padded / TS_PANEL) * ts_panel_floats(&p), bias + group * padded, NULL,
                                 y + image * p.y_image + group * p.y_group};
        if (p.residual)
            at.residual = residual + image * p.residual_image + group * p.residual_group;
        const size_t slice = p.slice_major ? within / p.blocks : within % p.slices;
        const size_t block = p.slice_major ? within % p.blocks : within / p.slices;
        next = item + 1;
        if (p.slice_major)
            next = last - item < p.blocks - block ? last : item + p.blocks - block;
        ts_item(&p, at, slice, block, block + (next - item), activation);
    }
}

#endif
