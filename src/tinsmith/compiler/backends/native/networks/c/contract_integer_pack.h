/* contract_integer_pack.h: what the windows of output pixels hold, row by row, as contract_integer_dot.h reads it. */
#ifndef TS_CONTRACT_INTEGER_PACK_H
#define TS_CONTRACT_INTEGER_PACK_H

#include "contract_integer_dot.h"

/* Windows over images of bytes, channels innermost. Steps count bytes. */
struct ts_windows {
    /* Pixels of an input image, and what is read as if it lay around it. */
    size_t height, width;
    int outside;
    /* The elements are signed. */
    bool is_signed;
    size_t row, pixel;
    /* Taps and channels of a window. */
    size_t high, wide, deep;
    size_t high_stride, wide_stride, high_dilation, wide_dilation, top, left;
    /* Elements of a packed window: a multiple of TS_GROUP. */
    size_t packed;
};

TS_INLINE int ts_pack_offset(const struct ts_windows *p)
{
    return p->is_signed ? TS_PACK_SIGNED : TS_PACK_UNSIGNED;
}

/* Whether all taps of a row of a window adjoin. */
TS_INLINE bool ts_taps_adjoin(const struct ts_windows *p)
{
    return p->wide == 1 || (p->wide_dilation == 1 && p->pixel == p->deep);
}

/* Packs `count` bytes, a power of 2. */
#define TS_PACK_CHUNK(count)                                                                                           \
    TS_INLINE void ts_pack_##count(const struct ts_windows *p, ts_packed *to, const uint8_t *from)                     \
    {                                                                                                                  \
        typedef uint8_t bytes __attribute__((vector_size(count), aligned(1)));                                         \
        typedef int8_t signed_bytes __attribute__((vector_size(count), aligned(1)));                                   \
        typedef ts_packed elements __attribute__((vector_size(count * sizeof(ts_packed)), aligned(1)));                \
        const elements wide = p->is_signed ? __builtin_convertvector(*(const signed_bytes *)from, elements)            \
                                           : __builtin_convertvector(*(const bytes *)from, elements);                  \
        *(elements *)(void *)to = wide + (ts_packed)ts_pack_offset(p);                                                 \
    }

TS_PACK_CHUNK(16)
TS_PACK_CHUNK(8)
TS_PACK_CHUNK(4)
TS_PACK_CHUNK(1)

/* The last chunk overlaps the one before where it can. */
TS_INLINE ts_packed *ts_pack_bytes(const struct ts_windows *p, ts_packed *to, const uint8_t *from, size_t count)
{
    if (count >= 16) {
#pragma clang loop unroll(disable)
        for (size_t i = 0; i + 16 <= count; i += 16)
            ts_pack_16(p, to + i, from + i);
        if (count % 16)
            ts_pack_16(p, to + count - 16, from + count - 16);
    } else if (count >= 8) {
        ts_pack_8(p, to, from);
        if (count > 8)
            ts_pack_8(p, to + count - 8, from + count - 8);
    } else if (count >= 4) {
        ts_pack_4(p, to, from);
        if (count > 4)
            ts_pack_4(p, to + count - 4, from + count - 4);
    } else {
        for (size_t i = 0; i < count; i++)
            ts_pack_1(p, to + i, from + i);
    }
    return to + count;
}

TS_INLINE ts_packed *ts_pack_outside(const struct ts_windows *p, ts_packed *to, size_t count)
{
    const ts_packed value = (ts_packed)(p->outside + ts_pack_offset(p));
#pragma clang loop unroll(disable)
    for (size_t i = 0; i < count; i++)
        to[i] = value;
    return to + count;
}

/* One row of taps, of which the first lies at pixel `x` of `row`. */
TS_INLINE ts_packed *ts_pack_taps(const struct ts_windows *p, ts_packed *to, const uint8_t *row, ptrdiff_t x)
{
    const ptrdiff_t width = (ptrdiff_t)p->width, wide = (ptrdiff_t)p->wide;
    if (ts_taps_adjoin(p) && x >= 0 && x + wide <= width)
        return ts_pack_bytes(p, to, row + x * (ptrdiff_t)p->pixel, p->wide * p->deep);
    if (ts_taps_adjoin(p)) {
        const ptrdiff_t before = x < 0 ? (-x < wide ? -x : wide) : 0;
        const ptrdiff_t end = x + wide > width ? (width - x > before ? width - x : before) : wide;
        to = ts_pack_outside(p, to, (size_t)before * p->deep);
        to = ts_pack_bytes(p, to, row + (x + before) * (ptrdiff_t)p->pixel, (size_t)(end - before) * p->deep);
        return ts_pack_outside(p, to, (size_t)(wide - end) * p->deep);
    }
    for (ptrdiff_t tap = 0; tap < wide; tap++, x += (ptrdiff_t)p->wide_dilation) {
        if (x >= 0 && x < width)
            to = ts_pack_bytes(p, to, row + x * (ptrdiff_t)p->pixel, p->deep);
        else
            to = ts_pack_outside(p, to, p->deep);
    }
    return to;
}

/* The window of the output pixel at `down`, `across` of the image. */
TS_INLINE void ts_pack_window(const struct ts_windows *p, ts_packed *to, const uint8_t *image, size_t down,
                              size_t across)
{
    ts_packed *const end = to + p->packed;
    ptrdiff_t y = (ptrdiff_t)(down * p->high_stride) - (ptrdiff_t)p->top;
    const ptrdiff_t x = (ptrdiff_t)(across * p->wide_stride) - (ptrdiff_t)p->left;
    for (size_t h = 0; h < p->high; h++, y += (ptrdiff_t)p->high_dilation) {
        if (y >= 0 && y < (ptrdiff_t)p->height)
            to = ts_pack_taps(p, to, image + y * (ptrdiff_t)p->row, x);
        else
            to = ts_pack_outside(p, to, p->wide * p->deep);
    }
    while (to < end)
        *to++ = 0;
}

/* Whether the windows of neighbouring pixels of a row adjoin. */
TS_INLINE bool ts_windows_adjoin(const struct ts_windows *p)
{
    return p->high * p->wide == 1 && p->wide_stride == 1 && p->left == 0 && p->pixel == p->packed;
}

/* The windows of the output pixels `first` to `last - 1`, `across` of which make a row. */
TS_INLINE void ts_pack_windows(const struct ts_windows *p, ts_packed *to, const uint8_t *image, size_t across,
                               size_t first, size_t last)
{
    if (ts_windows_adjoin(p) && p->height == 1) {
        ts_pack_bytes(p, to, image + first * p->pixel, (last - first) * p->packed);
        return;
    }
#pragma clang loop unroll(disable)
    for (size_t pixel = first; pixel < last; pixel++, to += p->packed)
        ts_pack_window(p, to, image, pixel / across, pixel % across);
}

#endif
