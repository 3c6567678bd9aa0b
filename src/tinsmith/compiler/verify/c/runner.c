/* runner.c: executes a compiled library outside its own system. `runner rows|tensors LIBRARY PLAN RESULT`
 *
 * LIBRARY is a compiled model, or a DLR library with a compiled model beside it. It is called as the file PLAN says
 * (see rows.c and tensors.c), and what it answers goes to the file RESULT. Input and output of each call end where an
 * unreadable page begins, so that reading or writing past them fails.
 */
#include "calls.h"

void *dlr_handle;

void *require_function(const Library *library, const char *name)
{
    void *function = find_function(library, name);
    if (!function)
        give_up("the library does not export ", name);
    return function;
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

[[noreturn]] __attribute__((used)) void start(uintptr_t *stack)
{
    char **arguments = (char **)(stack + 1);
    if (*stack != 5)
        give_up("usage: runner rows|tensors LIBRARY PLAN RESULT", "");
    environment = arguments + *stack + 1;
    size_t bytes;
    const int64_t *plan = read_file(arguments[3], &bytes);
    Library library = load_library(arguments[2]);
    int result = create_file(arguments[4]);
    if (find_function(&library, "CreateDLRModel"))
        create_by_dlr(&library, arguments[2]);
    if (same_text(arguments[1], "tensors"))
        call_with_tensors(&library, plan, result);
    else
        call_with_rows(&library, plan, result);
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
