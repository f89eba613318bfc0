/* Into a guest at CPL 3 and back. Copied to each CPU's area (ring3.h): it reaches its data relative to itself, and runs the same under
 * the monitor's page tables and the guest's. System V calling convention whatever the target. */
#define DATA code + 0x2000
#define ENTRY_STACK code + 0x3000 + 1024
#define SYSCALL_VECTOR 256
#define WITH_ERROR 0x60227D00 /* exceptions with an error code: 8, 10 to 14, 17, 21, 29, 30 */
#define MSR_GS_BASE 0xC0000101

/* struct regs: the general registers, in the processor's order; all but rax, rsp, and rdi, whose base %rdi may be */
.macro each_register do base
    \do %rcx, 8(\base)
    \do %rdx, 16(\base)
    \do %rbx, 24(\base)
    \do %rbp, 40(\base)
    \do %rsi, 48(\base)
    \do %r8, 64(\base)
    \do %r9, 72(\base)
    \do %r10, 80(\base)
    \do %r11, 88(\base)
    \do %r12, 96(\base)
    \do %r13, 104(\base)
    \do %r14, 112(\base)
    \do %r15, 120(\base)
.endm
.macro store reg slot:vararg
    mov \reg, \slot
.endm
.macro load reg slot:vararg
    mov \slot, \reg
.endm

    .text
    .globl ring3_code, ring3_code_end, ring3_enter, ring3_syscall, ring3_stubs
    .p2align 12
ring3_code:
code:

/* void ring3_enter(struct regs *): until the guest comes out. Interrupts are off. */
ring3_enter:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    push %rax /* for calls the stack is a multiple of 16 */
    mov %rsp, DATA+24(%rip)
    mov %rdi, DATA+16(%rip)
    lidt DATA+64(%rip)
    swapgs
    lea ENTRY_STACK(%rip), %rsp
    pushq $0x2B /* ss, rsp, rflags, cs, rip for iretq */
    pushq 32(%rdi)
    pushq 136(%rdi)
    pushq $0x33
    pushq 128(%rdi)
    pushq (%rdi) /* rax, rdi: loaded last */
    pushq 56(%rdi)
    each_register load %rdi
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
    mov %rcx, 8(%rax)
    mov %rcx, 128(%rax)
    mov %r11, 88(%rax)
    mov %r11, 136(%rax)
    mov %rdx, 16(%rax)
    mov %rsi, 48(%rax)
    mov %rdi, 56(%rax)
    mov %r8, 64(%rax)
    mov %r9, 72(%rax)
    mov %r10, 80(%rax)
    mov DATA+32(%rip), %rcx
    mov %rcx, 32(%rax)
    mov DATA+40(%rip), %rcx
    mov %rcx, (%rax)
    mov DATA+24(%rip), %rsp
    swapgs
    mov %rax, %rdi
    call *DATA+376(%rip)
    mov DATA+16(%rip), %rdx
    test %al, %al
    jz 1f
    swapgs
    mov (%rdx), %rax
    mov %rax, DATA+40(%rip)
    mov 128(%rdx), %rcx
    mov 32(%rdx), %rsp
    mov 48(%rdx), %rsi
    mov 56(%rdx), %rdi
    mov 64(%rdx), %r8
    mov 72(%rdx), %r9
    mov 80(%rdx), %r10
    mov 136(%rdx), %r11
    mov 16(%rdx), %rdx
    mov DATA+8(%rip), %rax
    mov %rax, %cr3
    mov DATA+40(%rip), %rax
    sysretq
1:  mov %rbx, 24(%rdx)
    mov %rbp, 40(%rdx)
    mov %r12, 96(%rdx)
    mov %r13, 104(%rdx)
    mov %r14, 112(%rdx)
    mov %r15, 120(%rdx)
    movq $SYSCALL_VECTOR, DATA+80(%rip)
    jmp 2f
leave_guest:
    swapgs
2:  mov DATA+24(%rip), %rsp
    lidt DATA+48(%rip)
    add $8, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
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
    each_register store %rax
    mov %rdi, 56(%rax)
    popq (%rax)
    popq DATA+80(%rip)
    popq DATA+88(%rip)
    popq 128(%rax)
    pop %rcx
    popq 136(%rax)
    popq 32(%rax)
    jmp leave_guest

/* An NMI, a double fault, a machine check, or a fault in here: on to the monitor's own handler, under its page tables, on one of its
 * stacks, as if it had come there. The handlers of these do not return. */
fatal:
    push %rax
    push %rcx
    push %rdx
    push %rbx
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
