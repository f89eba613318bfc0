/* The libos' ways in and out: the image's head, the program's system calls, upcalls, the switch between threads, and copies from and
 * to the program's memory that may fault. Offsets into struct app_cpu (abi/app.h) are from GS; struct regs is in thread.h. */
#include "arch/x86/asm.h"

#define CPU_MASKED 0
#define CPU_PENDING 1
#define CPU_SCRATCH 40
#define UPCALL_STACK 4096
#define PLAIN_MAX 128
#define PLAIN_NONE -1
#define CPU_STACK 48 /* where the running thread enters the libos */

    .section .head, "ax"
    .globl image_head
image_head:
    .long 0x6E6C426F, 4
    .quad start, syscall_missed_entry, upcall_stubs, boot_stack_top, cpu0, text_end, data_end, sled

    .text
    .globl start
start:
    jmp libos_main /* rdi: struct app_boot */

    .globl cpu_entry /* a further CPU: rsp is its idle thread's stack */
cpu_entry:
    call cpu_main

/* int64_t gate(a0, a1, a2, a3, a4, number) in the C convention */
    .globl gate
gate:
    mov %r9, %rax
    mov %r8, %r9
    mov %rcx, %r8
    jmp *gate_entry(%rip)

    .globl bell /* void bell(uint64_t number) */
bell:
    jmp *bell_entry(%rip)

#define push_gprs push_regs rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
#define pop_gprs pop_regs r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax

/* Page 0, where `call *%rax` goes: wherever in its first SLED_JUMPS bytes it is entered, it leads to syscall_entry. Steps of one byte each would take
 * longer than the call itself, so it is made of `jmp +103`, bytes EB 67, and a nop, 90: entered at 67 that is a nop with a prefix, and each jump
 * lands on a jump. The last of them land among nops of 15 bytes, which are prefixes but for their last byte, and so also begin anywhere. Behind the
 * end are traps, see wild_number(). It runs at address 0: the last jump is from there. */
#define SLED_JUMPS 513
#define SLED_NOPS 120
    .section .text.sled, "ax"
    .balign 4096
sled:
    .rept SLED_JUMPS / 3
    .byte 0xEB, 0x67, 0x90
    .endr
    .rept SLED_NOPS / 15
    .fill 14, 1, 0x66
    .byte 0x90
    .endr
    .byte 0xE9
    .long syscall_entry - (SLED_JUMPS + SLED_NOPS + 5)
    .fill 4096 - (SLED_JUMPS + SLED_NOPS + 5), 1, 0xCC
    .text

/* From the sled: `call *%rax` pushed the return address where the kernel would have left the red zone alone; whoever rewrote
 * the call saw to it that nothing lies there. A call whose answer is known is answered here: nothing is saved and nothing masked, for an
 * event may come at any of these steps as at any of the program's. */
    .globl syscall_entry
syscall_entry:
    cmp $PLAIN_MAX, %rax
    jae 1f
    mov plain_answers(,%rax,4), %ecx
    cmp $PLAIN_NONE, %ecx
    je 1f
    mov %ecx, %eax
    ret
1:  pop %rcx
    .globl syscall_missed_entry
syscall_missed_entry:
    movb $1, %gs:CPU_MASKED
    mov %rsp, %gs:CPU_SCRATCH
    mov %gs:CPU_STACK, %rsp
    pushq $0x2B
    pushq %gs:CPU_SCRATCH
    pushfq
    pushq $0x33
    push %rcx
    push %rax
    pushq $256
    push_gprs
    cld
    mov %rsp, %rdi
    call syscall_enter /* true: registers other than rax have been changed */
    test %al, %al
    jnz leave_full
    pop_gprs
    mov 16(%rsp), %rcx
    mov 40(%rsp), %rsp
    movb $0, %gs:CPU_MASKED
    cmpb $0, %gs:CPU_PENDING
    jne 1f
    jmp *%rcx
    .globl pending_short
