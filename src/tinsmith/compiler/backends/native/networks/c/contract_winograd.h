/* contract_winograd.h: 3x3 convolution with a step of 1 by Winograd's F(4x4, 3x3).
 *
 * Of every 6x6 patch of the image (patches begin 4 pixels apart) 36 linear combinations are taken. Combination i of
 * all patches is contracted with combination i of the weights, and 4x4 outputs are combinations of the 36 results:
 * 36 multiplications instead of 144.
 */
#ifndef TS_CONTRACT_WINOGRAD_H
#define TS_CONTRACT_WINOGRAD_H

#include "contract_matrix.h"
#include "contract_scratch.h"

/* Constants of one layer. Steps count floats. */
struct ts_winograd {
    /* Output pixels of an image, which is read up to 5 pixels beyond each fourth one. */
    size_t height, width;
    size_t x_row, x_pixel, deep;
    size_t columns, y_row, y_pixel;
    bool residual;
    size_t residual_row, residual_pixel;
    size_t images, x_image, y_image, residual_image;
    /* A work item is `patches` patches x `part` columns, a multiple of TS_PANEL. */
    size_t patches, part;
    /* Of a tile of the products; see contract_tile.h. */
    size_t tile_vectors, tile_rows;
};

#define TS_PATCH 36

/* Floats between combinations: not a power of two, which would lay all 36 on each other in the cache. */
TS_INLINE size_t ts_combination(const struct ts_winograd *p, size_t width)
{
    return p->patches * width + TS_PANEL;
}

/* The polynomials are evaluated at 0, +-TS_NEAR, +-TS_FAR and infinity. All that is made of the two is exact. */
#define TS_NEAR 0.625f
#define TS_FAR 1.5f
#define TS_NEAR2 (TS_NEAR * TS_NEAR)
#define TS_FAR2 (TS_FAR * TS_FAR)

TS_INLINE void ts_winograd_in(const ts_vf *d, size_t step, ts_vf *out)
{
#pragma clang fp contract(fast)
    const ts_vf near = d[4 * step] - TS_FAR2 * d[2 * step], far = d[4 * step] - TS_NEAR2 * d[2 * step];
    const ts_vf near_odd = TS_NEAR * d[3 * step] - TS_NEAR * TS_FAR2 * d[step];
    const ts_vf far_odd = TS_FAR * d[3 * step] - TS_FAR * TS_NEAR2 * d[step];
    out[0] = TS_NEAR2 * TS_FAR2 * d[0] - (TS_NEAR2 + TS_FAR2) * d[2 * step] + d[4 * step];
    out[1] = near + near_odd;
    out[2] = near - near_odd;
    out[3] = far + far_odd;
    out[4] = far - far_odd;
    out[5] = TS_NEAR2 * TS_FAR2 * d[step] - (TS_NEAR2 + TS_FAR2) * d[3 * step] + d[5 * step];
}

TS_INLINE void ts_winograd_out(const ts_vf *d, size_t step, ts_vf *out)
{
#pragma clang fp contract(fast)
    const ts_vf near = d[step] + d[2 * step], near_odd = d[step] - d[2 * step];
    const ts_vf far = d[3 * step] + d[4 * step], far_odd = d[3 * step] - d[4 * step];
    out[0] = d[0] + near + far;
    out[1] = TS_NEAR * near_odd + TS_FAR * far_odd;
    out[2] = TS_NEAR2 * near + TS_FAR2 * far;
    out[3] = TS_NEAR * TS_NEAR2 * near_odd + TS_FAR * TS_FAR2 * far_odd + d[5 * step];
}

/* The combinations of one patch and `lanes` channels. */
TS_INLINE void ts_winograd_patch(const struct ts_winograd *p, int lanes, const float *x, float *out)
{
    ts_vf pixels[TS_PATCH], half[TS_PATCH], line[6];
    TS_UNROLL
    for (size_t column = 0; column < 6; column++) {
        TS_UNROLL
        for (size_t row = 0; row < 6; row++)
            pixels[row] = ts_load_some(x + row * p->x_row + column * p->x_pixel, lanes);
        ts_winograd_in(pixels, 1, half + 6 * column);
    }
    TS_UNROLL
    for (size_t row = 0; row < 6; row++) {
        ts_winograd_in(half + row, 6, line);
        TS_UNROLL
        for (size_t column = 0; column < 6; column++)
            ts_store_some(out + (6 * row + column) * ts_combination(p, p->deep), line[column], lanes);
    }
}

/* The 4x4 outputs at pixel (row, column) of one patch and `lanes` columns; those beyond the image are left out. */
TS_INLINE void ts_winograd_outputs(const struct ts_winograd *p, int lanes, const float *sums, size_t width,
                                   const float *bias, const float *residual, float *y, size_t row, size_t column,
                                   ts_activation activation)
{
    ts_vf sum[6], half[24], line[4];
    TS_UNROLL
    for (size_t j = 0; j < 6; j++) {
        TS_UNROLL
        for (size_t i = 0; i < 6; i++)
            sum[i] = ts_load_some(sums + (6 * i + j) * ts_combination(p, width), lanes);
        ts_winograd_out(sum, 1, half + 4 * j);
    }
    const ts_vf start = ts_load(bias);
    TS_UNROLL
    for (size_t i = 0; i < 4; i++) {
        ts_winograd_out(half + i, 4, line);
        TS_UNROLL
        for (size_t j = 0; j < 4; j++) {
            if (row + i >= p->height || column + j >= p->width)
                continue;
            ts_vf value = line[j] + start;
            if (p->residual)
                value += ts_load_some(residual + i * p->residual_row + j * p->residual_pixel, lanes);
            ts_store_some(y + i * p->y_row + j * p->y_pixel, activation.rows ? value : activation.vector(value), lanes);
        }
    }
    if (!activation.rows)
        return;
    const size_t across = p->width - column < 4 ? p->width - column : 4;
#pragma clang loop unroll(disable)
    for (size_t i = 0; i < 4 && row + i < p->height; i++)
        activation.rows(y + i * p->y_row, across, p->y_pixel, lanes);
}

