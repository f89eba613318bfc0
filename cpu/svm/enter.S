/* Into the guest and back. System V calling convention whatever the target.
 * rdi: struct regs, rsi: physical address of the guest's VMCB, rdx: of the host's.
 * GIF is off from CLGI to VMRUN and from #VMEXIT to STGI, so that IF can be 1 (VMRUN saves it as the host's: it lets real
 * interrupts end the guest) and no interrupt is taken while FS, GS, TR belong to the wrong side. */
#include "arch/x86/asm.h"

    .text
    .globl svm_enter
svm_enter:
    push_regs REGS_CALLEE, rdi, rdx
    mov %rsi, %rax
    clgi
    sti
    vmload %rax
    regs_load %rdi, REGS_MOST, rdi
    vmrun %rax
    .globl svm_behind_vmrun
svm_behind_vmrun:
    vmsave %rax
    mov 8(%rsp), %rax
    regs_store %rax, REGS_MOST, rdi
    pop %rax
    vmload %rax
    cli
    stgi
    add $8, %rsp
    pop_regs r15, r14, r13, r12, rbp, rbx
    ret
