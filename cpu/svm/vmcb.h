#pragma once
/* The virtual machine control block. AMD APM volume 2, appendix B. */
#include "base/types.h"

struct vmcb_seg {
    uint16_t selector; /* 0x0 */
    uint16_t attrib;   /* 0x2: descriptor bits 40-47 and 52-55 packed into 12 */
    uint32_t limit;    /* 0x4 */
    uint64_t base;     /* 0x8 */
};

struct vmcb {
    /* control area */
    uint16_t icept_cr_read, icept_cr_write; /* 0x000 */
    uint16_t icept_dr_read, icept_dr_write; /* 0x004 */
    uint32_t icept_exception;               /* 0x008 */
    uint32_t icept1, icept2, icept3;        /* 0x00C: ICEPT1_... ICEPT2_... ICEPT3_... */
    uint8_t pad0[0x3C - 0x18];
    uint16_t pause_threshold, pause_count;  /* 0x03C */
    uint64_t iopm, msrpm;                   /* 0x040 */
    uint64_t tsc_offset;                    /* 0x050 */
    uint32_t asid;                          /* 0x058 */
    uint8_t tlb_control, pad1[3];           /* 0x05C: TLB_... */
    uint64_t vintr;                         /* 0x060: VINTR_... */
    uint64_t shadow;                        /* 0x068: bit 0 */
    uint64_t exit_code;                     /* 0x070: SVM_EXIT_... */
    uint64_t exit_info1, exit_info2;        /* 0x078 */
    uint64_t exit_int_info;                 /* 0x088: EVENT_... */
    uint64_t np_enable;                     /* 0x090: bit 0 */
    uint64_t pad2[2];
    uint64_t event_inj;                     /* 0x0A8: EVENT_... */
    uint64_t ncr3;                          /* 0x0B0 */
    uint64_t lbr;                           /* 0x0B8 */
    uint32_t clean, pad3;                   /* 0x0C0 */
    uint64_t next_rip;                      /* 0x0C8 */
    uint8_t insn_len, insn[15];             /* 0x0D0 */
    uint8_t pad4[0x400 - 0xE0];
    /* state save area */
    struct vmcb_seg es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr; /* 0x400 */
    uint8_t pad5[0x4CB - 0x4A0];
    uint8_t cpl;                            /* 0x4CB */
    uint32_t pad6;
    uint64_t efer;                          /* 0x4D0 */
    uint8_t pad7[0x548 - 0x4D8];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip; /* 0x548 */
    uint8_t pad8[0x5D8 - 0x580];
    uint64_t rsp;                           /* 0x5D8 */
    uint64_t pad9[3];
    uint64_t rax;                           /* 0x5F8 */
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp, sysenter_eip, cr2; /* 0x600 */
    uint64_t pad10[4];
    uint64_t pat;                           /* 0x668 */
    uint8_t pad11[0x1000 - 0x670];
};
_Static_assert(offsetof(struct vmcb, iopm) == 0x40 && offsetof(struct vmcb, exit_code) == 0x70, "control area");
_Static_assert(offsetof(struct vmcb, event_inj) == 0xA8 && offsetof(struct vmcb, next_rip) == 0xC8, "control area");
_Static_assert(offsetof(struct vmcb, cpl) == 0x4CB && offsetof(struct vmcb, efer) == 0x4D0, "save area");
_Static_assert(offsetof(struct vmcb, cr4) == 0x548 && offsetof(struct vmcb, rip) == 0x578, "save area");
_Static_assert(offsetof(struct vmcb, rsp) == 0x5D8 && offsetof(struct vmcb, rax) == 0x5F8, "save area");
_Static_assert(offsetof(struct vmcb, cr2) == 0x640 && offsetof(struct vmcb, pat) == 0x668, "save area");
_Static_assert(sizeof(struct vmcb) == 0x1000, "one page");

