/* Into the guest and back. System V calling convention whatever the target.
 * rdi: struct regs, rsi: physical address of the guest's VMCB, rdx: of the host's.
 * GIF is off from CLGI to VMRUN and from #VMEXIT to STGI, so that IF can be 1 (VMRUN saves it as the host's: it lets real
 * interrupts end the guest) and no interrupt is taken while FS, GS, TR belong to the wrong side.
 *
 * QEMU 7.2 loads the host's CR0 at #VMEXIT while EFER and CR4 are still the guest's, and leaves it if the guest has LME without PAE and
 * no paging (docs/testing.md). Then the monitor is here in 64-bit mode without paging, maybe without protection: VMSAVE would be #UD.
 * Its code, its stack and both VMCBs are where their physical addresses say, so CR0 can be loaded again. */
#include "arch/x86/asm.h"

#define SVM_VMCB_CR4 0x548 /* struct vmcb */
#define SVM_VMCB_CR0 0x558
#define CR4_PAE 0x20

    .text
    .globl svm_enter
svm_enter:
    push_regs REGS_CALLEE, rdx, rdi
    mov %rsi, %rax
    clgi
    sti
    vmload %rax
    regs_load %rdi, REGS_MOST, rdi
    vmrun %rax
    .globl svm_behind_vmrun
svm_behind_vmrun:
    testb $CR4_PAE, SVM_VMCB_CR4(%rax)
    jz 2f
1:  vmsave %rax
    pop %rax
    regs_store %rax, REGS_MOST, rdi
    pop %rax
    vmload %rax
    cli
    stgi
    pop_regs r15, r14, r13, r12, rbp, rbx
    ret
2:  push %rax
    mov %cr0, %rax
    test %eax, %eax             /* the sign: CR0.PG */
    js 3f
    mov 16(%rsp), %rax          /* the host's VMCB */
    mov SVM_VMCB_CR0(%rax), %rax
    mov %rax, %cr0
3:  pop %rax
    jmp 1b
