/* contract_integer_winograd.h: convolutions of bytes, 3x3 with steps of one, by Winograd's F(2x2, 3x3).
 *
 * Four output pixels take 16 products per channel in place of 36. With the filter's transform doubled along each axis,
 * all is whole: the transformed bytes are words, and 4 times the sum comes out, exactly. The filters are transformed
 * for each block of tiles, so that no more of them is stored. It pays where products are of words anyway.
 */
#ifndef TS_CONTRACT_INTEGER_WINOGRAD_H
#define TS_CONTRACT_INTEGER_WINOGRAD_H

#include "contract_integer_pack.h"
#include "contract_integer_store.h"

#ifdef TS_DOT_WORDS

#define TS_POSITIONS 16
#define TS_WORDS (TS_VECTOR_BYTES / 2)

/* Words between the arrays of two positions: without them all would share their places in a first-level cache. */
#define TS_POSITION_GAP 32

/* Vectors of sums for a panel, and rows of a register tile. */
#define TS_PANEL_VECTORS (TS_PANEL / TS_LANES)
#define TS_WINOGRAD_ROWS (TS_VECTOR_BYTES == 64 ? 12 : TS_VECTOR_BYTES == 32 ? 6 : 3)

/* One block of tiles. */
struct ts_winograd_block {
    const struct ts_windows *windows;
    /* Tiles of a row of the image, the first of the block, and how many it has. */
    size_t across, first, count;
    /* By position: [count][deep], [deep / 2][TS_PANEL][2] and [count][TS_PANEL], with gaps after the first two. */
    int16_t *inputs, *filters;
    int32_t *sums;
};

/* Words from position to position. */
TS_INLINE size_t ts_winograd_inputs_step(const struct ts_winograd_block *b)
{
    return b->count * b->windows->deep + TS_POSITION_GAP;
}

TS_INLINE size_t ts_winograd_filters_step(const struct ts_winograd_block *b)
{
    return b->windows->deep * TS_PANEL + TS_POSITION_GAP;
}

/* to[i * to_step] from from[i * from_step], four of them. */
TS_INLINE void ts_winograd_input_axis(const ts_words *from, int from_step, ts_words *to, int to_step)
{
    to[0] = from[0] - from[2 * from_step];
    to[to_step] = from[from_step] + from[2 * from_step];
    to[2 * to_step] = from[2 * from_step] - from[from_step];
    to[3 * to_step] = from[from_step] - from[3 * from_step];
}

/* One tile; `from` are its pixels. */
TS_INLINE void ts_winograd_input(const struct ts_winograd_block *b, const uint8_t *const *from, int16_t *to)
{
    typedef uint8_t bytes __attribute__((vector_size(TS_WORDS), aligned(1)));
    typedef int8_t signed_bytes __attribute__((vector_size(TS_WORDS), aligned(1)));
#pragma clang loop unroll(disable)
    for (size_t c = 0; c < b->windows->deep; c += TS_WORDS) {
        ts_words pixels[TS_POSITIONS], rows[TS_POSITIONS], whole[TS_POSITIONS];
        TS_UNROLL
        for (int i = 0; i < TS_POSITIONS; i++)
            pixels[i] = b->windows->is_signed
                            ? __builtin_convertvector(*(const signed_bytes *)(from[i] + c), ts_words)
                            : __builtin_convertvector(*(const bytes *)(from[i] + c), ts_words);
        TS_UNROLL
        for (int i = 0; i < 4; i++)
            ts_winograd_input_axis(pixels + i, 4, rows + i, 4);
        TS_UNROLL
        for (int i = 0; i < 4; i++)
            ts_winograd_input_axis(rows + 4 * i, 1, whole + 4 * i, 1);
        TS_UNROLL
        for (size_t i = 0; i < TS_POSITIONS; i++)
            __builtin_memcpy(to + i * ts_winograd_inputs_step(b) + c, &whole[i], sizeof whole[i]);
    }
}

