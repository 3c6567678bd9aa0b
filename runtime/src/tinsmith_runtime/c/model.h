/* model.h: what a DLRModelHandle points at. */
#ifndef DLR_LOADED_MODEL_H
#define DLR_LOADED_MODEL_H

#include <stdint.h>

#include "dlr.h"

#define NAME_BYTES 256

typedef struct {
    void *library;
    int32_t (*predict)(const float *, int64_t, int64_t, void *, uint32_t);
    int64_t features;
    int64_t columns;
    int32_t element_type;
    int64_t count; /* rows of the last SetDLRInput; -1 before it */
    int64_t width; /* columns that SetDLRInput was given */
    float *rows;   /* count * features */
    void *out;     /* count * columns floats; NULL until the model has run on `rows` */
    char output_name[NAME_BYTES];
    DLRFreeFunctionPtr release;
} Model;

/* Blocks of models that are opened later; NULL: the system's. */
extern DLRMallocFunctionPtr custom_allocate;
extern DLRFreeFunctionPtr custom_release;

/* A model of the compiled library in `folder`, or of the library that `folder` itself names; NULL after fail(). */
Model *open_model(const char *folder);
void close_model(Model *model);

/* A block of rows * columns elements of `bytes` each; NULL after fail(). */
void *allocate_block(int64_t rows, int64_t columns, size_t bytes);

void forget_input(Model *model);
void forget_output(Model *model);

#endif
