/* model.c: the tables of the model, one binary file. */
#include "forest.h"

alignas(64) const unsigned char ts_model[] = {
#embed "model.bin"
};