TS_INLINE ts_vf ts_winograd_identity(ts_vf x)
{
    return x;
}

/* All 36 products of the patches with `width` columns of the weights. */
TS_INLINE void ts_winograd_products(const struct ts_winograd *p, size_t width, const float *patches, const float *w,
                                    float *sums)
{
    const struct ts_contraction product = {.height = 1,
                                           .width = p->patches,
                                           .x_pixel = p->deep,
                                           .high = 1,
                                           .wide = 1,
                                           .deep = p->deep,
                                           .high_block = 1,
                                           .columns = width,
                                           .y_pixel = width,
                                           .blocks = 1,
                                           .tile_vectors = p->tile_vectors,
                                           .tile_rows = p->tile_rows};
    const size_t panels = (p->columns + TS_PANEL - 1) / TS_PANEL;
    for (size_t i = 0; i < TS_PATCH; i++) {
        const struct ts_operands at = {patches + i * ts_combination(p, p->deep),
                                       w + i * panels * p->deep * TS_PANEL, NULL, NULL,
                                       sums + i * ts_combination(p, width)};
        for (size_t slice = 0; slice < (width + TS_SLICE - 1) / TS_SLICE; slice++)
            ts_item(&product, at, slice, 0, 1, (ts_activation){ts_winograd_identity, NULL});
    }
}

/* Patches `first` and following of an image, `width` columns beginning at `at`. `transformed`: `scratch` holds what
 * becomes of the patches. */
TS_INLINE void ts_winograd_item(const struct ts_winograd *p, struct ts_operands at, size_t width, size_t first,
                                float *scratch, bool transformed, ts_activation activation)
{
    const size_t across = (p->width + 3) / 4, all = (p->height + 3) / 4 * across;
    const size_t count = all - first < p->patches ? all - first : p->patches;
    float *sums = scratch + TS_PATCH * ts_combination(p, p->deep);
    for (size_t i = 0; !transformed && i < count; i++) {
        const float *x = at.x + (first + i) / across * 4 * p->x_row + (first + i) % across * 4 * p->x_pixel;
        size_t c = 0;
        for (; c + TS_LANES <= p->deep; c += TS_LANES)
            ts_winograd_patch(p, TS_LANES, x + c, scratch + i * p->deep + c);
        if (p->deep % TS_LANES)
            ts_winograd_patch(p, (int)(p->deep % TS_LANES), x + c, scratch + i * p->deep + c);
    }
    ts_winograd_products(p, width, scratch, at.w, sums);
    for (size_t i = 0; i < count; i++) {
        const size_t row = (first + i) / across * 4, column = (first + i) % across * 4;
        const float *from = sums + i * width;
        const float *residual = p->residual ? at.residual + row * p->residual_row + column * p->residual_pixel : NULL;
        float *y = at.y + row * p->y_row + column * p->y_pixel;
        size_t c = 0;
        for (; c + TS_LANES <= width; c += TS_LANES)
            ts_winograd_outputs(p, TS_LANES, from + c, width, at.bias + c, p->residual ? residual + c : NULL, y + c, row,
                                column, activation);
        if (width % TS_LANES)
            ts_winograd_outputs(p, (int)(width % TS_LANES), from + c, width, at.bias + c,
                                p->residual ? residual + c : NULL, y + c, row, column, activation);
    }
}

/* Computes the work items `first` to `last - 1` of images x blocks of patches x parts of columns. `scratch` has room
 * for a note, TS_PATCH combinations of the patches and as many of `part` columns. */
TS_INLINE void ts_convolve_winograd(struct ts_winograd p, const float *x, const float *w, const float *bias,
                                    const float *residual, float *y, float *scratch, size_t first, size_t last,
                                    ts_activation activation)
{
    const size_t all = ((p.width + 3) / 4) * ((p.height + 3) / 4), blocks = (all + p.patches - 1) / p.patches;
    const size_t parts = (p.columns + p.part - 1) / p.part, full = p.columns / p.part;
    for (size_t item = first; item < last; item++) {
        const size_t image = item / (blocks * parts), block = item / parts % blocks, part = item % parts;
        const size_t column = part * p.part;
        struct ts_operands at = {x + image * p.x_image, w + column * p.deep, bias + column, NULL,
                                 y + image * p.y_image + column};
        if (p.residual)
            at.residual = residual + image * p.residual_image + column;
        const bool transformed = ts_holds(scratch, item / parts);
        float *memory = scratch + TS_NOTE_FLOATS;
        if (part < full)
            ts_winograd_item(&p, at, p.part, block * p.patches, memory, transformed, activation);
        else
            ts_winograd_item(&p, at, p.columns - full * p.part, block * p.patches, memory, transformed, activation);
    }
}

#endif
