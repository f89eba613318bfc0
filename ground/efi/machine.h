#pragma once
/* What the parts of the bare machine (this folder, after boot services) say to each other. Outside of it, use
 * ground/ground.h and ground/efi/platform.h. */
#include <stdatomic.h>

#include "arch/x86/desc.h"
#include "arch/x86/reg.h"
#include "ground/ground.h"
#include "hal/acpi.h"

struct launch;
struct launch_screen;

/* --- memmap.c: the firmware's memory map, sorted, by what we may do with it. Pure. --- */
enum mem_kind {
    MEM_DEVICE, /* not memory, or not to be touched */
    MEM_KEEP,   /* memory with something in it: our image and files, firmware's runtime, ACPI tables */
    MEM_BOOT,   /* the boot services': free once we run on our own tables and stack */
    MEM_FREE,
};
struct mem_range {
    uint64_t start, end; /* whole pages */
    uint64_t give_end;   /* pages.c gives [start, give_end) out */
    enum mem_kind kind;
};
#define MEM_END BIT64(47) /* what four levels can map one to one */
struct memmap {
    struct mem_range *range; /* by address, no two overlap, neighbours differ in kind */
    unsigned count;
};
/* Rewrites the map that GetMemoryMap left in buf (8-byte aligned, kept) as ranges. */
void memmap_init(struct memmap *, void *buf, uint64_t size, uint64_t desc_size);
/* True if any byte of it is memory of whatever kind. */
bool memmap_has_memory(const struct memmap *, uint64_t start, uint64_t end);

/* --- exit.c --- */
extern struct memmap machine_map;
extern uint64_t machine_low_page; /* below 1 MiB, for the trampoline */

/* --- pages.c --- */
void pages_init(struct memmap *); /* gives out MEM_FREE only */
void pages_add_boot(const struct memmap *);

/* --- pagetable.c: one-to-one page tables. Pure but for ground_pages_get(). --- */
MUST_USE err_t pagetable_make(uint64_t *root); /* of four levels, empty */
/* Maps [start, end), whole pages, over whatever was there. flags: PTE bits; 0: unmaps. ERR_NOMEM may leave a part. */
MUST_USE err_t pagetable_map(uint64_t root, uint64_t start, uint64_t end, uint64_t flags);

/* --- paging.c --- */
void paging_init(const struct memmap *, const struct launch_screen *);
void paging_unmap(uint64_t page);               /* one guard page; before other CPUs run */
void paging_trampoline(uint64_t page, bool on); /* executable and read-only, or ordinary memory */
uint64_t paging_root(void);
uint64_t paging_root5(void);         /* the same under a fifth level */
uint64_t paging_firmware_root(void); /* everything writable and executable, for runtime services */
void paging_cpu_init(void);          /* this CPU's PAT */

/* --- percpu.c: what each CPU has for itself --- */
#define VECTOR_IRQ 0x30u /* first of each CPU's pool */
#define VECTOR_IRQS 192u
#define VECTOR_TIMER 0xF0u
#define VECTOR_KICK 0xF1u
#define VECTOR_SPURIOUS 0xFFu
enum { IST_NMI = 1, IST_DF = 2, IST_MC = 3 };

struct percpu {
    uint32_t id; /* first: ground_cpu() is mov %gs:0 */
    uint32_t apic_id;
    _Atomic uint64_t deadline;  /* of ground_timer_set() */
    _Atomic uint64_t kick_sent; /* TSC of the first kick that has not come yet; 0: none is on its way */
    struct {
        void (*fn)(void *);
        void *arg;
    } irq[VECTOR_IRQS]; /* written under irq_lock, read by its own CPU */
    struct tss tss;
    uint64_t gdt[GDT_ENTRIES];
    _Atomic bool stopped; /* it has obeyed cpus_stop() */
};
extern struct percpu *percpu_of[CPU_MAX]; /* ready before the CPU starts */

