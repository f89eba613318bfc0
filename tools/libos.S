/* The libos that is part of the goblin command: tools/libos.h. */
    .globl libos_image, libos_image_end
    .section .rodata
    .balign 4096
libos_image:
    .incbin "libos.bin"
libos_image_end:
    .balign 4096 /* zeros: whole pages are mapped from this file */
    .section .note.GNU-stack, "", @progbits
