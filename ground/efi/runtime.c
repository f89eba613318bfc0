/* How the machine ends: through the firmware's ResetSystem(); when that fails, a reset by triple fault. */
#include "arch/x86/cpu.h"
#include "ground/efi/efi.h"
#include "ground/efi/launch.h"
#include "ground/efi/machine.h"

#define OTHERS_WAIT_US 2000000u

_Atomic bool runtime_ending;
static const struct efi_runtime_services *rt;
static bool power_off;

void runtime_init(const struct launch *l) { rt = ((const struct efi_system_table *)l->system_table)->rt; }

void runtime_failed(void)
{
    struct desc_ptr none = { 0, 0 };

    if (!power_off) {
        log_raw("runtime: the firmware does not reset the machine; forcing it\n");
        __asm__ volatile("lidt %0; ud2" ::"m"(none));
    }
    log_raw("goblin: the machine does not obey; it is halted and may be switched off\n");
    cpu_halt_forever();
}

void runtime_end(bool off)
{
    power_off = off;
    atomic_store(&runtime_ending, true);
    cpu_write_cr3(paging_firmware_root());
    rt->reset_system(off ? EFI_RESET_SHUTDOWN : EFI_RESET_COLD, EFI_SUCCESS, 0, NULL);
    clock_wait_us(100000); /* it need not happen at once */
    runtime_failed();
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
