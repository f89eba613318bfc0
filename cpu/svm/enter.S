/* Into the guest and back. System V calling convention whatever the target.
 * rdi: struct regs, rsi: physical address of the guest's VMCB, rdx: of the host's.
 * GIF is off from CLGI to VMRUN and from #VMEXIT to STGI, so that IF can be 1 (VMRUN saves it as the host's: it lets real
 * interrupts end the guest) and no interrupt is taken while FS, GS, TR belong to the wrong side. */
    .intel_syntax noprefix

/* All that go through struct regs, with their offsets; RDI last, since it points at the struct. */
    .macro guest_registers do
    \do rcx, 8
    \do rdx, 16
    \do rbx, 24
    \do rbp, 40
    \do rsi, 48
    \do r8, 64
    \do r9, 72
    \do r10, 80
    \do r11, 88
    \do r12, 96
    \do r13, 104
    \do r14, 112
    \do r15, 120
    \do rdi, 56
    .endm
    .macro load reg, offset
    mov \reg, [rdi + \offset]
    .endm
    .macro store reg, offset
    mov [rax + \offset], \reg
    .endm

    .text
    .globl svm_enter
svm_enter:
    .irp reg, rbx, rbp, r12, r13, r14, r15, rdi, rdx
    push \reg
    .endr
    mov rax, rsi
    clgi
    sti
    vmload rax
    guest_registers load
    vmrun rax
    vmsave rax
    mov rax, [rsp + 8]
    guest_registers store
    pop rax
    vmload rax
    cli
    stgi
    add rsp, 8
    .irp reg, r15, r14, r13, r12, rbp, rbx
    pop \reg
    .endr
    ret
