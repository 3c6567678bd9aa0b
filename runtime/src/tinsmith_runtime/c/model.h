/* model.h: what a DLRModelHandle points at: a tree model or a network. */
#ifndef DLR_LOADED_MODEL_H
#define DLR_LOADED_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "dlr.h"

#define MAX_DIMENSIONS 32

typedef struct {
    char *name;
    const char *type; /* numpy's name of the element type */
    size_t element_bytes;
    int dim;
    int64_t shape[MAX_DIMENSIONS];   /* -1: not known yet */
    int64_t largest[MAX_DIMENSIONS]; /* networks: upper bounds of `shape` */
    void *data;                      /* NULL: not set, or not computed */
} Tensor;

typedef struct Model Model;

/* What the kinds of models do differently. Each function but the last returns 0, or FAILURE after fail(). */
typedef struct {
    const char *backend; /* as DLR calls it */
    int (*set_input)(Model *model, Tensor *input, const int64_t *shape, const void *data, int dim);
    int (*get_input)(const Model *model, const Tensor *input, void *data);
    int (*run)(Model *model);
} Kind;

struct Model {
    void *library;
    const Kind *kind;
    Tensor *inputs, *outputs;
    int num_inputs, num_outputs;
    bool has_run; /* on the inputs that are set */
    DLRFreeFunctionPtr release;
    /* Tree models. */
    int32_t (*predict)(const float *, int64_t, int64_t, void *, uint32_t);
    int32_t element_type; /* that `predict` writes */
    int64_t width;        /* columns that SetDLRInput was given */
    /* Networks. */
    int32_t (*run)(const void *const *, void *const *, int64_t *const *, uint32_t);
};

/* Blocks of models that are opened later; NULL: the system's. */
extern DLRMallocFunctionPtr custom_allocate;
extern DLRFreeFunctionPtr custom_release;

/* A model of the compiled library in `folder`, or of the library that `folder` itself names; NULL after fail(). */
Model *open_model(const char *folder);
void close_model(Model *model);

/* Each fills in a model of its kind whose library is loaded; false: the library is none, or memory is out. */
bool bind_trees(Model *model, const char *description);
bool bind_network(Model *model, const char *description);

/* Room for so many inputs and outputs, all zero; false when there is none. */
bool make_tensors(Model *model, int num_inputs, int num_outputs);
/* A copy of the JSON string `value`, or of `otherwise` where that is none. */
char *copy_name(const char *value, const char *otherwise);

/* A block for a tensor of this shape; NULL after fail(). */
void *allocate_block(const int64_t *shape, int dim, size_t element_bytes);
void release_data(const Model *model, Tensor *tensor);

/* Elements of a tensor; -1 when its shape is not known. */
int64_t elements(const Tensor *tensor);

/* Notes what a function of the library returned. */
int fail_with_status(int32_t status);

#endif
