/* treelite_abi.c: the functions that treelite runtimes (and DLR's treelite backend) call, of both generations:
 * get_num_output_group is the name up to treelite 1.0, get_num_class the one after it.
 *
 * A row is an array of `union Entry { int missing; float fvalue; }`, missing being -1: as a float that is a NaN, so the
 * array is read as floats. Outputs are float32. */
#include "tinsmith.h"

#include "forest.h"

#if defined(_WIN32)
#define TS_EXPORT /* the linker is told the names */
#else
#define TS_EXPORT __attribute__((visibility("default")))
#endif

#define MOST_COLUMNS (TS_MARGINS > TS_OUTPUTS ? TS_MARGINS : TS_OUTPUTS)

TS_EXPORT size_t get_num_output_group(void)
{
    return TS_OUTPUTS;
}

TS_EXPORT size_t get_num_class(void)
{
    return TS_OUTPUTS;
}

TS_EXPORT size_t get_num_feature(void)
{
    return TS_FEATURES;
}

TS_EXPORT const char *get_pred_transform(void)
{
#if TS_TRANSFORM == TS_TRANSFORM_SIGMOID
    return "sigmoid";
#elif TS_TRANSFORM == TS_TRANSFORM_SOFTMAX
    return "softmax";
#elif TS_TRANSFORM == TS_TRANSFORM_ARGMAX
    return "max_index";
#elif TS_TRANSFORM == TS_TRANSFORM_EXP
    return "exponential";
#elif TS_TRANSFORM == TS_TRANSFORM_HINGE
    return "hinge";
#else
    return "identity";
#endif
}

TS_EXPORT float get_sigmoid_alpha(void)
{
    return (float)TS_SCALE;
}

TS_EXPORT float get_ratio_c(void)
{
    return 1.0f;
}

/* The margin that `predict` gives holds the base already. */
TS_EXPORT float get_global_bias(void)
{
    return 0.0f;
}

TS_EXPORT const char *get_threshold_type(void)
{
    return "float32";
}

TS_EXPORT const char *get_leaf_output_type(void)
{
    return "float32";
}

TS_EXPORT size_t predict_multiclass(void *row, int pred_margin, float *out)
{
    size_t columns = pred_margin ? TS_MARGINS : TS_OUTPUTS;
    uint32_t flags = pred_margin ? TINSMITH_MARGIN : 0;
#if TS_DOUBLE
    double exact[MOST_COLUMNS];
    if (tinsmith_predict(row, 1, TS_FEATURES, exact, flags) != TINSMITH_OK)
        return 0;
    for (size_t column = 0; column < columns; column++)
        out[column] = (float)exact[column];
    return columns;
#else
    return tinsmith_predict(row, 1, TS_FEATURES, out, flags) == TINSMITH_OK ? columns : 0;
#endif
}

/* For models of one output; NaN when there is no memory. */
TS_EXPORT float predict(void *row, int pred_margin)
{
    float out[MOST_COLUMNS];
    return predict_multiclass(row, pred_margin, out) ? out[0] : __builtin_nanf("");
}
