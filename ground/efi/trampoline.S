/* The way of every CPU into the monitor: copied to a page below 1 MiB (smp.c), position-independent, %ebx its address.
 * Application processors begin at trampoline in real mode. The boot CPU comes from 64-bit mode through smp_switch, since
 * the firmware may have left it under five-level paging, and that can only be changed with paging off. */
#define AT(label) (label - trampoline)

    .section .rdata,"dr"
    .globl trampoline, trampoline_end, trampoline_args, trampoline_far32, trampoline_far64, trampoline_gdt
    .globl trampoline_from64
    .p2align 4
trampoline:
    .code16
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    xorl %ebx, %ebx
    movw %ax, %bx
    shll $4, %ebx
    lgdtl AT(trampoline_gdt)
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl *AT(trampoline_far32)

    .code32
trampoline_from64: /* the boot CPU, in compatibility mode */
    movl %cr0, %eax
    andl $0x7FFFFFFF, %eax
    movl %eax, %cr0
trampoline_32:
    movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl AT(arg_cr4)(%ebx), %eax
    movl %eax, %cr4
    movl AT(arg_cr3)(%ebx), %eax
    movl %eax, %cr3
    movl $0xC0000080, %ecx
    movl AT(arg_efer)(%ebx), %eax
    xorl %edx, %edx
    wrmsr
    movl AT(arg_cr0)(%ebx), %eax
    movl %eax, %cr0
    ljmpl *AT(trampoline_far64)(%ebx)

    .code64
trampoline_64:
    movl %ebx, %ebx
    movl $1, %eax
    movq AT(arg_gate)(%rbx), %rdx
    lock xaddl %eax, (%rdx) /* our number */
    cmpl AT(arg_max)(%rbx), %eax
    jae park
    movq AT(arg_stacks)(%rbx), %rdx
    movq (%rdx,%rax,8), %rsp
    movl %eax, %ecx
    xorl %ebp, %ebp
    subq $32, %rsp
    pushq $0 /* no caller */
    jmpq *AT(arg_entry)(%rbx)
park:
    cli
    hlt
    jmp park

    .p2align 3
trampoline_far32: /* offset + the page's address, by smp.c */
    .long AT(trampoline_32)
    .word 0x18
    .p2align 3
trampoline_far64:
    .long AT(trampoline_64)
    .word 0x08
    .p2align 3
    .word 0 /* so that the base is aligned */
    .word 0
    .word 0
trampoline_gdt:
    .word 31
    .long AT(gdt)
    .long 0
    .p2align 3
gdt:
    .quad 0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF, 0x00CF9B000000FFFF
    .p2align 3
trampoline_args: /* struct trampoline_args in smp.c */
arg_cr0: .long 0
arg_cr3: .long 0
arg_cr4: .long 0
arg_efer: .long 0
arg_gate: .quad 0
arg_stacks: .quad 0
arg_entry: .quad 0
arg_max: .long 0
trampoline_end:

    .text
    .globl smp_switch
smp_switch: /* rdi: the page; rsi: offset of trampoline_from64; rdx: CR3 that maps it; rcx: offset of the GDT pointer */
    movl %edi, %ebx
    movq %rdx, %cr3
    lgdt (%rdi,%rcx)
    addq %rdi, %rsi
    pushq $0x18
    pushq %rsi
    lretq
