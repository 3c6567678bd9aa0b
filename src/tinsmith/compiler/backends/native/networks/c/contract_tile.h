/* contract_tile.h: one register tile of a contraction of images (or of a matrix) with constant weights.
 *
 * A convolution over images whose channels are innermost is a matrix product whose left side is read in place: the
 * rows are output pixels, the columns output channels, and the sum runs over `high` x `wide` taps of `deep`
 * channels. A matrix product is the same with one tap. Padding is read from the image, whose owner writes it.
 */
#ifndef TS_CONTRACT_TILE_H
#define TS_CONTRACT_TILE_H

#include "contract_vector.h"

/* Constants of one contraction. Steps count floats. */
struct ts_contraction {
    /* Output pixels of an image. */
    size_t height, width;
    /* From the input of an output pixel to that of the pixel below and to the right. */
    size_t x_row, x_pixel;
    /* Taps and channels of the sum, and the steps from tap to tap. */
    size_t high, wide, deep, high_step, wide_step;
    /* Rows of taps that one pass over the pixels adds; divides `high`. */
    size_t high_block;
    /* Output channels of a group. Its weights are panels of TS_PANEL columns, the last filled up with zeros. */
    size_t columns;
    size_t y_row, y_pixel;
    /* `bias` is set: the start of the sums, which is 0 otherwise. */
    bool bias;
    /* `residual` is set: a tensor that is added before the activation. */
    bool residual;
    size_t residual_row, residual_pixel;
    /* Images and groups, and the steps from one to the next. */
    size_t images, x_image, y_image, residual_image;
    size_t groups, x_group, y_group, residual_group;
    /* Work items of an image and group: blocks of pixels x slices of TS_SLICE columns. */
    size_t blocks, slices;
    /* Items are numbered slice by slice (weights stay in cache), or block by block (pixels stay in cache). */
    bool slice_major;
    /* Vectors and most pixels of a tile; 0: as this header finds best. */
    size_t tile_vectors, tile_rows;
};

/* Where a tile begins. */
struct ts_operands {
    const float *x, *w, *bias, *residual;
    float *y;
};

/* Columns of one work item. */
#define TS_SLICE (4 * TS_PANEL)

/* Vectors that hold the sums of a tile. The other registers hold one row of weights, and the input. */
#if defined(__AVX512F__)
#define TS_SUMS 28
#elif defined(__aarch64__)
#define TS_SUMS 24
#elif TS_LANES == 1
#define TS_SUMS 16
#elif defined(__i386__)
#define TS_SUMS 4
#elif TS_LANES == 4
#define TS_SUMS 8
#else
#define TS_SUMS 12
#endif

/* Vectors in the row of a tile. */
#define TS_MOST_VECTORS 4

/* Floats of a panel that are fetched ahead of their use, by tiles of so many rows: few rows use up their weights as
 * fast as these arrive, and fetching only adds work. */
#define TS_AHEAD 512
#define TS_AHEAD_ROWS 5

/* Bytes at whose multiples rows of the input share their places in a first-level cache. */
#define TS_ALIAS 4096

/* Vectors in the rows of a contraction's tiles: at least a whole row of a panel, a cache line, where the registers
 * suffice. Many rows make the best use of loads, but would throw each other out where they share their places in the
 * cache. */
TS_INLINE int ts_tile_vectors(const struct ts_contraction *p)
{
    if (p->tile_vectors)
        return (int)p->tile_vectors;
#if defined(__AVX512F__)
    return p->height * p->width <= 2 || p->x_pixel * sizeof(float) % TS_ALIAS == 0 ? 4 : 2;
#elif defined(__i386__)
    return (void)p, 2;
#elif TS_LANES <= 4
    return (void)p, 4;
#else
    return p->height * p->width <= 2 ? 4 : 2;
#endif
}

/* Rows of a tile with `vectors` vectors in a row. With four, one row less leaves a register for the input. */
TS_INLINE int ts_tile_rows(const struct ts_contraction *p, int vectors)
{
    const int rows = vectors == 4 && TS_SUMS > 24 ? 24 / vectors : TS_SUMS / vectors;
    const int most = p->tile_rows && p->tile_rows < 14 ? (int)p->tile_rows : 14;
    return rows < most ? rows : most;
}

/* Into how many sums each element of a small tile is split: one sum alone would wait for every addition. */
TS_INLINE int ts_tile_ways(int sums)
{
    const int most = TS_SUMS < 16 ? TS_SUMS : 16;
    return 8 * sums <= most ? 8 : 4 * sums <= most ? 4 : 2 * sums <= most ? 2 : 1;
}

