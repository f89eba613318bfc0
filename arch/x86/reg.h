#pragma once
/* Numbers and bits of x86-64 control registers and MSRs that several parts use. AMD APM volume 2, Intel SDM volume 4. */
#include "base/types.h"

/* General registers in instruction-encoding order; the index into regs.gpr[]. */
enum reg { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11,
    REG_R12, REG_R13, REG_R14, REG_R15, REG_COUNT };

#define RFLAGS_CF BIT64(0)
#define RFLAGS_FIXED BIT64(1)
#define RFLAGS_PF BIT64(2)
#define RFLAGS_AF BIT64(4)
#define RFLAGS_ZF BIT64(6)
#define RFLAGS_SF BIT64(7)
#define RFLAGS_TF BIT64(8)
#define RFLAGS_IF BIT64(9)
#define RFLAGS_DF BIT64(10)
#define RFLAGS_OF BIT64(11)
#define RFLAGS_AC BIT64(18)
#define RFLAGS_ARITH (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

#define CR0_PE BIT64(0)
#define CR0_MP BIT64(1)
#define CR0_EM BIT64(2)
#define CR0_TS BIT64(3)
#define CR0_ET BIT64(4)
#define CR0_NE BIT64(5)
#define CR0_WP BIT64(16)
#define CR0_NW BIT64(29)
#define CR0_PG BIT64(31)
#define CR4_PSE BIT64(4)
#define CR4_PAE BIT64(5)
#define CR4_MCE BIT64(6)
#define CR4_PGE BIT64(7)
#define CR4_OSFXSR BIT64(9)
#define CR4_OSXMMEXCPT BIT64(10)
#define CR4_LA57 BIT64(12)
#define CR4_OSXSAVE BIT64(18)
#define CR4_SMEP BIT64(20)
#define CR4_SMAP BIT64(21)

#define EFER_SCE BIT64(0)
#define EFER_LME BIT64(8)
#define EFER_LMA BIT64(10)
#define EFER_NXE BIT64(11)
#define EFER_SVME BIT64(12)

#define MSR_TSC 0x10u
#define MSR_APIC_BASE 0x1Bu
#define MSR_SYSENTER_CS 0x174u
#define MSR_SYSENTER_ESP 0x175u
#define MSR_SYSENTER_EIP 0x176u
#define MSR_PAT 0x277u
#define MSR_TSC_DEADLINE 0x6E0u
#define MSR_X2APIC 0x800u /* + xAPIC register offset / 16 */
#define MSR_EFER 0xC0000080u
#define MSR_STAR 0xC0000081u
#define MSR_LSTAR 0xC0000082u
#define MSR_CSTAR 0xC0000083u
#define MSR_SFMASK 0xC0000084u
#define MSR_FS_BASE 0xC0000100u
#define MSR_GS_BASE 0xC0000101u
#define MSR_KERNEL_GS_BASE 0xC0000102u
#define MSR_TSC_AUX 0xC0000103u

#define APIC_BASE_BSP BIT64(8)
#define APIC_BASE_X2APIC BIT64(10)
#define APIC_BASE_ENABLE BIT64(11)

/* Page-table entries, 4-level paging. */
#define PTE_P BIT64(0)
#define PTE_W BIT64(1)
#define PTE_U BIT64(2)
#define PTE_PWT BIT64(3)
#define PTE_PCD BIT64(4)
#define PTE_A BIT64(5)
#define PTE_D BIT64(6)
#define PTE_PS BIT64(7)
#define PTE_NX BIT64(63)
#define PTE_ADDR 0x000FFFFFFFFFF000ull

#define DR6_HITS 0xFull   /* breakpoints met */
#define DR6_BS BIT64(14) /* #DB by single step */

/* Exception vectors. */
enum { VEC_DE = 0, VEC_DB = 1, VEC_NMI = 2, VEC_BP = 3, VEC_OF = 4, VEC_UD = 6, VEC_NM = 7, VEC_DF = 8, VEC_TS = 10, VEC_NP = 11,
    VEC_SS = 12, VEC_GP = 13, VEC_PF = 14, VEC_MF = 16, VEC_AC = 17, VEC_MC = 18, VEC_XM = 19 };