/* All tiles; `outside`, a pixel, is written. */
TS_INLINE void ts_winograd_inputs(const struct ts_winograd_block *b, const uint8_t *image, uint8_t *outside)
{
    const struct ts_windows *p = b->windows;
    __builtin_memset(outside, p->outside, p->deep);
#pragma clang loop unroll(disable)
    for (size_t t = 0; t < b->count; t++) {
        const uint8_t *from[TS_POSITIONS];
        const ptrdiff_t y = (ptrdiff_t)((b->first + t) / b->across * 2) - (ptrdiff_t)p->top;
        const ptrdiff_t x = (ptrdiff_t)((b->first + t) % b->across * 2) - (ptrdiff_t)p->left;
        for (int i = 0; i < TS_POSITIONS; i++) {
            const ptrdiff_t down = y + i / 4, right = x + i % 4;
            const bool inside = down >= 0 && down < (ptrdiff_t)p->height && right >= 0 && right < (ptrdiff_t)p->width;
            from[i] = inside ? image + down * (ptrdiff_t)p->row + right * (ptrdiff_t)p->pixel : outside;
        }
        ts_winograd_input(b, from, b->inputs + t * p->deep);
    }
}

TS_INLINE void ts_winograd_filter_axis(const ts_words *from, int from_step, ts_words *to, int to_step)
{
    const ts_words ends = from[0] + from[2 * from_step];
    to[0] = from[0] + from[0];
    to[to_step] = ends + from[from_step];
    to[2 * to_step] = ends - from[from_step];
    to[3 * to_step] = from[2 * from_step] + from[2 * from_step];
}

/* TS_DOT_COLUMNS columns of a group of four channels; `w` begins there, `tap` bytes lie between taps. */
TS_INLINE void ts_winograd_filter(const int8_t *w, size_t tap, ts_words *to)
{
    ts_words taps[9], rows[12];
    TS_UNROLL
    for (size_t i = 0; i < 9; i++)
        taps[i] = ts_dot_weights(w + i * tap);
    TS_UNROLL
    for (int i = 0; i < 3; i++)
        ts_winograd_filter_axis(taps + i, 3, rows + i, 3);
    TS_UNROLL
    for (int i = 0; i < 4; i++)
        ts_winograd_filter_axis(rows + 3 * i, 1, to + 4 * i, 1);
}

/* The filters of one panel, channels in pairs. */
TS_INLINE void ts_winograd_filters(const struct ts_winograd_block *b, const int8_t *panel)
{
    const size_t deep = b->windows->deep, position = ts_winograd_filters_step(b);
#pragma clang loop unroll(disable)
    for (size_t c = 0; c < deep; c += TS_GROUP, panel += TS_GROUP * TS_PANEL) {
#pragma clang loop unroll(disable)
        for (size_t column = 0; column < TS_PANEL; column += TS_LANES) {
            ts_words left[TS_POSITIONS], right[TS_POSITIONS];
            const int8_t *const from = panel + column * TS_GROUP;
            ts_winograd_filter(from, deep * TS_PANEL, left);
            ts_winograd_filter(from + TS_DOT_COLUMNS * TS_GROUP, deep * TS_PANEL, right);
            int16_t *const to = b->filters + c * TS_PANEL + column * 2;
            TS_UNROLL
            for (size_t i = 0; i < TS_POSITIONS; i++) {
                const ts_vi a = (ts_vi)left[i], z = (ts_vi)right[i];
                *(ts_vi *)(void *)(to + i * position) = __builtin_shufflevector(a, z, TS_EVEN);
                *(ts_vi *)(void *)(to + i * position + 2 * TS_PANEL) = __builtin_shufflevector(a, z, TS_ODD);
            }
        }
    }
}

