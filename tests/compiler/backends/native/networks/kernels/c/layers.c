/* layers.c: runs the layers of layers.h on operands from a file. `layers OPERANDS RESULT`
 *
 * OPERANDS holds x, w, bias, residual and y of every layer, float32; RESULT takes every y. Each operand ends where an
 * unreadable page begins. The items run in pieces, the last one first. */
#include "system.h"

typedef void (*Function)(const float *, const float *, const float *, const float *, float *, float *, size_t, size_t);

typedef struct {
    Function function;
    size_t items, scratch_bytes;
    size_t floats[5];
} Layer;

#include "layers.h"

static void run(const Layer *layer, const float *operands, int result)
{
    float *at[5];
    for (int i = 0; i < 5; i++) {
        at[i] = map_before_guard(layer->floats[i] * sizeof(float));
        for (size_t k = 0; k < layer->floats[i]; k++)
            at[i][k] = *operands++;
    }
    float *scratch = map_before_guard(layer->scratch_bytes);
    for (size_t k = 0; k < layer->scratch_bytes / sizeof(float); k++)
        scratch[k] = k < sizeof(size_t) / sizeof(float) ? 0 : __builtin_nanf("");
    const size_t piece = layer->items / 3 + 1;
    for (size_t last = layer->items; last > 0;) {
        const size_t first = last > piece ? last - piece : 0;
        layer->function(at[0], at[1], at[2], at[3], at[4], scratch, first, last);
        last = first;
    }
    write_all(result, at[4], layer->floats[4] * sizeof(float));
    for (int i = 0; i < 5; i++)
        unmap_before_guard(at[i], layer->floats[i] * sizeof(float));
    unmap_before_guard(scratch, layer->scratch_bytes);
}

[[noreturn]] __attribute__((used)) void start(uintptr_t *stack)
{
    char **arguments = (char **)(stack + 1);
    if (*stack != 3)
        give_up("usage: layers OPERANDS RESULT", "");
    size_t bytes;
    const float *operands = read_file(arguments[1], &bytes);
    int result = create_file(arguments[2]);
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        run(&layers[i], operands, result);
        for (int k = 0; k < 5; k++)
            operands += layers[i].floats[k];
    }
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
