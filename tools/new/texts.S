/* The programs that `goblin new` writes, for tools/new.c: each a text with its ending 0. */
    .macro text name, file
    .globl \name
\name:
    .incbin "\file"
    .byte 0
    .endm

    .section .rodata
    text new_lua, "tools/new/main.lua"
    text new_python, "tools/new/main.py"
    text new_js, "tools/new/main.js"
    .section .note.GNU-stack, "", @progbits
