/*
 * The smallest static program: writes the clock at its first instruction, 8 bytes, to standard output, and ends with 0.
 *
 * Started by pid1 to count the way from posix_spawn to a first instruction. It has no C library and no stack frame.
 */
__asm__(".globl _start\n"
        "_start:\n"
        "    rdtsc\n"
        "    shl $32, %rdx\n"
        "    or %rdx, %rax\n"
        "    push %rax\n"
        "    mov $1, %eax\n" /* write(1, the clock, 8) */
        "    mov %eax, %edi\n"
        "    mov %rsp, %rsi\n"
        "    mov $8, %edx\n"
        "    syscall\n"
        "    mov $231, %eax\n" /* exit_group(0) */
        "    xor %edi, %edi\n"
        "    syscall\n");
