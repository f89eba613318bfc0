/* Into a guest at CPL 3 and back. Copied to each CPU's area (ring3.h): it reaches its data relative to itself, and runs the same under
 * the monitor's page tables and the guest's. System V calling convention whatever the target. */
#include "arch/x86/asm.h"

#define DATA code + 0x2000
#define ENTRY_STACK code + 0x3000 + 1024
#define SYSCALL_VECTOR 256
#define WITH_ERROR 0x60227D00 /* exceptions with an error code: 8, 10 to 14, 17, 21, 29, 30 */
#define MSR_GS_BASE 0xC0000101

    .text
    .globl ring3_code, ring3_code_end, ring3_enter, ring3_syscall, ring3_stubs
    .p2align 12
ring3_code:
code:

/* void ring3_enter(struct regs *): until the guest comes out. Interrupts are off. */
ring3_enter:
    push_regs REGS_CALLEE
    push %rax /* for calls the stack is a multiple of 16 */
    mov %rsp, DATA+24(%rip)
    mov %rdi, DATA+16(%rip)
    lidt DATA+64(%rip)
    swapgs
    lea ENTRY_STACK(%rip), %rsp
    pushq $0x2B /* ss, rsp, rflags, cs, rip for iretq */
    pushq regs_rsp(%rdi)
    pushq regs_rflags(%rdi)
    pushq $0x33
    pushq regs_rip(%rdi)
    pushq regs_rax(%rdi) /* loaded last, with rdi */
    pushq regs_rdi(%rdi)
    regs_load %rdi, REGS_MOST
    mov DATA+8(%rip), %rax
    mov %rax, %cr3
    pop %rdi
    pop %rax
    iretq

/* The guest has executed `syscall`: rip is in rcx, rflags in r11, the stack is still its own. C serves it at once, on the monitor's stack,
 * with the guest's interrupt descriptors and with what C keeps (rbx, rbp, r12 to r15) still in the registers. If it says so, the guest
 * goes on behind the gate or the bell: addresses that SYSRET may be given. */
    .p2align 4
ring3_syscall:
    mov %rsp, DATA+32(%rip)
    mov %rax, DATA+40(%rip)
    mov DATA(%rip), %rax
    mov %rax, %cr3
    mov DATA+16(%rip), %rax
    regs_store %rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11
    mov %rcx, regs_rip(%rax)
    mov %r11, regs_rflags(%rax)
    mov DATA+32(%rip), %rcx
    mov %rcx, regs_rsp(%rax)
    mov DATA+40(%rip), %rcx
    mov %rcx, regs_rax(%rax)
    mov DATA+24(%rip), %rsp
    swapgs
    mov %rax, %rdi
    call *DATA+376(%rip)
    mov DATA+16(%rip), %rdx
    test %al, %al
    jz 1f
    swapgs
    mov regs_rax(%rdx), %rax
    mov %rax, DATA+40(%rip)
    mov regs_rip(%rdx), %rcx
    mov regs_rflags(%rdx), %r11
    regs_load %rdx, rsp, rsi, rdi, r8, r9, r10, rdx
    mov DATA+8(%rip), %rax
    mov %rax, %cr3
    mov DATA+40(%rip), %rax
    sysretq
1:  regs_store %rdx, REGS_CALLEE
    movq $SYSCALL_VECTOR, DATA+80(%rip)
    jmp 2f
leave_guest:
    swapgs
2:  mov DATA+24(%rip), %rsp
    lidt DATA+48(%rip)
    add $8, %rsp
    pop_regs r15, r14, r13, r12, rbp, rbx
    ret

/* An exception or an interrupt. Stack: vector, error code, then what the processor pushed. */
    .p2align 4
trap:
    testb $3, 24(%rsp)
    jz fatal /* in here: the monitor's own mistake */
    push %rax
    mov DATA(%rip), %rax
    mov %rax, %cr3
    mov DATA+16(%rip), %rax
    regs_store %rax, REGS_MOST, rdi
    popq regs_rax(%rax)
    popq DATA+80(%rip)
    popq DATA+88(%rip)
    popq regs_rip(%rax)
    pop %rcx
    popq regs_rflags(%rax)
    popq regs_rsp(%rax)
    jmp leave_guest

/* An NMI, a double fault, a machine check, or a fault in here: on to the monitor's own handler, under its page tables, on one of its
 * stacks, as if it had come there. The handlers of these do not return. */
fatal:
    push_regs rax, rcx, rdx, rbx
    mov DATA(%rip), %rax
    mov %rax, %cr3
    mov $MSR_GS_BASE, %ecx
    mov DATA+96(%rip), %eax
    mov DATA+100(%rip), %edx
    wrmsr
    lidt DATA+48(%rip)
    mov %rsp, %rbx
    mov 32(%rbx), %rax
    mov DATA+104(%rip), %rsp
    cmp $2, %rax
    cmove DATA+112(%rip), %rsp
    pushq 80(%rbx)
    pushq 72(%rbx)
    pushq 64(%rbx)
    pushq 56(%rbx)
    pushq 48(%rbx)
    mov $WITH_ERROR, %ecx
    bt %eax, %ecx
    jnc 1f
    pushq 40(%rbx)
1:  lea DATA+120(%rip), %rcx
    pushq (%rcx,%rax,8)
    mov 24(%rbx), %rax
    mov 16(%rbx), %rcx
    mov 8(%rbx), %rdx
    mov (%rbx), %rbx
    ret

/* Where the guest's interrupt descriptors point: 16 bytes for each vector. */
    .p2align 4
ring3_stubs:
    .set vector, 0
    .rept 256
    .p2align 4
    .if vector >= 32 || !(WITH_ERROR >> vector & 1)
    pushq $0
    .endif
    pushq $vector
    .if vector == 2 || vector == 8 || vector == 18
    jmp fatal
    .else
    jmp trap
    .endif
    .set vector, vector + 1
    .endr
ring3_code_end:
