/* Into the guest and back. System V calling convention whatever the target.
 * rdi: struct regs, rsi: physical address of the guest's VMCB, rdx: of the host's.
 * GIF is off from CLGI to VMRUN and from #VMEXIT to STGI, so that IF can be 1 (VMRUN saves it as the host's: it lets real
 * interrupts end the guest) and no interrupt is taken while FS, GS, TR belong to the wrong side. */
    .intel_syntax noprefix
    .text
    .globl svm_enter
svm_enter:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    push rdi
    push rdx
    mov rax, rsi
    clgi
    sti
    vmload rax
    mov rcx, [rdi + 8]
    mov rdx, [rdi + 16]
    mov rbx, [rdi + 24]
    mov rbp, [rdi + 40]
    mov rsi, [rdi + 48]
    mov r8, [rdi + 64]
    mov r9, [rdi + 72]
    mov r10, [rdi + 80]
    mov r11, [rdi + 88]
    mov r12, [rdi + 96]
    mov r13, [rdi + 104]
    mov r14, [rdi + 112]
    mov r15, [rdi + 120]
    mov rdi, [rdi + 56]
    vmrun rax
    vmsave rax
    mov rax, [rsp + 8]
    mov [rax + 8], rcx
    mov [rax + 16], rdx
    mov [rax + 24], rbx
    mov [rax + 40], rbp
    mov [rax + 48], rsi
    mov [rax + 56], rdi
    mov [rax + 64], r8
    mov [rax + 72], r9
    mov [rax + 80], r10
    mov [rax + 88], r11
    mov [rax + 96], r12
    mov [rax + 104], r13
    mov [rax + 112], r14
    mov [rax + 120], r15
    pop rax
    vmload rax
    cli
    stgi
    add rsp, 8
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
