/* mux.h: selection among planes, unrolled: ts_mux_N selects among N planes by log2 N bits, the highest first.
 *
 * Before inclusion: `plane`, `ts_mux(selector, one, zero)`, `plane_source` (what planes are read from) and
 * `ts_mux_1(source, first, bits)`, which reads plane `first` of it. */
#ifndef TS_MUX_H
#define TS_MUX_H

#define TS_DEFINE_MUX(whole, half)                                                                                     \
    __attribute__((always_inline)) static inline plane ts_mux_##whole(plane_source source, size_t first,              \
                                                                      const plane *bits)                              \
    {                                                                                                                  \
        plane zero = ts_mux_##half(source, first, bits + 1);                                                           \
        plane one = ts_mux_##half(source, first + half, bits + 1);                                                     \
        return ts_mux(bits[0], one, zero);                                                                             \
    }

TS_DEFINE_MUX(2, 1)
TS_DEFINE_MUX(4, 2)
TS_DEFINE_MUX(8, 4)
TS_DEFINE_MUX(16, 8)
TS_DEFINE_MUX(32, 16)
TS_DEFINE_MUX(64, 32)
TS_DEFINE_MUX(128, 64)
#undef TS_DEFINE_MUX

/* Walks a complete tree whose places are planes 0 to 2^levels - 2, level by level: the turns taken so far select among
 * the conditions of the next level. */
__attribute__((always_inline)) static inline void ts_walk_complete(plane_source source, unsigned levels, plane *turn)
{
    turn[0] = ts_mux_1(source, 0, turn);
    if (levels > 1)
        turn[1] = ts_mux_2(source, 1, turn);
    if (levels > 2)
        turn[2] = ts_mux_4(source, 3, turn);
    if (levels > 3)
        turn[3] = ts_mux_8(source, 7, turn);
    if (levels > 4)
        turn[4] = ts_mux_16(source, 15, turn);
    if (levels > 5)
        turn[5] = ts_mux_32(source, 31, turn);
    if (levels > 6)
        turn[6] = ts_mux_64(source, 63, turn);
    if (levels > 7)
        turn[7] = ts_mux_128(source, 127, turn);
}

#endif
