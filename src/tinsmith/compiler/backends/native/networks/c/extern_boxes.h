/* extern_boxes.h: boxes of object detectors that do not overlap. */
#ifndef TINSMITH_EXTERN_BOXES_H
#define TINSMITH_EXTERN_BOXES_H

#include <stdbool.h>
#include <stdint.h>

#include "network.h"

struct ts_box {
    float low_y, low_x, high_y, high_x;
};

/* Of two opposite corners y, x, y, x in any order or, if `center`, of x and y of the centre, width and height. */
static inline struct ts_box ts_box_of(const float *four, bool center)
{
    if (center)
        return (struct ts_box){four[1] - four[3] / 2, four[0] - four[2] / 2, four[1] + four[3] / 2,
                               four[0] + four[2] / 2};
    return (struct ts_box){ts_minf(four[0], four[2]), ts_minf(four[1], four[3]), ts_maxf(four[0], four[2]),
                           ts_maxf(four[1], four[3])};
}

/* The area of both divided by the area of either; 0 where a box is empty. */
static inline float ts_box_overlap(struct ts_box a, struct ts_box b)
{
    float height = ts_minf(a.high_y, b.high_y) - ts_maxf(a.low_y, b.low_y);
    float width = ts_minf(a.high_x, b.high_x) - ts_maxf(a.low_x, b.low_x);
    float area_a = (a.high_y - a.low_y) * (a.high_x - a.low_x);
    float area_b = (b.high_y - b.low_y) * (b.high_x - b.low_x);
    float both = height > 0 && width > 0 ? height * width : 0;
    float either = area_a + area_b - both;
    return both > 0 && area_a > 0 && area_b > 0 && either > 0 ? both / either : 0;
}

/* Rows (batch, class, box) of the boxes that no better box of their class overlaps by more than `overlap`, the best of
 * each class first, at most `most` of a class. boxes[batches][count][4], scores[batches][classes][count];
 * order[batches][classes][count]: boxes by falling score. `limited`: only scores above `least`. */
static inline void ts_boxes(const float *restrict boxes, const float *restrict scores, const int64_t *restrict order,
                            const int64_t *restrict most, const float *restrict overlap, const float *restrict least,
                            int64_t *restrict kept, ts_index batches, ts_index classes, ts_index count, bool center,
                            bool limited, ts_index *found)
{
    ts_index rows = 0;
    for (ts_index row = 0; row < batches * classes; row++) {
        const float *own = boxes + row / classes * count * 4;
        ts_index start = rows;
        for (ts_index i = 0; i < count && rows - start < *most; i++) {
            int64_t box = order[row * count + i];
            bool free = !limited || scores[row * count + (ts_index)box] > *least;
            struct ts_box shape = ts_box_of(own + 4 * (ts_index)box, center);
            for (ts_index other = start; free && other < rows; other++)
                free = ts_box_overlap(shape, ts_box_of(own + 4 * (ts_index)kept[3 * other + 2], center)) <= *overlap;
            if (!free)
                continue;
            kept[3 * rows] = row / classes;
            kept[3 * rows + 1] = row % classes;
            kept[3 * rows + 2] = box;
            rows++;
        }
    }
    *found = rows;
}

#endif
