/* How the machine ends: through the firmware's ResetSystem(), and when that fails, by the ways a PC has. */
#include "arch/x86/cpu.h"
#include "base/bytes.h"
#include "ground/efi/efi.h"
#include "ground/efi/launch.h"
#include "ground/efi/machine.h"

#define OTHERS_WAIT_US 2000000u

/* ACPI 5.2.9: FADT */
enum { FADT_FLAGS = 112, FADT_RESET = 116, FADT_RESET_VALUE = 128, FADT_LEAST = 129 };
#define FADT_HAS_RESET BIT(10)
#define ADDRESS_IS_PORT 1

_Atomic bool runtime_ending;
static const struct efi_runtime_services *rt;
static bool power_off;
static unsigned way; /* how many have been tried */
static uint16_t reset_port;
static uint8_t reset_value;

void runtime_init(const struct launch *l)
{
    struct acpi_table t;

    rt = ((const struct efi_system_table *)l->system_table)->rt;
    if (acpi_find(&acpi_identity, l->acpi_rsdp, "FACP", &t) || t.len < FADT_LEAST)
        return;
    if (get_le32(t.bytes + FADT_FLAGS) & FADT_HAS_RESET && t.bytes[FADT_RESET] == ADDRESS_IS_PORT) {
        reset_port = get_le16(t.bytes + FADT_RESET + 4);
        reset_value = t.bytes[FADT_RESET_VALUE];
    }
}

static void by_firmware(void)
{
    cpu_write_cr3(paging_firmware_root());
    rt->reset_system(power_off ? EFI_RESET_SHUTDOWN : EFI_RESET_COLD, EFI_SUCCESS, 0, NULL);
}

static void by_acpi_register(void)
{
    if (reset_port)
        cpu_out8(reset_port, reset_value);
}

static void by_chipset(void)
{
    cpu_out8(0xCF9, 0x02); /* hard reset, */
    cpu_out8(0xCF9, 0x0E); /* now, all of it */
}

static void by_keyboard_controller(void) { cpu_out8(0x64, 0xFE); }

static void by_triple_fault(void)
{
    struct desc_ptr none = { 0, 0 };

    __asm__ volatile("lidt %0; ud2" ::"m"(none));
}

void runtime_end_next(void)
{
    static void (*const ways[])(void) = { by_firmware, by_acpi_register, by_chipset, by_keyboard_controller,
                                          by_triple_fault };

    while (way < (power_off ? 1 : ARRAY_LEN(ways))) {
        if (way)
            log_raw("runtime: the machine goes on; trying the next way to end it\n");
        ways[way++]();
        clock_wait_us(100000); /* it need not happen at once */
    }
    log_raw("goblin: the machine does not obey; it is halted and may be switched off\n");
    cpu_halt_forever();
}

void runtime_end(bool off)
{
    power_off = off;
    atomic_store(&runtime_ending, true);
    runtime_end_next();
}

/* Firmwares expect the boot CPU; if that one does not answer, this one must do. */
NORETURN static void end(bool off)
{
    if (ground_cpu() == 0) {
        smp_stop_others(STOP_HALT);
    } else {
        smp_stop_others(off ? STOP_POWER_OFF : STOP_RESET);
        clock_wait_us(OTHERS_WAIT_US);
    }
    runtime_end(off);
}

void ground_reset(void) { end(false); }
void ground_power_off(void) { end(true); }
