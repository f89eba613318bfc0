/* MSR access with a fix-up: see arch/x86/safe.h. */
    .text
    .globl cpu_rdmsr_safe, cpu_wrmsr_safe, safe_rdmsr, safe_wrmsr, safe_failed

cpu_rdmsr_safe: /* edi: msr, rsi: out */
    movl %edi, %ecx
safe_rdmsr:
    rdmsr
    movl %eax, (%rsi)
    movl %edx, 4(%rsi)
    movl $1, %eax
    ret

cpu_wrmsr_safe: /* edi: msr, rsi: value */
    movl %edi, %ecx
    movl %esi, %eax
    movq %rsi, %rdx
    shrq $32, %rdx
safe_wrmsr:
    wrmsr
    movl $1, %eax
    ret

safe_failed:
    xorl %eax, %eax
    ret
