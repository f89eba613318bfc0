#include "arch/x86/safe.h"

extern const char safe_rdmsr[], safe_wrmsr[], safe_failed[]; /* places in safe_entry.S */

uint64_t safe_fixup(uint64_t rip)
{
    bool known = rip == (uintptr_t)safe_rdmsr || rip == (uintptr_t)safe_wrmsr;

    return known ? (uintptr_t)safe_failed : 0;
}
