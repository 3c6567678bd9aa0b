/* transpose.h: matrices turned in square blocks, so that every line of memory that is fetched is used at once. */
#ifndef TS_TRANSPOSE_H
#define TS_TRANSPOSE_H

#include <stdint.h>

#include "network.h"

#define TS_TRANSPOSE_TILE 16

/* Eight elements of four bytes. */
typedef uint32_t ts_transpose_row __attribute__((vector_size(32), aligned(4), may_alias));

/* out[row * out_step + column] = in[column * in_step + row], for each type of element. */
#define TS_TRANSPOSE_PART(bits)                                                                          \
    typedef uint##bits##_t ts_transpose_element_##bits __attribute__((may_alias));                       \
    static inline void ts_transpose_part_##bits(ts_transpose_element_##bits *restrict out,               \
                                                ts_index out_step,                                       \
                                                const ts_transpose_element_##bits *restrict in,          \
                                                ts_index in_step, ts_index rows, ts_index columns)       \
    {                                                                                                    \
        for (ts_index row = 0; row < rows; row++)                                                        \
            for (ts_index column = 0; column < columns; column++)                                        \
                out[row * out_step + column] = in[column * in_step + row];                               \
    }

TS_TRANSPOSE_PART(8)
TS_TRANSPOSE_PART(16)
TS_TRANSPOSE_PART(32)
TS_TRANSPOSE_PART(64)

#define TS_TRANSPOSE_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14)
#define TS_TRANSPOSE_HIGH(a, b) __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15)
#define TS_TRANSPOSE_LOW2(a, b) __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define TS_TRANSPOSE_HIGH2(a, b) __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define TS_TRANSPOSE_LOW4(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11)
#define TS_TRANSPOSE_HIGH4(a, b) __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15)

/* Eight rows and eight columns: pairs of neighbours change places, then pairs of pairs, then halves. */
static inline void ts_transpose_block(ts_transpose_element_32 *restrict out, ts_index out_step,
                                      const ts_transpose_element_32 *restrict in, ts_index in_step)
{
    ts_transpose_row a[8], b[8];
    for (int i = 0; i < 8; i++)
        a[i] = *(const ts_transpose_row *)(const void *)(in + i * in_step);
    for (int i = 0; i < 8; i += 2) {
        b[i] = TS_TRANSPOSE_LOW(a[i], a[i + 1]);
        b[i + 1] = TS_TRANSPOSE_HIGH(a[i], a[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        for (int k = i; k < i + 2; k++) {
            a[k] = TS_TRANSPOSE_LOW2(b[k], b[k + 2]);
            a[k + 2] = TS_TRANSPOSE_HIGH2(b[k], b[k + 2]);
        }
    }
    for (int i = 0; i < 4; i++) {
        *(ts_transpose_row *)(void *)(out + i * out_step) = TS_TRANSPOSE_LOW4(a[i], a[i + 4]);
        *(ts_transpose_row *)(void *)(out + (i + 4) * out_step) = TS_TRANSPOSE_HIGH4(a[i], a[i + 4]);
    }
}

/* At most TS_TRANSPOSE_TILE rows and columns. */
static inline void ts_transpose_tile_32(ts_transpose_element_32 *restrict out, ts_index out_step,
                                        const ts_transpose_element_32 *restrict in, ts_index in_step,
                                        ts_index rows, ts_index columns)
{
    for (ts_index row = 0; row < rows; row += 8) {
        for (ts_index column = 0; column < columns; column += 8) {
            ts_transpose_element_32 *to = out + row * out_step + column;
            const ts_transpose_element_32 *from = in + column * in_step + row;
            if (row + 8 <= rows && column + 8 <= columns)
                ts_transpose_block(to, out_step, from, in_step);
            else
                ts_transpose_part_32(to, out_step, from, in_step, ts_index_min(rows - row, 8),
                                     ts_index_min(columns - column, 8));
        }
    }
}

#define ts_transpose_tile_8 ts_transpose_part_8
#define ts_transpose_tile_16 ts_transpose_part_16
#define ts_transpose_tile_64 ts_transpose_part_64

/* out[row * out_step + column] = in[column * in_step + row]; steps count elements. */
#define TS_TRANSPOSE(bits)                                                                               \
    static inline void ts_transpose_##bits(void *restrict out, ts_index out_step,                        \
                                           const void *restrict in, ts_index in_step, ts_index rows,     \
                                           ts_index columns)                                             \
    {                                                                                                    \
        ts_transpose_element_##bits *to = out;                                                           \
        const ts_transpose_element_##bits *from = in;                                                    \
        for (ts_index row = 0; row < rows; row += TS_TRANSPOSE_TILE)                                     \
            for (ts_index column = 0; column < columns; column += TS_TRANSPOSE_TILE)                     \
                ts_transpose_tile_##bits(to + row * out_step + column, out_step,                         \
                                         from + column * in_step + row, in_step,                         \
                                         ts_index_min(rows - row, TS_TRANSPOSE_TILE),                    \
                                         ts_index_min(columns - column, TS_TRANSPOSE_TILE));             \
    }

TS_TRANSPOSE(8)
TS_TRANSPOSE(16)
TS_TRANSPOSE(32)
TS_TRANSPOSE(64)

#endif
