#pragma once
/* Runs of registers, and entries of vectors, for assembly files. struct regs (vm/vcpu.h) has the general registers in the processor's order. */

#define REGS_CALLEE rbx, rbp, r12, r13, r14, r15                                            /* what a called C function keeps */
#define REGS_MOST rcx, rdx, rbx, rbp, rsi, r8, r9, r10, r11, r12, r13, r14, r15 /* all but rax, rsp, and rdi, the base */

    .set regs_at, 0
    .irp reg, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15, rip, rflags
    .set regs_\reg, regs_at
    .set regs_at, regs_at + 8
    .endr

    .macro regs_load base, regs:vararg
    .irp reg, \regs
    movq regs_\reg(\base), %\reg
    .endr
    .endm

    .macro regs_store base, regs:vararg
    .irp reg, \regs
    movq %\reg, regs_\reg(\base)
    .endr
    .endm

    .macro push_regs regs:vararg
    .irp reg, \regs
    pushq %\reg
    .endr
    .endm

    .macro pop_regs regs:vararg
    .irp reg, \regs
    popq %\reg
    .endr
    .endm

/* An entry of 16 bytes for each vector below count. On the stack are then the vector and an error code, which is 0 where the processor pushes none
 * (Intel SDM vol. 3, 6.3.1; AMD APM vol. 2, 8.2 for 29 and 30). */
    .macro vector_entries count, common
    .set vector, 0
    .rept \count
    .p2align 4
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
    pushq $0
    .endif
    pushq $vector
    jmp \common
    .set vector, vector + 1
    .endr
    .endm
