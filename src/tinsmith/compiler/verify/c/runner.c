/* runner.c: executes a compiled library outside its own system. `runner LIBRARY PLAN RESULT`
 *
 * LIBRARY is a compiled model, or a DLR library with a compiled model beside it; the calls to the latter have no gaps
 * between rows and ask for no margins.
 *
 * PLAN, all little-endian: int64 calls, int64 elements; per call int64 offset, count, stride, flags; then the
 * elements, float32. Call number i is tinsmith_predict(elements + offset, count, stride, out, flags).
 * RESULT: int64 ABI version, features, outputs, margins, element type; per call int64 status and, where that
 * is 0, the output.
 * Input and output of each call end where an unreadable page begins, so that reading or writing past them fails.
 */
#include "load.h"
#include "system.h"
#include "tinsmith.h"

typedef struct {
    int64_t offset, count, stride, flags;
} Call;

#if defined(__x86_64__)
#define WINDOWS __attribute__((ms_abi))
#else
#define WINDOWS
#endif

/* Calls an exported function by the convention of the library's system. */
#define CALL(library, name, result, parameters, ...)                                                                   \
    ((library)->windows ? ((result(WINDOWS *) parameters)find(library, name))(__VA_ARGS__)                             \
                        : ((result(*) parameters)find(library, name))(__VA_ARGS__))

static void *find(const Library *library, const char *name)
{
    void *function = find_function(library, name);
    if (!function)
        give_up("the library does not export ", name);
    return function;
}

static int32_t predict(const Library *library, const float *rows, const Call *call, void *out)
{
    return CALL(library, "tinsmith_predict", int32_t, (const float *, int64_t, int64_t, void *, uint32_t), rows,
                call->count, call->stride, out, (uint32_t)call->flags);
}

static void describe_model(const Library *library, int64_t facts[5])
{
    facts[0] = CALL(library, "tinsmith_abi_version", int32_t, (void));
    facts[1] = CALL(library, "tinsmith_num_features", int64_t, (void));
    facts[2] = CALL(library, "tinsmith_num_outputs", int64_t, (void));
    facts[3] = CALL(library, "tinsmith_num_margins", int64_t, (void));
    facts[4] = CALL(library, "tinsmith_output_type", int32_t, (void));
}

/* The model beside a DLR library; NULL where the library is a compiled model itself. */
static void *dlr_handle;

static int32_t predict_by_dlr(const Library *library, const float *rows, const Call *call, void *out)
{
    int64_t shape[2] = {call->count, call->stride};
    if (CALL(library, "SetDLRInput", int, (void **, const char *, const int64_t *, const void *, int), &dlr_handle,
             "data", shape, rows, 2))
        return -1;
    if (CALL(library, "RunDLRModel", int, (void **), &dlr_handle))
        return -2;
    return CALL(library, "GetDLROutput", int, (void **, int, void *), &dlr_handle, 0, out);
}

static void describe_by_dlr(const Library *library, int64_t facts[5])
{
    int64_t input[2], output[2];
    CALL(library, "GetDLRInputShape", int, (void **, int, int64_t *), &dlr_handle, 0, input);
    CALL(library, "GetDLROutputShape", int, (void **, int, int64_t *), &dlr_handle, 0, output);
    facts[0] = TINSMITH_ABI_VERSION;
    facts[1] = input[1];
    facts[2] = output[1];
    facts[3] = 0;
    facts[4] = TINSMITH_FLOAT32;
}

static void create_by_dlr(const Library *library, char *path)
{
    char *end = path;
    for (char *at = path; *at; at++)
        if (*at == '/')
            end = at;
    *end = 0; /* the folder that the library lies in */
    if (CALL(library, "CreateDLRModel", int, (void **, const char *, int, int), &dlr_handle, path, 1, 0))
        give_up("CreateDLRModel: ", CALL(library, "DLRGetLastError", const char *, (void)));
}

static void run(const Library *library, const Call *call, const float *elements, const int64_t facts[5], int result)
{
    size_t columns = (size_t)(call->flags & TINSMITH_MARGIN ? facts[3] : facts[2]);
    size_t element = facts[4] == TINSMITH_FLOAT64 ? sizeof(double) : sizeof(float);
    size_t span = call->count ? (size_t)((call->count - 1) * call->stride + facts[1]) * sizeof(float) : 0;
    size_t out_bytes = (size_t)call->count * columns * element;
    float *rows = map_before_guard(span);
    void *out = map_before_guard(out_bytes);
    __builtin_memcpy(rows, elements + call->offset, span);
    int64_t status = dlr_handle ? predict_by_dlr(library, rows, call, out) : predict(library, rows, call, out);
    write_all(result, &status, sizeof status);
    if (status == TINSMITH_OK)
        write_all(result, out, out_bytes);
    unmap_before_guard(rows, span);
    unmap_before_guard(out, out_bytes);
}

[[noreturn]] __attribute__((used)) void start(uintptr_t *stack)
{
    char **arguments = (char **)(stack + 1);
    if (*stack != 4)
        give_up("usage: runner LIBRARY PLAN RESULT", "");
    environment = arguments + *stack + 1;
    size_t bytes;
    const int64_t *plan = read_file(arguments[2], &bytes);
    const Call *calls = (const Call *)(plan + 2);
    const float *elements = (const float *)(calls + plan[0]);
    Library library = load_library(arguments[1]);
    int result = create_file(arguments[3]);
    int64_t facts[5];
    if (find_function(&library, "CreateDLRModel")) {
        create_by_dlr(&library, arguments[1]);
        describe_by_dlr(&library, facts);
    } else {
        describe_model(&library, facts);
    }
    write_all(result, facts, sizeof facts);
    for (int64_t i = 0; i < plan[0]; i++)
        run(&library, &calls[i], elements, facts, result);
    if (dlr_handle && CALL(&library, "DeleteDLRModel", int, (void **), &dlr_handle))
        give_up("DeleteDLRModel fails", "");
    close_library(&library);
    end_process(0);
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call start\n");
#elif defined(__i386__)
__asm__(".globl _start\n_start:\n xor %ebp, %ebp\n mov %esp, %eax\n and $-16, %esp\n sub $12, %esp\n push %eax\n"
        " call start\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n mov x29, #0\n mov x30, #0\n mov x0, sp\n and sp, x0, #-16\n bl start\n");
#elif defined(__arm__)
__asm__(".globl _start\n.type _start, %function\n_start:\n mov fp, #0\n mov lr, #0\n mov r0, sp\n"
        " bic r1, sp, #15\n mov sp, r1\n bl start\n");
#endif
