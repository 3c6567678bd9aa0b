/* network_model.c: the constants of the network, one binary file. */
#include "network.h"

alignas(64) const unsigned char ts_model[] = {
#embed "model.bin"
};
