/* The vDSO's file in the libos' text: a program finds it where it is. */
    .section .text.vdso, "ax"
    .balign 4096
    .globl vdso_image
vdso_image:
    .incbin "vdso.so"
    .balign 16
    .section .note.GNU-stack, "", @progbits
