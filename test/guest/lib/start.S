/* How a guest begins: the bzImage header, entry in 64-bit mode (from a monitor) or in real mode (from a PC's firmware, so
 * that the same image runs on a bare emulator), start-up of further CPUs, interrupt stubs. */
#include "arch/x86/asm.h"

/* --- the set-up part: Linux Documentation/arch/x86/boot.rst --- */
    .section .setup, "awx"
    .code16
setup:
    .org setup + 0x1F1
    .byte 1                     /* sectors of set-up code, besides the first */
    .word 1
    .long guest_syssize
    .word 0, 0xFFFF, 0
    .word 0xAA55
    .byte 0xEB, setup16 - setup - 0x202
    .ascii "HdrS"
    .word 0x20F                 /* protocol 2.15 */
    .long 0
    .word 0, 0
    .byte 0
    .byte 1                     /* loaded high */
    .word 0
    .long 0x100000              /* where the program is */
    .long 0, 0, 0               /* initrd, its size, unused */
    .word 0
    .byte 0, 0
    .long 0                     /* 0x228: the command line */
    .long 0x7FFFFFFF
    .long 0x1000                /* alignment */
    .byte 0, 12                 /* not relocatable */
    .word 1                     /* has a 64-bit entry */
    .long 2047                  /* longest command line */
    .long 0
    .quad 0
    .long 0, 0
    .quad 0
    .quad 0x100000              /* preferred address */
    .long guest_init_size
    .long 0, 0

/* Real mode, DS = where the set-up part is. Its own bytes then serve as boot_params: the header is at the same offsets. */
setup16:
    cli
    cld
    xorl %eax, %eax
    movw %ds, %ax
    shll $4, %eax
    movl %eax, %esi
    addl %eax, gdtr16 - setup + 2
    addl %eax, far32 - setup
    lgdtl gdtr16 - setup
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl *(far32 - setup)
    .balign 8
gdt16:
    .quad 0
    .quad 0x00CF9B000000FFFF    /* 8: 32-bit code */
    .quad 0x00CF93000000FFFF    /* 10: data */
    .quad 0x00AF9B000000FFFF    /* 18: 64-bit code */
gdtr16:
    .word . - gdt16 - 1
    .long gdt16 - setup
far32:
    .long setup32 - setup
    .word 8

/* Page tables for 4 GiB, one to one, at 0x70000; then 64-bit mode. */
    .code32
setup32:
    movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl $0x70000, %edi
    movl $0x6000 / 4, %ecx
    xorl %eax, %eax
    rep stosl
    movl $0x71003, 0x70000
    movl $0x72003, %eax
    movl $0x71000, %edi
1:  movl %eax, (%edi)
    addl $8, %edi
    addl $0x1000, %eax
    cmpl $0x76003, %eax
    jne 1b
    movl $0x72000, %edi
    movl $0x83, %eax
2:  movl %eax, (%edi)
    addl $8, %edi
    addl $0x200000, %eax
    jnc 2b
    movl $0x70000, %eax
    movl %eax, %cr3
    movl $0x20, %eax
    movl %eax, %cr4
    movl $0xC0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    ljmpl $0x18, $0x100200
    .org setup + 0x400

/* --- 64-bit mode; RSI = boot_params --- */
    .section .entry, "ax"
    .code64
    .org 0x200
    .globl entry64
entry64:
    cli
    cld
    leaq boot_stack_end(%rip), %rsp
    lgdt gdtr(%rip)
    call load_segments
    leaq guest_bss(%rip), %rdi
    leaq guest_end(%rip), %rcx
    subq %rdi, %rcx
    xorl %eax, %eax
    rep stosb
    movq %rsi, %rdi
    call guest_begin

load_segments:
    movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    popq %rax
    pushq $8
    pushq %rax
    lretq

    .data
    .balign 8
gdt:
    .quad 0
    .quad 0x00AF9B000000FFFF    /* 8: 64-bit code */
    .quad 0x00CF93000000FFFF    /* 10: data */
gdt_end:
gdtr:
    .word gdt_end - gdt - 1
    .quad gdt

/* --- another CPU, in real mode at a page below 1 MiB that this is copied to --- */
    .section .rodata
    .globl ap_code, ap_code_end
    .code16
ap_code:
    cli
    movw %cs, %ax
    movw %ax, %ds
    lgdtl ap_gdtr - ap_code
    movl $0xC0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    cpuid                       /* an exit with LME without PAE: QEMU 7.2 then forgets the monitor's CR0 */
    movl $0x20, %eax            /* PAE */
    movl %eax, %cr4
    movl $guest_tables, %eax
    movl %eax, %cr3
    movl $0x80000011, %eax      /* paging and protection at once */
    movl %eax, %cr0
    ljmpl $8, $ap64
    .balign 8
ap_gdtr:
    .word gdt_end - gdt - 1
    .long gdt
ap_code_end:

    .text
    .code64
ap64:
    movl $1, %eax
    lock xaddl %eax, ap_count(%rip)
    shlq $12, %rax
    leaq guest_ap_stacks + 4096(%rip), %rsp
    addq %rax, %rsp
    call load_segments
    call guest_ap_begin

    .data
    .globl ap_count
ap_count:
    .long 0

/* --- interrupts: all come to guest_trap(struct trap *) --- */
    .text
    .globl guest_stubs
    .balign 16
guest_stubs:
    vector_entries 256, trap_common

trap_common:
    push_regs rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
    movq %rsp, %rdi
    cld
    call guest_trap
    pop_regs r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax
    addq $16, %rsp
    iretq

/* int try_call(void (*fn)(uint64_t, uint64_t), uint64_t a, uint64_t b) */
    .globl try_call, try_resume, try_rsp
try_call:
    push_regs REGS_CALLEE, rax
    movq %rsp, try_rsp(%rip)
    movq %rdi, %rax
    movq %rsi, %rdi
    movq %rdx, %rsi
    call *%rax
    movl $-1, %eax
try_resume:
    movq $0, try_rsp(%rip)
    pop_regs rcx, r15, r14, r13, r12, rbp, rbx
    ret
    .bss
    .balign 16
try_rsp:
    .quad 0, 0
    .space 16384
boot_stack_end:
