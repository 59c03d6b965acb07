// The whole probe. Letters on port 0xe9 name the step that is about to be taken:
//   L long mode   X FXSAVE and XSAVE   K page fault in ring 0   U ring 3   S SYSCALL   P page fault in ring 3   D done
// Exit codes on port 0xf4: 0x2a every step was right, 0x21 no long mode, 0x22 a wrong answer, 0x23 an unexpected exception.

.set RING0_CODE, 0x08
.set RING0_DATA, 0x10
.set RING3_BASE, 0x18              // SYSRET: data = base + 8, code = base + 16
.set RING3_DATA, 0x20 + 3
.set RING3_CODE, 0x28 + 3
.set TASK_STATE, 0x30
.set FAULT_RING0, 0x40000000       // first address that the page tables below do not map
.set FAULT_RING3, 0x40200000
.set SPARE_PAGE, 0x400000          // memory that nothing else uses
.set MAGIC, 0x5ca1ab1e

.section .note.pvh, "a", @note
.align 4
    .long 4, 4, 18                 // XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long probe_start

.section .probe, "awx", @progbits
.code32
.globl probe_start
probe_start:
    cli
    cld
    mov esp, offset probe_stack_top
    mov al, 'L'
    out 0xe9, al
    mov eax, 0x80000001
    cpuid
    bt edx, 29
    jnc no_long_mode

    // One level-4 entry, one level-3 entry, 512 pages of 2 MiB; ring 3 may touch all of it.
    mov eax, offset level3 + 7
    mov dword ptr [level4], eax
    mov eax, offset level2 + 7
    mov dword ptr [level3], eax
    mov edi, offset level2
    mov eax, 0x87
    mov ecx, 512
1:  mov [edi], eax
    add eax, 0x200000
    add edi, 8
    dec ecx
    jnz 1b

    mov eax, cr4
    or eax, 0x620                  // PAE, OSFXSR, OSXMMEXCPT
    mov cr4, eax
    mov eax, offset level4
    mov cr3, eax
    mov ecx, 0xc0000080            // EFER: LME, SCE
    rdmsr
    or eax, 0x101
    wrmsr
    mov eax, cr0
    and eax, 0xfffffffb            // EM off
    or eax, 0x80010003             // PG, WP, MP, PE
    mov cr0, eax
    lgdt [table_register]
    push RING0_CODE
    mov eax, offset long_mode
    push eax
    retf

no_long_mode:
    mov al, 0x21
    out 0xf4, al
2:  hlt
    jmp 2b

.code64
long_mode:
    mov eax, RING0_DATA
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov rsp, offset probe_stack_top

    // Every vector leads to `exception`, except the page fault.
    mov rdi, offset interrupt_table
    xor ecx, ecx
3:  mov rax, offset exception
    cmp ecx, 14
    jne 4f
    mov rax, offset page_fault
4:  mov [rdi], ax
    mov word ptr [rdi + 2], RING0_CODE
    mov word ptr [rdi + 4], 0x8e00
    shr rax, 16
    mov [rdi + 6], ax
    shr rax, 16
    mov [rdi + 8], eax
    add rdi, 16
    inc ecx
    cmp ecx, 32
    jne 3b
    lidt [interrupt_register]

    // The task state segment gives ring 0 its stack on a fault in ring 3.
    mov rax, offset fault_stack_top
    mov [task_state + 4], rax
    mov rax, offset task_state
    mov [task_descriptor + 2], ax
    shr rax, 16
    mov [task_descriptor + 4], al
    mov [task_descriptor + 7], ah
    mov eax, TASK_STATE
    ltr ax

    mov al, 'X'
    out 0xe9, al
    mov rax, MAGIC
    movq xmm3, rax
    fxsave [state]
    pxor xmm3, xmm3
    fxrstor [state]
    movq rcx, xmm3
    cmp rax, rcx
    jne wrong
    mov eax, 1
    cpuid
    bt ecx, 26
    jnc ring0_fault                // no XSAVE in this processor: FXSAVE is what counts
    mov rax, cr4
    bts rax, 18
    mov cr4, rax
    xor ecx, ecx
    xgetbv
    or eax, 3
    xsetbv
    mov eax, 3
    xor edx, edx
    xsave [state]
    pxor xmm3, xmm3
    mov eax, 3
    xrstor [state]
    movq rcx, xmm3
    mov eax, MAGIC
    cmp rax, rcx
    jne wrong