#define ICEPT1_INTR BIT(0)
#define ICEPT1_NMI BIT(1)
#define ICEPT1_INIT BIT(3)
#define ICEPT1_VINTR BIT(4)
#define ICEPT1_TABLES 0x3FC0u /* SIDT SGDT SLDT STR, LIDT LGDT LLDT LTR */
#define ICEPT1_RDPMC BIT(15)
#define ICEPT1_CPUID BIT(18)
#define ICEPT1_RSM BIT(19)
#define ICEPT1_IRET BIT(20)
#define ICEPT1_INVD BIT(22)
#define ICEPT1_PAUSE BIT(23)
#define ICEPT1_HLT BIT(24)
#define ICEPT1_INVLPG BIT(25)
#define ICEPT1_INVLPGA BIT(26)
#define ICEPT1_IOIO BIT(27)
#define ICEPT1_MSR BIT(28)
#define ICEPT1_TASK BIT(29)
#define ICEPT1_FERR BIT(30)
#define ICEPT1_SHUTDOWN BIT(31)
#define ICEPT2_SVM_INSNS 0x7Fu /* VMRUN VMMCALL VMLOAD VMSAVE STGI CLGI SKINIT */
#define ICEPT2_ICEBP BIT(8)
#define ICEPT2_WBINVD BIT(9)
#define ICEPT2_MONITOR BIT(10)
#define ICEPT2_MWAIT (BIT(11) | BIT(12))
#define ICEPT2_XSETBV BIT(13)
#define ICEPT2_RDPRU BIT(14)
#define ICEPT3_ALL 0x1Fu /* INVLPGB, illegal INVLPGB, INVPCID (cleared below), MCOMMIT, TLBSYNC */
#define ICEPT3_INVPCID BIT(2)

#define TLB_KEEP 0
#define TLB_FLUSH_ALL 1

#define VINTR_IRQ BIT64(8)
#define VINTR_PRIO_MAX (0xFull << 16)
#define VINTR_IGNORE_TPR BIT64(20)
#define VINTR_MASKING BIT64(24) /* the host's IF, not the guest's, masks real interrupts */
#define VINTR_VECTOR (0xFFull << 32)
#define VINTR_WINDOW (VINTR_IRQ | VINTR_PRIO_MAX | VINTR_IGNORE_TPR)

#define EVENT_VALID BIT64(31)
#define EVENT_ERROR BIT64(11)
#define EVENT_TYPE(e) ((e) >> 8 & 7)
enum { EVENT_INTR = 0, EVENT_NMI = 2, EVENT_EXCEPTION = 3, EVENT_SOFT_INT = 4 };

enum { SVM_EXIT_CR8_READ = 0x08, SVM_EXIT_CR8_WRITE = 0x18, SVM_EXIT_EXCEPTION = 0x40, SVM_EXIT_DB = 0x41, SVM_EXIT_AC = 0x51, SVM_EXIT_MC = 0x52,
    SVM_EXIT_INTR = 0x60, SVM_EXIT_NMI = 0x61, SVM_EXIT_INIT = 0x63, SVM_EXIT_VINTR = 0x64, SVM_EXIT_RDPMC = 0x6F,
    SVM_EXIT_CPUID = 0x72, SVM_EXIT_RSM = 0x73, SVM_EXIT_IRET = 0x74, SVM_EXIT_INVD = 0x76, SVM_EXIT_PAUSE = 0x77, SVM_EXIT_HLT = 0x78,
    SVM_EXIT_IOIO = 0x7B, SVM_EXIT_MSR = 0x7C, SVM_EXIT_SHUTDOWN = 0x7F, SVM_EXIT_VMMCALL = 0x81, SVM_EXIT_ICEBP = 0x88, SVM_EXIT_WBINVD = 0x89,
    SVM_EXIT_MONITOR = 0x8A, SVM_EXIT_MWAIT = 0x8B, SVM_EXIT_MWAIT_ARMED = 0x8C, SVM_EXIT_MCOMMIT = 0xA3,
    SVM_EXIT_XSETBV = 0x8D, SVM_EXIT_END = 0xA5, SVM_EXIT_NPF = 0x400 };
