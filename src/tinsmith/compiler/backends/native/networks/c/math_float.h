/* math_float.h: every function of floats. */
#ifndef TINSMITH_MATH_FLOAT_H
#define TINSMITH_MATH_FLOAT_H

#include "math_basic.h"
#include "math_float_exp.h"
#include "math_float_trig.h"

#endif
