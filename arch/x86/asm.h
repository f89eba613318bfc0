#pragma once
/* Runs of registers, for assembly files. struct regs (vm/vcpu.h) has the general registers in the processor's order. */

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