ring0_fault:
    mov al, 'K'
    out 0xe9, al
    mov qword ptr [expected_fault], FAULT_RING0
    mov rbx, FAULT_RING0
    mov eax, MAGIC
    mov [rbx], rax
    cmp [rbx], rax
    jne wrong
    cmp qword ptr [expected_fault], 0
    jne wrong

    mov al, 'U'
    out 0xe9, al
    mov ecx, 0xc0000081            // STAR
    xor eax, eax
    mov edx, (RING3_BASE + 3) << 16 | RING0_CODE
    wrmsr
    mov rax, offset system_call
    mov rdx, rax
    shr rdx, 32
    mov ecx, 0xc0000082            // LSTAR
    wrmsr
    mov ecx, 0xc0000084            // FMASK: interrupts and direction flag off
    mov eax, 0x600
    xor edx, edx
    wrmsr
    push RING3_DATA
    mov rax, offset user_stack_top
    push rax
    push 2
    push RING3_CODE
    mov rax, offset ring3
    push rax
    iretq

// Ring 3. It has no I/O ports: the letters of its steps are written by the system call.
ring3:
    mov eax, cs
    and eax, 3
    cmp eax, 3
    jne ring3_wrong
    mov edi, 'S'
    syscall
    mov ecx, MAGIC
    cmp rax, rcx
    jne ring3_wrong
    mov eax, cs
    and eax, 3
    cmp eax, 3
    jne ring3_wrong
    mov edi, 'P'
    syscall
    mov rbx, FAULT_RING3
    mov eax, MAGIC
    mov [rbx], rax
    cmp [rbx], rax
    jne ring3_wrong
    mov edi, 'D'
    syscall
ring3_wrong:
    mov edi, '?'
    syscall
    ud2

// rdi = a letter. 'P' expects the page fault of ring 3 next; 'D' ends the probe; '?' is a wrong answer.
system_call:
    mov r8, cs
    test r8, 3
    jnz wrong                      // the privilege level did not change
    mov r8, cr3                    // an instruction that only ring 0 has
    mov r9, rsp
    mov eax, edi
    out 0xe9, al
    cmp edi, 'P'
    jne 5f
    mov qword ptr [expected_fault], FAULT_RING3
5:  cmp edi, '?'
    je wrong
    cmp edi, 'D'
    je done
    mov eax, MAGIC
    sysretq

done:
    cmp qword ptr [expected_fault], 0
    jne wrong
    mov al, 0x2a
    out 0xf4, al
6:  hlt
    jmp 6b

// Maps the 2 MiB page at the expected address and retries; any other page fault is a failure.
page_fault:
    push rax
    push rcx
    push rdx
    mov rax, cr2
    cmp rax, [expected_fault]
    jne exception
    mov qword ptr [expected_fault], 0
    mov rdx, rax
    shr rdx, 21
    and edx, 511
    mov qword ptr [fault_level2 + rdx * 8], SPARE_PAGE + 0x87
    mov rcx, offset fault_level2 + 7
    mov [level3 + 8], rcx
    invlpg [rax]
    pop rdx
    pop rcx
    pop rax
    add rsp, 8                     // the error code
    iretq

exception:
    mov al, 0x23
    out 0xf4, al
7:  hlt
    jmp 7b

wrong:
    mov al, 0x22
    out 0xf4, al
8:  hlt
    jmp 8b

.align 16
table_register:
    .word table_end - table - 1
    .quad table
.align 16
table:
    .quad 0
    .quad 0x00af9b000000ffff       // ring 0 code
    .quad 0x00cf93000000ffff       // ring 0 data
    .quad 0                        // ring 3 code, 32 bits: unused, its place is fixed by SYSRET
    .quad 0x00cff3000000ffff       // ring 3 data
    .quad 0x00affb000000ffff       // ring 3 code
task_descriptor:
    .quad 0x0000890000000067       // task state; its address is filled in
    .quad 0
table_end:
.align 16
interrupt_register:
    .word 32 * 16 - 1
    .quad interrupt_table

.section .probe.bss, "aw", @nobits
.align 4096
level4:         .skip 4096
level3:         .skip 4096
level2:         .skip 4096
fault_level2:   .skip 4096
state:          .skip 4096
interrupt_table: .skip 512
task_state:     .skip 104
expected_fault: .skip 8
.align 4096
                .skip 4096
probe_stack_top:
                .skip 4096
fault_stack_top:
                .skip 4096
user_stack_top:
