/* network_model.c: the constants of the network, one binary file. The assembler takes it as it is;
 * #embed would take several times its size in memory. */
#include "network.h"

#ifdef _WIN32
#define TS_SECTION ".section .rdata,\"dr\"\n"
#define TS_VISIBILITY(name) ""
#else
#define TS_SECTION ".section .rodata.ts_model,\"a\"\n"
#define TS_VISIBILITY(name) ".hidden " name "\n"
#endif
#define TS_TEXT(words) #words
#define TS_TEXT_OF(macro) TS_TEXT(macro)
#define TS_MODEL_SYMBOL TS_TEXT_OF(__USER_LABEL_PREFIX__) "ts_model"

__asm__(TS_SECTION ".balign 64\n"
                   ".globl " TS_MODEL_SYMBOL "\n" TS_VISIBILITY(TS_MODEL_SYMBOL) TS_MODEL_SYMBOL ":\n"
                   ".incbin \"model.bin\"\n"
                   ".text\n");
