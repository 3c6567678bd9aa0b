/* calls.h: how exported functions of a library are called, and what both kinds of calls share. */
#ifndef RUNNER_CALLS_H
#define RUNNER_CALLS_H

#include "load.h"
#include "system.h"

#if defined(__x86_64__)
#define WINDOWS __attribute__((ms_abi))
#else
#define WINDOWS
#endif

/* Calls an exported function by the convention of the library's system. */
#define CALL(library, name, result, parameters, ...)                                                                   \
    ((library)->windows ? ((result(WINDOWS *) parameters)require_function(library, name))(__VA_ARGS__)                 \
                        : ((result(*) parameters)require_function(library, name))(__VA_ARGS__))

/* The address of an exported function; gives up when there is none. */
void *require_function(const Library *library, const char *name);

/* The model beside a DLR library; NULL where the library is a compiled model itself. */
extern void *dlr_handle;

/* Each makes the calls in `plan` and writes what its file says to the file `result`. */
void call_with_rows(const Library *library, const int64_t *plan, int result);
void call_with_tensors(const Library *library, const int64_t *plan, int result);

#endif
