/* contract_depthwise.h: convolution of every channel by itself, channels innermost. */
#ifndef TS_CONTRACT_DEPTHWISE_H
#define TS_CONTRACT_DEPTHWISE_H

#include "contract_cut.h"

/* Constants of one layer. Steps count floats. */
struct ts_depthwise {
    /* Output pixels of an image, and channels. */
    size_t height, width, channels;
    /* From the input of an output pixel to that of the pixel below; from an input pixel to the next, and how many of
     * those lie between the inputs of two output pixels. */
    size_t x_row, x_pixel, stride;
    size_t high, wide, high_step, wide_step;
    size_t y_row, y_pixel;
    bool residual;
    size_t residual_row, residual_pixel;
    size_t images, x_image, y_image, residual_image;
    /* Work items of a row: parts of the channels. */
    size_t parts;
    /* Most pixels of a tile; 0: eight. */
    size_t tile_rows;
};

#if defined(__AVX512F__) || defined(__aarch64__)
#define TS_REGISTERS 32
#elif defined(__i386__)
#define TS_REGISTERS 8
#else
#define TS_REGISTERS 16
#endif

/* The widest window whose weights are kept in registers. */
#define TS_KEPT_WEIGHTS (TS_REGISTERS / 2 - 1)

/* Whether each pixel is loaded once for all the outputs that it is in. */
TS_INLINE bool ts_shares_pixels(const struct ts_depthwise *p)
{
    return p->wide <= TS_KEPT_WEIGHTS && p->wide_step == p->x_pixel;
}

/* sum[i] += one row of the window at output pixel i, for `across` of them. */
TS_INLINE void ts_depthwise_shared(const struct ts_depthwise *p, int across, int lanes, const float *x, const float *w,
                                   ts_vf *sum)
{
#pragma clang fp contract(fast)
    const int wide = (int)p->wide, stride = (int)p->stride;
    ts_vf weights[TS_KEPT_WEIGHTS];
    TS_UNROLL
    for (int tap = 0; tap < wide; tap++)
        weights[tap] = ts_load(w + tap * TS_PANEL);
    TS_UNROLL
    for (int column = 0; column < (across - 1) * stride + wide; column++) {
        const ts_vf pixel = ts_load_some(x + (size_t)column * p->x_pixel, lanes);
        TS_UNROLL
        for (int i = 0; i < across; i++)
            if (column >= i * stride && column < i * stride + wide)
                sum[i] += pixel * weights[column - i * stride];
    }
}

/* The same for wide or dilated windows. */
TS_INLINE void ts_depthwise_taps(const struct ts_depthwise *p, int across, int lanes, const float *x, const float *w,
                                 ts_vf *sum)
{
#pragma clang fp contract(fast)
    for (size_t tap = 0; tap < p->wide; tap++) {
        const ts_vf weight = ts_load(w + tap * TS_PANEL);
        TS_UNROLL
        for (int i = 0; i < across; i++)
            sum[i] += weight * ts_load_some(x + tap * p->wide_step + (size_t)i * p->stride * p->x_pixel, lanes);
    }
}

/* `across` output pixels of one vector of channels, `lanes` of which exist. */
TS_INLINE void ts_depthwise_tile(const struct ts_depthwise *p, int across, int lanes, const float *x, const float *w,
                                 const float *bias, const float *residual, float *y, ts_activation activation)
{
    ts_vf sum[TS_REGISTERS];
    TS_UNROLL
    for (int i = 0; i < across; i++)
        sum[i] = ts_load(bias);
    for (size_t h = 0; h < p->high; h++, x += p->high_step, w += p->wide * TS_PANEL) {
        if (ts_shares_pixels(p))
            ts_depthwise_shared(p, across, lanes, x, w, sum);
        else
            ts_depthwise_taps(p, across, lanes, x, w, sum);
    }
    TS_UNROLL
    for (int i = 0; i < across; i++) {
        if (p->residual)
            sum[i] += ts_load_some(residual + (size_t)i * p->residual_pixel, lanes);
        ts_store_some(y + (size_t)i * p->y_pixel, activation.rows ? sum[i] : activation.vector(sum[i]), lanes);
    }
    if (activation.rows)
        activation.rows(y, (size_t)across, p->y_pixel, lanes);
}

/* A row of output pixels of one vector of channels. */
TS_INLINE void ts_depthwise_row(const struct ts_depthwise *p, int lanes, const float *x, const float *w,
                                const float *bias, const float *residual, float *y, ts_activation activation)
{
    const size_t kept = ts_shares_pixels(p) ? p->wide : 1, room = TS_REGISTERS - 2 - kept;
    const size_t most = p->tile_rows ? p->tile_rows : 8;
    const struct ts_cut cut = ts_cut(p->width, room < most ? room : most);
    for (size_t part = 0; part < cut.parts; part++) {
        const size_t start = ts_cut_start(cut, part);
        const float *from = x + start * p->stride * p->x_pixel;
        const float *added = p->residual ? residual + start * p->residual_pixel : NULL;
        float *to = y + start * p->y_pixel;
        if (part < cut.longer_parts)
            ts_depthwise_tile(p, (int)cut.shorter + 1, lanes, from, w, bias, added, to, activation);
        else
            ts_depthwise_tile(p, (int)cut.shorter, lanes, from, w, bias, added, to, activation);
    }
}

/* Computes the work items `first` to `last - 1` of images x height x parts. Parts of one row that follow each other are
 * done as one. */
TS_INLINE void ts_convolve_depthwise(struct ts_depthwise p, const float *x, const float *w, const float *bias,
                                     const float *residual, float *y, size_t first, size_t last,
                                     ts_activation activation)
{
    const size_t panel = p.high * p.wide * TS_PANEL, full = p.channels / TS_LANES * TS_LANES;
    const size_t panels = (p.channels + TS_PANEL - 1) / TS_PANEL;
    for (size_t item = first, next; item < last; item = next) {
        const size_t image = item / p.parts / p.height, row = item / p.parts % p.height, part = item % p.parts;
        const float *from = x + image * p.x_image + row * p.x_row;
        const float *added = p.residual ? residual + image * p.residual_image + row * p.residual_row : NULL;
        float *to = y + image * p.y_image + row * p.y_row;
        next = last - item < p.parts - part ? last : item + p.parts - part;
        const size_t end = panels * (part + next - item) / p.parts * TS_PANEL;
        for (size_t c = panels * part / p.parts * TS_PANEL; c < end && c < p.channels; c += TS_LANES) {
            const float *weights = w + c / TS_PANEL * panel + c % TS_PANEL;
            const float *more = p.residual ? added + c : NULL;
            if (c < full)
                ts_depthwise_row(&p, TS_LANES, from + c, weights, bias + c, more, to + c, activation);
            else
                ts_depthwise_row(&p, (int)(p.channels - full), from + c, weights, bias + c, more, to + c, activation);
        }
    }
}

#endif