TS_INLINE size_t ts_panel_floats(const struct ts_contraction *p)
{
    return p->high * p->wide * p->deep * TS_PANEL;
}

/* sum[m][v] += x[m] * w[v] for one row of a panel. */
TS_INLINE void ts_tile_step(const struct ts_contraction *p, int down, int across, int vectors, const float *x,
                            const float *w, ts_vf *sum)
{
#pragma clang fp contract(fast)
    ts_vf weights[TS_MOST_VECTORS];
    TS_UNROLL
    for (int v = 0; v < vectors; v++) {
        const float *from = w + (size_t)(v * TS_LANES / TS_PANEL) * ts_panel_floats(p) + v * TS_LANES % TS_PANEL;
        if (down * across >= TS_AHEAD_ROWS && v * TS_LANES % TS_PANEL == 0)
            __builtin_prefetch(from + TS_AHEAD);
        weights[v] = ts_load(from);
    }
    TS_UNROLL
    for (int m = 0; m < down * across; m++) {
        ts_vf value = ts_splat(x[(size_t)(m / across) * p->x_row + (size_t)(m % across) * p->x_pixel]);
        TS_UNROLL
        for (int v = 0; v < vectors; v++)
            sum[m * vectors + v] += value * weights[v];
    }
}

/* The sums over rows `first` to `first + high_block - 1` of the taps. */
TS_INLINE void ts_tile_sums(const struct ts_contraction *p, int down, int across, int vectors, struct ts_operands at,
                            size_t first, ts_vf *sum)
{
    const int sums = down * across * vectors, ways = ts_tile_ways(sums);
    const size_t even = p->deep / (size_t)ways * (size_t)ways;
    const float *w = at.w + first * p->wide * p->deep * TS_PANEL;
    for (size_t h = first; h < first + p->high_block; h++) {
        for (size_t t = 0; t < p->wide; t++) {
            const float *x = at.x + h * p->high_step + t * p->wide_step;
            for (size_t k = 0; k < even; k += (size_t)ways, x += ways, w += ways * TS_PANEL) {
                TS_UNROLL
                for (int way = 0; way < ways; way++)
                    ts_tile_step(p, down, across, vectors, x + way, w + way * TS_PANEL, sum + way * sums);
            }
            for (size_t k = even; k < p->deep; k++, x++, w += TS_PANEL)
                ts_tile_step(p, down, across, vectors, x, w, sum);
        }
    }
    TS_UNROLL
    for (int i = sums; i < ways * sums; i++)
        sum[i % sums] += sum[i];
}

/* Adds one pass of taps to a tile of down x across pixels and `vectors` vectors, `tail` lanes of the last of which
 * are columns. The first pass begins with the bias, later ones with what y holds; the last one ends with the residual
 * and the activation. */
TS_INLINE void ts_tile(const struct ts_contraction *p, int down, int across, int vectors, int tail,
                       struct ts_operands at, size_t first, ts_activation activation)
{
    ts_vf sum[TS_SUMS];
    const int sums = down * across * vectors;
    const bool last = first + p->high_block == p->high;
    TS_UNROLL
    for (int i = 0; i < sums; i++) {
        const int m = i / vectors, v = i % vectors;
        const float *y = at.y + (size_t)(m / across) * p->y_row + (size_t)(m % across) * p->y_pixel + v * TS_LANES;
        if (p->high_block < p->high && first != 0)
            sum[i] = ts_load_some(y, v == vectors - 1 ? tail : TS_LANES);
        else
            sum[i] = p->bias ? ts_load(at.bias + v * TS_LANES) : ts_splat(0);
    }
    TS_UNROLL
    for (int i = sums; i < ts_tile_ways(sums) * sums; i++)
        sum[i] = ts_splat(0);
    ts_tile_sums(p, down, across, vectors, at, first, sum);
    TS_UNROLL
    for (int i = 0; i < sums; i++) {
        const int m = i / vectors, v = i % vectors, lanes = v == vectors - 1 ? tail : TS_LANES;
        const size_t row = (size_t)(m / across), pixel = (size_t)(m % across);
        if (last && p->residual)
            sum[i] += ts_load_some(
                at.residual + row * p->residual_row + pixel * p->residual_pixel + v * TS_LANES, lanes);
        ts_store_some(at.y + row * p->y_row + pixel * p->y_pixel + v * TS_LANES,
                      last && !activation.rows ? activation.vector(sum[i]) : sum[i], lanes);
    }
    if (!activation.rows || !last)
        return;
#pragma clang loop unroll(disable)
    for (int m = 0; m < down; m++)
        activation.rows(at.y + (size_t)m * p->y_row, (size_t)across, p->y_pixel, (vectors - 1) * TS_LANES + tail);
}

#endif