MUST_USE err_t percpu_make(unsigned id); /* stacks, guard pages, descriptors; on CPU 0 */
uint64_t percpu_stack_top(unsigned id);
void percpu_load(unsigned id); /* on that CPU: GDT, TSS, IDT, GS */
struct percpu *percpu_self(void);
enum percpu_place { PLACE_OTHER, PLACE_STACK, PLACE_GUARD };
enum percpu_place percpu_place(uint64_t address); /* in any CPU's stacks, or the page below one */
/* Points GS at the right struct again, whatever has happened. False before percpu_load() on this CPU. */
bool percpu_recover(void);

/* --- idt.c, idt_entry.S --- */
struct trap {                /* as idt_entry.S pushes it */
    uint64_t gpr[REG_COUNT]; /* [REG_RSP] is not used */
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};
void idt_init(void);
void idt_load(void);

/* --- unwind.c: callers from the .pdata and .xdata of our image, since PE code keeps no frame-pointer chain --- */
struct unwind {
    uint64_t rip, gpr[REG_COUNT];
};
/* Goes to the caller's frame. False where the chain ends or leaves the stacks. readable: may these 8 bytes be read? */
bool unwind_step(struct unwind *, const uint8_t *image, bool (*readable)(uint64_t));
void unwind_here(struct unwind *) __attribute__((sysv_abi)); /* idt_entry.S: the calling function */
bool unwind_inside(const uint8_t *image, uint64_t address);
extern const uint8_t __ImageBase[]; /* the linker's name for where we lie */

/* --- panic.c --- */
NORETURN void panic_trap(const struct trap *);

/* --- lapic.c --- */
void lapic_init(uint64_t xapic_base); /* once */
void lapic_cpu_init(void);            /* on each CPU */
uint32_t lapic_id(void);
void lapic_eoi(void);
bool lapic_in_service(unsigned vector);
void lapic_ipi(uint32_t apic_id, uint32_t command); /* low half of the ICR */
#define LAPIC_IPI_NMI 0x4400u
#define LAPIC_IPI_INIT 0x4500u
#define LAPIC_IPI_STARTUP 0x4600u /* | page number */
#define LAPIC_IPI_FIXED 0x4000u   /* | vector */
bool lapic_has_deadline(void);
void lapic_timer_deadline(uint64_t tsc); /* 0: none */
void lapic_timer_count(uint32_t count);  /* ticks to an interrupt; 0: none */
uint32_t lapic_timer_left(void);

/* --- ioapic.c --- */
void ioapic_start(const struct acpi_info *); /* everything masked */
MUST_USE err_t ioapic_route_isa(unsigned line, uint8_t vector, uint32_t apic_id);

/* --- irq.c --- */
void irq_handle(unsigned vector);
void irq_rescue(void); /* kicks CPUs whose timer or kick is long overdue */

/* --- clock.c --- */
void clock_init(const struct launch *, const struct acpi_info *); /* under 60 ms */
void clock_cpu_init(unsigned id);
void clock_timer_fired(void);
void clock_wait_us(uint64_t us);

/* --- smp.c, trampoline.S --- */
NORETURN void smp_enter(void (*entry)(unsigned id)); /* the boot CPU becomes CPU 0: entry(0) on its own stack */
void smp_start(const struct acpi_info *, void (*entry)(unsigned id));
void smp_arrived(void); /* a started CPU is set up; smp_start() waits for it */
enum stop_why { STOP_NOT, STOP_HALT, STOP_RESET, STOP_POWER_OFF };
/* NMIs all other CPUs and waits a little until they have stopped; with RESET or POWER_OFF CPU 0 does that instead. */
void smp_stop_others(enum stop_why);
void smp_nmi(const struct trap *); /* on an NMI */

/* --- runtime.c --- */
void runtime_init(const struct launch *);
NORETURN void runtime_end(bool power_off); /* on this CPU, all others stopped */
extern _Atomic bool runtime_ending;        /* an exception now is the firmware's */
NORETURN void runtime_failed(void);        /* it cannot end the machine */

/* --- random.c --- */
void random_init(const struct launch *);

/* --- log.c --- */
void log_raw(const char *text); /* to COM1, polled, no lock */
