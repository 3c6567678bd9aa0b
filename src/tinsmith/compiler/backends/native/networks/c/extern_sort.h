/* extern_sort.h: sorting, distinct elements and positions. Elements come as keys: 64-bit integers in the same order.
 *
 * Nothing recurses; memory that a function needs is given to it. */
#ifndef TINSMITH_EXTERN_SORT_H
#define TINSMITH_EXTERN_SORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "network.h"

/* Whether entry `a` comes after entry `b`; an entry is `width` keys, of which the first that differs decides. */
static inline bool ts_sort_after(const int64_t *keys, ts_index width, int64_t a, int64_t b)
{
    const int64_t *left = keys + (ptrdiff_t)a * width, *right = keys + (ptrdiff_t)b * width;
    for (ts_index i = 0; i < width; i++)
        if (left[i] != right[i])
            return left[i] > right[i];
    return false;
}

/* Merges from[low .. middle) and from[middle .. high), both sorted, into to[low .. high); of equals the left first. */
static inline void ts_sort_merge(const int64_t *keys, ts_index width, const int64_t *restrict from, int64_t *restrict to,
                                 ts_index low, ts_index middle, ts_index high)
{
    ts_index left = low, right = middle;
    for (ts_index i = low; i < high; i++) {
        bool second = left == middle || (right < high && ts_sort_after(keys, width, from[left], from[right]));
        to[i] = second ? from[right++] : from[left++];
    }
}

/* order = 0 .. count - 1 by rising entry, equal entries by rising number. `scratch` is as large as `order`. */
static inline void ts_sort_row(const int64_t *keys, int64_t *order, int64_t *scratch, ts_index count, ts_index width)
{
    int64_t *from = order, *to = scratch;
    for (ts_index i = 0; i < count; i++)
        from[i] = i;
    for (ts_index length = 1; length < count; length *= 2) {
        for (ts_index low = 0; low < count; low += 2 * length)
            ts_sort_merge(keys, width, from, to, low, ts_index_min(low + length, count),
                          ts_index_min(low + 2 * length, count));
        int64_t *done = to;
        to = from;
        from = done;
    }
    for (ts_index i = 0; from != order && i < count; i++)
        order[i] = from[i];
}

/* Every row of keys[rows][count] sorted by itself: order[rows][count]; scratch[count]. */
static inline void ts_sort(const int64_t *restrict keys, int64_t *restrict order, int64_t *restrict scratch,
                           ts_index rows, ts_index count)
{
    for (ts_index row = 0; row < rows; row++)
        ts_sort_row(keys + row * count, order + row * count, scratch, count, 1);
}

/* Renumbers `groups` groups in the order in which their first entries stand; `number` and `moved` are scratch memory. */
static inline void ts_unique_by_appearance(int64_t *first, int64_t *inverse, int64_t *counts, int64_t *number,
                                           int64_t *moved, ts_index count, ts_index groups)
{
    int64_t next = 0;
    for (ts_index i = 0; i < count; i++)
        if (first[inverse[i]] == i)
            number[inverse[i]] = next++;
    for (ts_index i = 0; i < count; i++)
        inverse[i] = number[inverse[i]];
    for (ts_index group = 0; group < groups; group++)
        moved[number[group]] = counts[group];
    for (ts_index group = 0; group < groups; group++)
        counts[group] = moved[group];
    for (ts_index group = 0; group < groups; group++)
        moved[number[group]] = first[group];
    for (ts_index group = 0; group < groups; group++)
        first[group] = moved[group];
}

/* The distinct entries of keys[count][width]: of each the first number it stands at and how often it is there; of each
 * number the group it is in. Groups are in rising order or, unless `sorted`, in order of appearance. */
static inline void ts_unique(const int64_t *restrict keys, int64_t *restrict first, int64_t *restrict inverse,
                             int64_t *restrict counts, int64_t *restrict order, int64_t *restrict scratch,
                             ts_index count, ts_index width, bool sorted, ts_index *found)
{
    ts_index groups = 0;
    ts_sort_row(keys, order, scratch, count, width);
    for (ts_index i = 0; i < count; i++) {
        if (i == 0 || ts_sort_after(keys, width, order[i], order[i - 1])) {
            first[groups] = order[i];
            counts[groups++] = 0;
        }
        counts[groups - 1]++;
        inverse[order[i]] = groups - 1;
    }
    if (!sorted)
        ts_unique_by_appearance(first, inverse, counts, order, scratch, count, groups);
    *found = groups;
}

/* Where flags[count] are set. */
static inline void ts_positions(const uint8_t *restrict flags, int64_t *restrict positions, ts_index count,
                                ts_index *found)
{
    ts_index next = 0;
    for (ts_index i = 0; i < count; i++)
        if (flags[i])
            positions[next++] = i;
    *found = next;
}

#endif
