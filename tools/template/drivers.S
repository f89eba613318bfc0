/* What images of Python and Lua bring for templates, /usr/lib/goblin/template.*, as part of the goblin command: tools/libos.h. */
    .section .rodata
    .globl template_py, template_py_end, template_lua, template_lua_end
template_py:
    .incbin "tools/template/template.py"
template_py_end:
template_lua:
    .incbin "tools/template/template.lua"
template_lua_end:
    .section .note.GNU-stack, "", @progbits
