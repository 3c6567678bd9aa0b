/* runtime_windows.c: touches every page of a large stack frame in order, as Windows grows a stack only so. */
#define PAGE "4096"

#if defined(__x86_64__)

/* rax: bytes of the frame. Changes no register. */
__attribute__((naked)) void ___chkstk_ms(void)
{
    __asm__("pushq %rcx\n"
            "pushq %rax\n"
            "leaq 24(%rsp), %rcx\n"
            "1: cmpq $" PAGE ", %rax\n"
            "jb 2f\n"
            "subq $" PAGE ", %rcx\n"
            "testq %rcx, (%rcx)\n"
            "subq $" PAGE ", %rax\n"
            "jmp 1b\n"
            "2: subq %rax, %rcx\n"
            "testq %rcx, (%rcx)\n"
            "popq %rax\n"
            "popq %rcx\n"
            "ret\n");
}

#elif defined(__i386__)

/* eax: bytes of the frame. Moves esp down by that and changes no other register. */
__attribute__((naked)) void _alloca(void)
{
    __asm__("pushl %ecx\n"
            "leal 8(%esp), %ecx\n"
            "1: cmpl $" PAGE ", %eax\n"
            "jb 2f\n"
            "subl $" PAGE ", %ecx\n"
            "testl %ecx, (%ecx)\n"
            "subl $" PAGE ", %eax\n"
            "jmp 1b\n"
            "2: subl %eax, %ecx\n"
            "testl %ecx, (%ecx)\n"
            "leal 4(%esp), %eax\n" /* where the return address lies */
            "movl %ecx, %esp\n"
            "movl -4(%eax), %ecx\n"
            "pushl (%eax)\n"
            "subl %esp, %eax\n"
            "ret\n");
}

#endif
