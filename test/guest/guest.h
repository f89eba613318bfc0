#pragma once
/* What every test guest is made of. A guest is one file, test/guest/NAME.c, with guest_name and guest_main(); it prints
 * `PASS NAME` or `FAIL NAME: why` on the serial port and powers off. Guests that are to be stopped by the monitor say so in
 * their first comment. It takes arguments, `key=number`, from the kernel command line.
 *
 * Memory: the program and its data from 1 MiB (guest_end), page tables that map 4 GiB one to one, 0x20000 for CPU start. */
#include "arch/x86/cpu.h"
#include "arch/x86/reg.h"
#include "base/bytes.h"
#include "base/fmt.h"
#include "base/str.h"
#include "base/types.h"

extern const char guest_name[];
void guest_main(void);

/* --- lib/run.c: text, arguments, ends --- */
void say(const char *fmt, ...) PRINTF(1, 2); /* one line */
NORETURN void pass(const char *fmt, ...) PRINTF(1, 2); /* "PASS name", and what the text says if it is not empty */
NORETURN void fail(const char *fmt, ...) PRINTF(1, 2);
NORETURN void power_off(void);
NORETURN void halt(void);
#define CHECK(x)                                          \
    do {                                                  \
        if (!(x))                                         \
            fail("line %d: %s", __LINE__, #x);            \
    } while (0)
uint64_t arg(const char *key, uint64_t otherwise);
extern const uint8_t *boot_params;

/* RAM as the boot loader told it; the i-th range, false behind the last. */
bool ram_range(unsigned i, uint64_t *base, uint64_t *size);
uint64_t ram_end_low(void); /* end of RAM below 4 GiB */

/* Pages behind the program, zeroed, never given back. */
void *page_get(void);
uint64_t rnd(void);

/* --- lib/trap.c: exceptions, interrupts, page tables --- */
struct trap {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};
/* Handlers run with interrupts off; those from 32 on must end with apic_eoi(). */
extern void (*trap_handler[256])(struct trap *);
/* Calls fn(a, b) and returns the exception that ended it, -1 if none did. Boot CPU only. */
int try_call(void (*fn)(uint64_t, uint64_t), uint64_t a, uint64_t b);
extern uint64_t try_error, try_cr2; /* of the last exception caught */

/* Maps a page at va, anywhere; pa as an entry with PTE_ bits. */
void map_page(uint64_t va, uint64_t entry);
#define SCRATCH_VA 0x7000000000ull /* nothing is here before map_page() */

/* RDMSR and WRMSR that say if they faulted. */
bool try_rdmsr(uint32_t msr, uint64_t *val);
bool try_wrmsr(uint32_t msr, uint64_t val);

/* --- lib/apic.c: time, local APIC, other CPUs --- */
uint64_t now_ns(void); /* kvm-clock */
uint64_t tsc_hz(void);
void wait_ns(uint64_t ns);
/* Waits until *flag is at least `want`, false after ns. Spins with PAUSE. */
bool wait_for(const volatile uint32_t *flag, uint32_t want, uint64_t ns);
#define MS(n) ((uint64_t)(n) * 1000000)

enum { APIC_ID = 2, APIC_VERSION = 3, APIC_TPR = 8, APIC_PPR = 10, APIC_EOI = 11, APIC_LDR = 13, APIC_SVR = 15, APIC_ISR = 0x10,
    APIC_TMR = 0x18, APIC_IRR = 0x20, APIC_ESR = 0x28, APIC_ICR = 0x30, APIC_LVT_TIMER = 0x32, APIC_LVT_LINT0 = 0x35,
    APIC_LVT_ERROR = 0x37, APIC_INITIAL = 0x38, APIC_CURRENT = 0x39, APIC_DIVIDE = 0x3E, APIC_SELF_IPI = 0x3F };
static inline uint64_t apic_read(unsigned reg) { return cpu_rdmsr(MSR_X2APIC + reg); }
static inline void apic_write(unsigned reg, uint64_t val) { cpu_wrmsr(MSR_X2APIC + reg, val); }
static inline void apic_eoi(void) { apic_write(APIC_EOI, 0); }
void apic_on(void); /* x2APIC mode, enabled; fails the test if it cannot be had */
static inline unsigned cpu_number(void) { return (unsigned)apic_read(APIC_ID); }
unsigned cpu_count(void);
/* Starts all other CPUs at fn(its number), with their APIC on and interrupts off. Fails the test if one does not come. */
void cpus_start(void (*fn)(unsigned cpu));
static inline void cpu_halt(void) { __asm__ volatile("sti; hlt; cli" ::: "memory"); }
static inline void cpu_relax(void) { __builtin_ia32_pause(); }

/* --- lib/pci.c: PCI and virtio --- */
uint32_t pci_read(unsigned slot, unsigned reg);
void pci_write(unsigned slot, unsigned reg, uint32_t val);
int pci_find(uint32_t device_vendor, unsigned nth); /* slot, -1 */

#define QUEUE_MAX 256
struct ring_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
};
enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };
struct virtio {
    int slot;
    volatile uint8_t *common, *isr, *config;
    uint16_t kick_port;         /* 0: kick by memory */
    volatile uint8_t *kick_mem;
    uint32_t kick_stride;
};
struct queue {
    struct virtio *dev;
    unsigned index, size;
    volatile struct ring_desc *desc;
    volatile uint16_t *avail; /* flags, idx, ring[] */
    volatile uint16_t *used;  /* flags, idx, then 8 bytes each */
    uint16_t seen;            /* used entries taken */
};
/* Finds the nth device of that virtio type and its registers. False: there is none. */
bool virtio_find(struct virtio *, unsigned type, unsigned nth);
/* Reset, acknowledge, accept these features (VERSION_1 is added); up to FEATURES_OK. */
void virtio_begin(struct virtio *, uint64_t features);
void virtio_queue(struct virtio *, struct queue *, unsigned index, unsigned size);
/* Registers of a queue by hand; addresses may be anything. */
void virtio_queue_raw(struct virtio *, unsigned index, unsigned size, uint64_t desc, uint64_t avail, uint64_t used);
void virtio_go(struct virtio *); /* DRIVER_OK */
uint8_t virtio_status(struct virtio *);
void virtio_kick(struct virtio *, unsigned queue);
void queue_offer(struct queue *, unsigned head); /* puts a chain into the available ring and kicks */
bool queue_wait(struct queue *, uint64_t ns, uint32_t *id, uint32_t *len); /* takes one from the used ring */

enum { DISK_READ = 0, DISK_WRITE = 1, DISK_FLUSH = 4, DISK_ID = 8 };
struct disk {
    struct virtio dev;
    struct queue q;
    uint64_t sectors;
};
bool disk_open(struct disk *, unsigned nth);
/* Status byte of the device; 0xFF: no answer. Buffers anywhere below 4 GiB. */
uint8_t disk_do(struct disk *, unsigned type, uint64_t sector, void *buf, uint32_t len);
