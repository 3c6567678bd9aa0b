/* contract_integer_depthwise.h: convolution of every channel of bytes by itself, channels innermost.
 *
 * The sums are taken in floats: as long as they stay below 2^24 (the planner sees to it) every one of them is exact, and
 * a product and a sum are one operation. The rows of the input that a band of output rows needs are copied first, with
 * what is read around the image.
 */
#ifndef TS_CONTRACT_INTEGER_DEPTHWISE_H
#define TS_CONTRACT_INTEGER_DEPTHWISE_H

#include "contract_cut.h"
#include "contract_integer_store.h"

/* Constants of one layer. Steps count elements of the tensor. */
struct ts_integer_depthwise {
    struct ts_integer_store store;
    /* Output pixels of an image, and channels. */
    size_t height, width, channels;
    /* Pixels of an input image, and what is read as if it lay around it. */
    size_t x_height, x_width;
    int outside;
    /* The elements of x are signed. */
    bool is_signed;
    size_t x_row, x_pixel;
    size_t high, wide, high_stride, wide_stride, high_dilation, wide_dilation, top, left;
    size_t y_row, y_pixel;
    size_t images, x_image, y_image;
    /* Work items of an image, each so many output rows; pixels of a copied row. */
    size_t bands, band, copied;
};

#if defined(__AVX512F__) || defined(__aarch64__)
#define TS_PIXELS 14
#elif defined(__i386__)
#define TS_PIXELS 2
#else
#define TS_PIXELS 8
#endif

/* The widest window whose weights are kept in registers. */
#define TS_KEPT_TAPS 7

TS_INLINE ts_vf ts_bytes_as_floats(bool is_signed, const uint8_t *from, int count)
{
    typedef uint8_t bytes __attribute__((vector_size(TS_LANES), aligned(1)));
    typedef int8_t signed_bytes __attribute__((vector_size(TS_LANES), aligned(1)));
    bytes loaded = {0};
    if (count == TS_LANES)
        loaded = *(const bytes *)from;
    else
        __builtin_memcpy(&loaded, from, (size_t)count);
    return is_signed ? __builtin_convertvector((signed_bytes)loaded, ts_vf) : __builtin_convertvector(loaded, ts_vf);
}

/* sum[i] += one row of the window at output pixel i, for `across` of them. */
TS_INLINE void ts_integer_taps(const struct ts_integer_depthwise *p, int across, int lanes, const uint8_t *x,
                               const float *w, ts_vf *sum)
{
#pragma clang fp contract(fast)
    const int wide = (int)p->wide, stride = (int)p->wide_stride;
    if (wide > TS_KEPT_TAPS || p->wide_dilation != 1) {
        for (int tap = 0; tap < wide; tap++, w += TS_PANEL, x += p->wide_dilation * p->channels) {
            TS_UNROLL
            for (int i = 0; i < across; i++)
                sum[i] += ts_load(w) * ts_bytes_as_floats(p->is_signed, x + (size_t)(i * stride) * p->channels, lanes);
        }
        return;
    }
    ts_vf weights[TS_KEPT_TAPS];
    TS_UNROLL
    for (int tap = 0; tap < wide; tap++)
        weights[tap] = ts_load(w + tap * TS_PANEL);
    TS_UNROLL
    for (int column = 0; column < (across - 1) * stride + wide; column++) {
        const ts_vf pixel = ts_bytes_as_floats(p->is_signed, x + (size_t)column * p->channels, lanes);
        TS_UNROLL
        for (int i = 0; i < across; i++)
            if (column >= i * stride && column < i * stride + wide)
                sum[i] += pixel * weights[column - i * stride];
    }
}

/* `across` output pixels of one vector of channels, `lanes` of which exist. */
TS_INLINE void ts_integer_depthwise_tile(const struct ts_integer_depthwise *p, int across, int lanes, const uint8_t *x,
                                         const float *w, const int32_t *terms, void *y, ts_activation activation)
{
    ts_vf sum[TS_PIXELS];
    TS_UNROLL
    for (int i = 0; i < across; i++)
        sum[i] = p->store.start ? __builtin_convertvector(*(const ts_vi *)terms, ts_vf) : ts_splat(0);
    const size_t step = p->high_dilation * p->copied * p->channels;
    for (size_t h = 0; h < p->high; h++, x += step, w += p->wide * TS_PANEL)
        ts_integer_taps(p, across, lanes, x, w, sum);
    TS_UNROLL
    for (int i = 0; i < across; i++) {
        void *const to = ts_element(&p->store, y, (size_t)i * p->y_pixel);
        if (p->store.number == TS_SUMS_INT32)
            ts_store_some(to, (ts_vf)__builtin_convertvector(sum[i], ts_vi), lanes);
        else
            ts_store_numbers(&p->store, sum[i], terms, to, lanes, activation);
    }
}

