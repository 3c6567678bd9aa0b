/* math_double.h: every function of doubles. */
#ifndef TINSMITH_MATH_DOUBLE_H
#define TINSMITH_MATH_DOUBLE_H

#include "math_basic.h"
#include "math_double_exp.h"
#include "math_double_pow.h"
#include "math_double_trig.h"

#endif