pending_short:
1:  ud2 /* an upcall that finds itself here: go on at rcx */

/* void leave(struct regs *): to the program with all registers. Its rflags and rip have been written to its stack, 144 bytes down, so that the
 * last steps need nothing of the libos': an event may come between any two of them. */
    .globl leave
leave:
    mov %rdi, %rsp
leave_full:
    pop_gprs
    mov 40(%rsp), %rsp
    lea -144(%rsp), %rsp
    movb $0, %gs:CPU_MASKED
    cmpb $0, %gs:CPU_PENDING
    jne 1f
    .globl pending_full_next
pending_full_next:
    popfq
    ret $128
    .globl pending_full
pending_full:
1:  ud2 /* go on at pending_full_next */

/* --- upcalls --- */
    .balign 16
    .globl upcall_stubs
upcall_stubs:
    vector_entries 33, upcall_common

upcall_common:
    push_gprs
    cld
    cmpb $0, %gs:CPU_MASKED
    jne 1f
    /* from the program: leave the upcall stack at once */
    movb $1, %gs:CPU_MASKED
    mov %gs:CPU_STACK, %rdi
    sub $176, %rdi
    mov %rsp, %rsi
    mov $22, %ecx
    mov %rdi, %rbx
    rep movsq
    mov %rbx, %rsp
    mov %rbx, %rdi
    call upcall_program
    mov %rbx, %rdi
    jmp leave
1:  /* from the libos itself: only copies may fault */
    mov %rsp, %rdi
    call upcall_libos
    pop_gprs
    add $16, %rsp
    iretq

/* --- threads --- */
/* void switch_stack(uint64_t *save_rsp, uint64_t rsp) */
    .globl switch_stack
switch_stack:
    push_regs REGS_CALLEE
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop_regs r15, r14, r13, r12, rbp, rbx
    ret

/* A new thread's first switch returns here; its struct regs lies on its stack. */
    .globl thread_begin
thread_begin:
    mov %rsp, %rdi
    mov %rsp, %rbx
    call thread_first
    mov %rbx, %rdi
    jmp leave

/* void fpu_save(void *area, uint64_t mask), mask 0: by FXSAVE; fpu_load the same */
.macro fpu_move name, by_xsave, by_fxsave
    .globl \name
\name:
    mov %esi, %eax
    test %esi, %esi
    jz 1f
    xor %edx, %edx
    \by_xsave (%rdi)
    ret
1:  \by_fxsave (%rdi)
    ret
.endm
    fpu_move fpu_save, xsave64, fxsave64
    fpu_move fpu_load, xrstor64, fxrstor64

/* --- the program's memory: int user_copy(void *dst, const void *src, size_t n), 0, or -14 if something is not there --- */
    .globl user_copy, user_copy_end, user_copy_fault
user_copy:
    mov %rdx, %rcx
    cmp $256, %rcx
    jb 1f
    rep movsb
    jmp 3f
1:  shr $3, %rcx
    rep movsq
    mov %edx, %ecx
    and $7, %ecx
    rep movsb
3:  xor %eax, %eax
    ret
    .globl user_cas
user_cas: /* int user_cas(uint32_t *addr, uint32_t *old, uint32_t new) */
    mov (%rsi), %eax
    lock cmpxchg %edx, (%rdi)
    mov %eax, (%rsi)
    xor %eax, %eax
    ret
user_copy_end:
user_copy_fault:
    mov $-14, %eax
    ret

    .data
    .balign 128
    .globl cpu0 /* struct app_cpu: masked, and with an upcall stack */
cpu0:
    .byte 1, 0, 0, 0
    .long 0
    .quad 0, 0, upcall_stack_top, UPCALL_STACK
    .skip 88

    .section .bss, "aw", @nobits
    .balign 16
    .skip UPCALL_STACK
upcall_stack_top:
    .balign 16
    .globl boot_stack
boot_stack:
    .skip 16384
boot_stack_top:
    .section .note.GNU-stack, "", @progbits