TS_INLINE void ts_winograd_tile(int rows, const int16_t *x, const int16_t *w, size_t deep, int32_t *sums)
{
    ts_vi sum[TS_WINOGRAD_ROWS * TS_PANEL_VECTORS];
    const int16_t *const end = x + deep;
    TS_UNROLL
    for (int i = 0; i < rows * TS_PANEL_VECTORS; i++)
        sum[i] = (ts_vi){0};
    for (; x < end; x += 2, w += 2 * TS_PANEL) {
        ts_words weights[TS_PANEL_VECTORS];
        __builtin_memcpy(weights, w, sizeof weights);
        TS_UNROLL
        for (int m = 0; m < rows; m++) {
            int32_t pair;
            __builtin_memcpy(&pair, x + (size_t)m * deep, sizeof pair);
            TS_UNROLL
            for (int v = 0; v < TS_PANEL_VECTORS; v++)
                sum[m * TS_PANEL_VECTORS + v] =
                    ts_dot(sum[m * TS_PANEL_VECTORS + v], (ts_words)(pair - (ts_vi){0}), weights[v]);
        }
    }
    TS_UNROLL
    for (int i = 0; i < rows * TS_PANEL_VECTORS; i++)
        *(ts_vi *)(sums + i * TS_LANES) = sum[i];
}

#define TS_WINOGRAD_CASE(rows)                                                                                         \
    case rows:                                                                                                         \
        ts_winograd_tile(rows, x, w, deep, sums);                                                                      \
        break;

/* sums[rows][TS_PANEL] = x[rows][deep] with w[deep / 2][TS_PANEL][2]; one function for all layers. */
[[maybe_unused]] __attribute__((noinline, min_vector_width(8 * TS_VECTOR_BYTES))) static void
ts_winograd_product(size_t rows, const int16_t *x, const int16_t *w, size_t deep, int32_t *sums)
{
    const struct ts_cut cut = ts_cut(rows, TS_WINOGRAD_ROWS);
    for (size_t part = 0; part < cut.parts; part++) {
        const size_t count = cut.shorter + (part < cut.longer_parts);
        switch (count) {
            TS_WINOGRAD_CASE(1)
            TS_WINOGRAD_CASE(2)
            TS_WINOGRAD_CASE(3)
#if TS_WINOGRAD_ROWS > 3
            TS_WINOGRAD_CASE(4)
            TS_WINOGRAD_CASE(5)
            TS_WINOGRAD_CASE(6)
#endif
#if TS_WINOGRAD_ROWS > 6
            TS_WINOGRAD_CASE(7)
            TS_WINOGRAD_CASE(8)
            TS_WINOGRAD_CASE(9)
            TS_WINOGRAD_CASE(10)
            TS_WINOGRAD_CASE(11)
            TS_WINOGRAD_CASE(12)
#endif
        }
        x += count * deep;
        sums += count * TS_PANEL;
    }
}

typedef uint32_t ts_vu __attribute__((vector_size(TS_VECTOR_BYTES), aligned(4)));

/* Two of four; sums on the way may wrap. */
TS_INLINE void ts_winograd_output_axis(const ts_vu *from, int from_step, ts_vu *to, int to_step)
{
    to[0] = from[0] + from[from_step] + from[2 * from_step];
    to[to_step] = from[from_step] - from[2 * from_step] - from[3 * from_step];
}

/* The sums of a tile's four pixels for one vector of columns. */
TS_INLINE void ts_winograd_output(const struct ts_winograd_block *b, const int32_t *sums, ts_vi *pixels)
{
    ts_vu all[TS_POSITIONS], rows[8], whole[4];
    TS_UNROLL
    for (size_t i = 0; i < TS_POSITIONS; i++)
        all[i] = *(const ts_vu *)(const void *)(sums + i * b->count * TS_PANEL);
    TS_UNROLL
    for (int i = 0; i < 4; i++)
        ts_winograd_output_axis(all + i, 4, rows + i, 4);
    TS_UNROLL
    for (int i = 0; i < 2; i++)
        ts_winograd_output_axis(rows + 4 * i, 1, whole + 2 * i, 1);
    TS_UNROLL
    for (int i = 0; i < 4; i++)
        pixels[i] = (ts_vi)whole[i] >> 2;
}

#endif
#endif
