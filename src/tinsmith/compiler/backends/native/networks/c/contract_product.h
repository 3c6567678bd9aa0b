/* contract_product.h: products of matrices none of which is constant, one pair after the other.
 *
 * A slice of the right matrix is packed into panels and then contracted as if it were constant.
 */
#ifndef TS_CONTRACT_PRODUCT_H
#define TS_CONTRACT_PRODUCT_H

#include "contract_matrix.h"
#include "contract_scratch.h"

/* Constants of a stack of products. Steps count floats; a step of 0 uses the same matrix again. */
struct ts_product {
    /* y[rows, columns] = x[rows, depth] w[depth, columns], each element at row * ..._row + column. */
    size_t rows, depth, columns, x_row, w_row, y_row;
    /* `transposed`: w[k, n] lies at n * w_row + k. */
    bool transposed;
    /* Factor of the product. */
    float scale;
    bool residual;
    size_t residual_row;
    /* The stack has two dimensions, as the heads of attention want. */
    size_t outer, x_outer, w_outer, y_outer, residual_outer;
    size_t inner, x_inner, w_inner, y_inner, residual_inner;
    size_t blocks, slices;
    /* Of a tile; see contract_tile.h. */
    size_t tile_vectors, tile_rows;
};

typedef float ts_quad __attribute__((vector_size(16), aligned(4)));

TS_INLINE void ts_transpose_quads(const float *from, size_t from_row, float *to, float scale)
{
    const ts_quad a = *(const ts_quad *)from * scale, b = *(const ts_quad *)(from + from_row) * scale,
                  c = *(const ts_quad *)(from + 2 * from_row) * scale,
                  d = *(const ts_quad *)(from + 3 * from_row) * scale;
    const ts_quad ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    const ts_quad ba = __builtin_shufflevector(a, b, 2, 6, 3, 7), dc = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(ts_quad *)to = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
    *(ts_quad *)(to + TS_PANEL) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
    *(ts_quad *)(to + 2 * TS_PANEL) = __builtin_shufflevector(ba, dc, 0, 1, 4, 5);
    *(ts_quad *)(to + 3 * TS_PANEL) = __builtin_shufflevector(ba, dc, 2, 3, 6, 7);
}

/* One panel of `columns` rows of the transposed matrix. */
TS_INLINE void ts_pack_transposed(const struct ts_product *p, const float *w, size_t columns, float *panel)
{
    const size_t even = p->depth / 4 * 4;
    for (size_t n = 0; n < TS_PANEL; n += 4) {
        size_t k = 0;
        for (; n + 4 <= columns && k < even; k += 4)
            ts_transpose_quads(w + n * p->w_row + k, p->w_row, panel + k * TS_PANEL + n, p->scale);
        for (; k < p->depth; k++)
            for (size_t i = n; i < n + 4; i++)
                panel[k * TS_PANEL + i] = i < columns ? w[i * p->w_row + k] * p->scale : 0;
    }
}

/* One panel of `columns` columns. */
TS_INLINE void ts_pack_straight(const struct ts_product *p, const float *w, size_t columns, float *panel)
{
    const ts_vf scale = ts_splat(p->scale);
    for (size_t k = 0; k < p->depth; k++) {
        if (columns == TS_PANEL) {
            TS_UNROLL
            for (size_t n = 0; n < TS_PANEL; n += TS_LANES)
                ts_store(panel + k * TS_PANEL + n, ts_load(w + k * p->w_row + n) * scale);
        } else {
            for (size_t n = 0; n < TS_PANEL; n++)
                panel[k * TS_PANEL + n] = n < columns ? w[k * p->w_row + n] * p->scale : 0;
        }
    }
}

/* `columns` columns of a matrix as panels. */
TS_INLINE void ts_pack(const struct ts_product *p, const float *w, size_t columns, float *panels)
{
    for (size_t n = 0; n < columns; n += TS_PANEL) {
        const size_t width = columns - n < TS_PANEL ? columns - n : TS_PANEL;
        if (p->transposed)
            ts_pack_transposed(p, w + n * p->w_row, width, panels + n * p->depth);
        else
            ts_pack_straight(p, w + n, width, panels + n * p->depth);
    }
}

/* Blocks `first` to `last - 1` of the first `columns` columns at `at`, whose weights are packed into `panels` if they
 * are not yet. */
TS_INLINE void ts_product_item(const struct ts_product *p, struct ts_operands at, size_t columns, size_t first,
                               size_t last, float *panels, bool packed, ts_activation activation)
{
    const struct ts_contraction contraction = {.height = 1,
                                               .width = p->rows,
                                               .x_pixel = p->x_row,
                                               .high = 1,
                                               .wide = 1,
                                               .deep = p->depth,
                                               .high_block = 1,
                                               .columns = columns,
                                               .y_pixel = p->y_row,
                                               .residual = p->residual,
                                               .residual_pixel = p->residual_row,
                                               .blocks = p->blocks,
                                               .tile_vectors = p->tile_vectors,
                                               .tile_rows = p->tile_rows};
    if (!packed)
        ts_pack(p, at.w, columns, panels);
    at.w = panels;
    ts_item(&contraction, at, 0, first, last, activation);
}

/* Computes the work items `first` to `last - 1` of outer x inner x slices x blocks. `scratch` has room for a note and
 * TS_SLICE * depth floats. */
TS_INLINE void ts_multiply(struct ts_product p, const float *x, const float *w, const float *residual, float *y,
                           float *scratch, size_t first, size_t last, ts_activation activation)
{
    const size_t full = p.columns / TS_SLICE;
    float *panels = scratch + TS_NOTE_FLOATS;
    for (size_t item = first, next; item < last; item = next) {
        const size_t outer = item / (p.blocks * p.slices) / p.inner, inner = item / (p.blocks * p.slices) % p.inner;
        const size_t slice = item / p.blocks % p.slices, block = item % p.blocks, column = slice * TS_SLICE;
        struct ts_operands at = {x + outer * p.x_outer + inner * p.x_inner,
                                 w + outer * p.w_outer + inner * p.w_inner + column * (p.transposed ? p.w_row : 1),
                                 NULL, NULL, y + outer * p.y_outer + inner * p.y_inner + column};
        if (p.residual)
            at.residual = residual + outer * p.residual_outer + inner * p.residual_inner + column;
        next = last - item < p.blocks - block ? last : item + p.blocks - block;
        const bool packed = ts_holds(scratch, item / p.blocks);
        const size_t end = block + (next - item);
        if (slice < full)
            ts_product_item(&p, at, TS_SLICE, block, end, panels, packed, activation);
        else
            ts_product_item(&p, at, p.columns - full * TS_SLICE, block, end, panels, packed, activation);
    }
}

#endif
