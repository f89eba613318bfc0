/* The image's head, the gate, and upcalls: all registers as struct upcall (app.h), then upcall() in C, then back to where its frame says. */
#include "arch/x86/asm.h"

    .section .head, "ax"
    .long 0x6E6C426F, 4
    .quad start, missed, upcall_stubs, boot_stack_top, cpu0, text_end, data_end, 0

    .text
    .globl start, gate
start:
    mov %rdi, app_boot(%rip)
    mov 24(%rdi), %rax /* gate */
    mov %rax, gate_entry(%rip)
    call app_main
    mov %eax, %edi
    call leave
gate: /* (a0, a1, a2, a3, a4, number) in the C convention */
    mov %r9, %rax
    mov %r8, %r9
    mov %rcx, %r8
    jmp *gate_entry(%rip)

missed: /* a `syscall` from elsewhere: rip is in rcx; its number counts */
    mov %rax, missed_number(%rip)
    jmp *%rcx

    .globl syscall_here
syscall_here: /* (number): a raw system call */
    mov %rdi, %rax
    syscall
    ret

    .balign 16
upcall_stubs:
    vector_entries 33, upcall_common
upcall_common:
    push_regs rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    cld
    mov %rsp, %rdi
    call upcall
    pop_regs r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax
    add $16, %rsp
    iretq

/* bool probe(fn, a0, a1): calls fn; true if it came back without an exception. upcall() goes to probe_failed. */
    .globl probe, probe_failed
probe:
    push_regs REGS_CALLEE
    mov %rsp, probe_rsp(%rip)
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    call *%rax
    mov $1, %eax
1:  movq $0, probe_rsp(%rip)
    pop_regs r15, r14, r13, r12, rbp, rbx
    ret
probe_failed:
    mov probe_rsp(%rip), %rsp
    xor %eax, %eax
    jmp 1b

    .data
    .balign 128
    .globl cpu0, cpus
cpu0: /* struct app_cpu: masked */
    .byte 1, 0, 0, 0
    .long 0
    .quad 0, 0, upcall_stack_top, 4096
    .skip 88
    .globl app_boot, missed_number, probe_rsp
app_boot: .quad 0
gate_entry: .quad 0
missed_number: .quad 0
probe_rsp: .quad 0

    .bss
    .balign 16
    .skip 4096
upcall_stack_top:
    .skip 16384
boot_stack_top:
