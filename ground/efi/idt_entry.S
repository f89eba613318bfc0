/* Where every exception and interrupt arrives: 256 entries of 16 bytes each, then the common part, which saves the
 * registers as struct trap (ground/efi/machine.h) and calls trap_handle(). */
#include "arch/x86/asm.h"

    .text
    .globl idt_entries
    .p2align 4
idt_entries:
    vector_entries 256, trap_common

    .macro save regs:vararg
    .irp reg, \regs
    pushq %\reg
    .seh_pushreg %\reg
    .endr
    .endm
    .p2align 4
    .def trap_common
    .scl 3
    .type 32
    .endef
    .seh_proc trap_common /* tells unwind.c how to get past this frame */
trap_common:
    .seh_pushframe @code
    .seh_stackalloc 8 /* the vector */
    save r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp
    pushq %rsp
    .seh_stackalloc 8
    save rbx, rdx, rcx, rax
    subq $8, %rsp /* the frame is 23 words on a 16-byte boundary */
    .seh_stackalloc 8
    .seh_endprologue
    cld
    leaq 8(%rsp), %rdi
    call trap_handle
    addq $8, %rsp
    pop_regs rax, rcx, rdx, rbx
    addq $8, %rsp
    pop_regs rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
    addq $16, %rsp
    iretq
    .seh_endproc

    .globl unwind_here
unwind_here: /* rdi: struct unwind; our caller as it will be after we return */
    movq (%rsp), %rax
    movq %rax, (%rdi)
    addq $8, %rdi
    leaq 8(%rsp), %rax
    movq %rax, regs_rsp(%rdi)
    regs_store %rdi, REGS_CALLEE
    ret
