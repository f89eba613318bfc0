#pragma once
/* The CPL 3 backend's own structs; nothing outside cpu/ring3 sees them but the name of its table. */
#include "arch/x86/desc.h"
#include "ground/ground.h"
#include "vm/user.h"

extern const struct user_ops cpu_ring3;

/* Each CPU's part of the last 512 GiB of the address space, in the monitor's tables and in those of every space alike. It is all
 * of the monitor that is mapped while a guest runs: code (a copy of enter.S), the descriptor tables, and stacks for the moment of
 * entering. Offsets of the parts, and those marked in the struct, are known to enter.S. */
#define AREA_TOP 0xFFFFFF8000000000ull
#define AREA_SIZE 0x10000u
enum { AREA_CODE = 0, AREA_DATA = 0x2000, AREA_STACKS = 0x3000, AREA_IDT = 0x4000, AREA_BYTES = 0x5000 };
#define AREA_STACK 1024u /* four of them: entry, NMI, double fault, machine check */
enum { AREA_IST_NMI = 4, AREA_IST_DF = 5, AREA_IST_MC = 6 };

enum { SEL_AREA_TSS = 0x40, AREA_GDT_ENTRIES = 10 };

#define RING3_SYSCALL 256u /* a vector for `syscall` */

/* Serves a `syscall`. True: the guest goes on at once with what is in its registers, of which only rax has changed. */
typedef bool ring3_served_fn(struct regs *) __attribute__((sysv_abi));
ring3_served_fn ring3_served;

struct ring3_area {
    uint64_t monitor_cr3;      /*   0 */
    uint64_t guest_cr3;        /*   8 */
    struct regs *regs;         /*  16 of the vCPU that runs */
    uint64_t monitor_rsp;      /*  24 */
    uint64_t rsp, rax;         /*  32 the guest's, for a moment */
    struct desc_ptr monitor_idt; /*  48 */
    uint8_t pad0[6];
    struct desc_ptr idt;       /*  64 */
    uint8_t pad1[6];
    uint64_t vector, error;    /*  80 why it came out */
    uint64_t monitor_gs;       /*  96 */
    uint64_t fatal_stack;      /* 104 of the monitor's, for what must not happen */
    uint64_t nmi_stack;        /* 112 */
    uint64_t handler[32];      /* 120 of the monitor's exceptions */
    ring3_served_fn *served;   /* 376 */
    struct tss tss;
    uint64_t gdt[AREA_GDT_ENTRIES];
};
_Static_assert(offsetof(struct ring3_area, monitor_idt) == 48 && offsetof(struct ring3_area, idt) == 64 &&
                   offsetof(struct ring3_area, vector) == 80 && offsetof(struct ring3_area, handler) == 120 && offsetof(struct ring3_area, served) == 376,
               "enter.S");
_Static_assert(sizeof(struct ring3_area) <= PAGE_SIZE, "one page");

/* vcpu->hw */
struct ring3_vcpu {
    struct space *space;
    uint64_t gate_return, bell_return; /* rip behind the `syscall` of each */
    uint64_t fs, gs;       /* while not loaded */
    _Alignas(64) uint8_t fpu[]; /* XSAVE or FXSAVE area while not loaded */
};

/* area.c: makes the areas of all CPUs; makes this CPU use its own. */
MUST_USE err_t area_make_all(void);
void area_load(void);
extern struct ring3_area *area_of[CPU_MAX]; /* where the monitor reaches it, one to one */
uint64_t area_top_entry(void);
typedef void ring3_enter_fn(struct regs *) __attribute__((sysv_abi));
ring3_enter_fn *area_enter(unsigned cpu);