/* A row of output pixels of one vector of channels. */
TS_INLINE void ts_integer_depthwise_row(const struct ts_integer_depthwise *p, int lanes, const uint8_t *x,
                                        const float *w, const int32_t *terms, void *y, ts_activation activation)
{
    const struct ts_cut cut = ts_cut(p->width, TS_PIXELS);
#pragma clang loop unroll(disable)
    for (size_t part = 0; part < cut.parts; part++) {
        const size_t start = ts_cut_start(cut, part);
        const uint8_t *const from = x + start * p->wide_stride * p->channels;
        void *const to = ts_element(&p->store, y, start * p->y_pixel);
        if (part < cut.longer_parts)
            ts_integer_depthwise_tile(p, (int)cut.shorter + 1, lanes, from, w, terms, to, activation);
        else
            ts_integer_depthwise_tile(p, (int)cut.shorter, lanes, from, w, terms, to, activation);
    }
}

/* Row `y` of the image, which may lie outside, as every window wants it. */
TS_INLINE void ts_copy_row(const struct ts_integer_depthwise *p, uint8_t *to, const uint8_t *image, ptrdiff_t y)
{
    const size_t right = p->copied - p->left, pixels = right < p->x_width ? right : p->x_width;
    if (y < 0 || y >= (ptrdiff_t)p->x_height) {
        __builtin_memset(to, p->outside, p->copied * p->channels);
        return;
    }
    const uint8_t *from = image + y * (ptrdiff_t)p->x_row;
    __builtin_memset(to, p->outside, p->left * p->channels);
    to += p->left * p->channels;
    if (p->x_pixel == p->channels)
        __builtin_memcpy(to, from, pixels * p->channels);
    else
        for (size_t i = 0; i < pixels; i++)
            __builtin_memcpy(to + i * p->channels, from + i * p->x_pixel, p->channels);
    to += pixels * p->channels;
    __builtin_memset(to, p->outside, (right - pixels) * p->channels);
}

/* The output rows `first` to `last - 1`. */
TS_INLINE void ts_integer_depthwise_band(const struct ts_integer_depthwise *p, size_t first, size_t last,
                                         const uint8_t *x, const float *w, const int32_t *terms, void *y,
                                         uint8_t *scratch, ts_activation activation)
{
    const size_t panel = p->high * p->wide * TS_PANEL, full = p->channels / TS_LANES * TS_LANES;
    const size_t row = p->copied * p->channels;
    const size_t rows = (last - first - 1) * p->high_stride + (p->high - 1) * p->high_dilation + 1;
    for (size_t i = 0; i < rows; i++)
        ts_copy_row(p, scratch + i * row, x, (ptrdiff_t)(first * p->high_stride + i) - (ptrdiff_t)p->top);
    for (size_t line = first; line < last; line++) {
        const uint8_t *const from = scratch + (line - first) * p->high_stride * row;
        void *const to = ts_element(&p->store, y, line * p->y_row);
        for (size_t c = 0; c < full; c += TS_LANES)
            ts_integer_depthwise_row(p, TS_LANES, from + c, w + c / TS_PANEL * panel + c % TS_PANEL, terms + c,
                                     ts_element(&p->store, to, c), activation);
        if (full < p->channels)
            ts_integer_depthwise_row(p, (int)(p->channels - full), from + full,
                                     w + full / TS_PANEL * panel + full % TS_PANEL, terms + full,
                                     ts_element(&p->store, to, full), activation);
    }
}

/* Computes the work items `first` to `last - 1` of images x bands. */
TS_INLINE void ts_integer_convolve_depthwise(struct ts_integer_depthwise p, const uint8_t *x, const float *w,
                                             const int32_t *terms, void *y, unsigned char *scratch, size_t first,
                                             size_t last, ts_activation activation)
{
    p.store.stride = (p.channels + TS_PANEL - 1) / TS_PANEL * TS_PANEL;
#pragma clang loop unroll(disable)
    for (size_t item = first; item < last; item++) {
        const size_t image = item / p.bands, start = item % p.bands * p.band;
        const size_t end = start + p.band < p.height ? start + p.band : p.height;
        ts_integer_depthwise_band(&p, start, end, x + image * p.x_image, w, terms,
                                  ts_element(&p.store, y, image * p.y_image), scratch, activation);
    }
}

#endif
