/* runner.c: executes a compiled library outside its own system. `runner LIBRARY PLAN RESULT`
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

typedef int32_t Predict(const float *, int64_t, int64_t, void *, uint32_t);
typedef WINDOWS int32_t WindowsPredict(const float *, int64_t, int64_t, void *, uint32_t);

static void *find(const Library *library, const char *name)
{
#if defined(__x86_64__) || defined(__i386__)
    if (library->windows)
        return find_in_pe(library, name);
#endif
    return find_in_elf(library, name);
}

static int64_t ask(const Library *library, const char *name)
{
    void *function = find(library, name);
    return library->windows ? ((int64_t WINDOWS (*)(void))function)() : ((int64_t (*)(void))function)();
}

static int32_t predict(const Library *library, const float *rows, const Call *call, void *out)
{
    void *function = find(library, "tinsmith_predict");
    if (library->windows)
        return ((WindowsPredict *)function)(rows, call->count, call->stride, out, (uint32_t)call->flags);
    return ((Predict *)function)(rows, call->count, call->stride, out, (uint32_t)call->flags);
}

static Library load(const char *path)
{
    size_t bytes;
    const unsigned char *file = read_file(path, &bytes);
    if (bytes < 4)
        give_up("the library is empty: ", path);
#if defined(__x86_64__) || defined(__i386__)
    if (file[0] == 'M' && file[1] == 'Z')
        return load_pe(file, bytes);
#endif
    return load_elf(file, bytes);
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
    int64_t status = predict(library, rows, call, out);
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
    Library library = load(arguments[1]);
    int result = create_file(arguments[3]);
    int64_t facts[5] = {
        (int32_t)ask(&library, "tinsmith_abi_version"),  ask(&library, "tinsmith_num_features"),
        ask(&library, "tinsmith_num_outputs"),           ask(&library, "tinsmith_num_margins"),
        (int32_t)ask(&library, "tinsmith_output_type"),
    };
    write_all(result, facts, sizeof facts);
    for (int64_t i = 0; i < plan[0]; i++)
        run(&library, &calls[i], elements, facts, result);
    if (!library.windows)
        close_elf(&library);
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
