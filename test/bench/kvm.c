/* What the same exits cost under KVM on the same emulated CPU: a guest of one page in real mode. Prints BENCH lines with TSC
 * ticks, which are instructions under `-icount shift=0`. Runs inside a machine that QEMU emulates, with kvm-amd loaded. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <x86intrin.h>

#define LOOPS 2000

/* mov ecx, LOOPS; loop: INSN; dec ecx; jnz loop; hlt. CPUID changes ecx, so esi counts. */
static const uint8_t vmmcall_loop[] = { 0x66, 0xBE, LOOPS & 0xFF, LOOPS >> 8, 0, 0, 0x66, 0xB8, 0xFF, 0xFF, 0xFF, 0x7F, 0x0F, 0x01, 0xD9,
    0x66, 0x4E, 0x75, 0xF3, 0xF4 };
static const uint8_t cpuid_loop[] = { 0x66, 0xBE, LOOPS & 0xFF, LOOPS >> 8, 0, 0, 0x66, 0x31, 0xC0, 0x0F, 0xA2, 0x66, 0x4E, 0x75, 0xF7, 0xF4 };
static const uint8_t port_loop[] = { 0x66, 0xBE, LOOPS & 0xFF, LOOPS >> 8, 0, 0, 0xE4, 0x42, 0x66, 0x4E, 0x75, 0xFA, 0xF4 };

static int vm_run(int kvm, const uint8_t *code, size_t size, const char *name)
{
    int vm = ioctl(kvm, KVM_CREATE_VM, 0), cpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    size_t run_size = (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    struct kvm_run *run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
    uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct kvm_userspace_memory_region memory = { .memory_size = 4096, .userspace_addr = (uintptr_t)page };
    struct kvm_sregs sregs;
    struct kvm_regs regs = { .rflags = 2 };

    if (vm < 0 || cpu < 0 || run == MAP_FAILED || page == MAP_FAILED)
        return 1;
    memcpy(page, code, size);
    if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &memory) || ioctl(cpu, KVM_GET_SREGS, &sregs))
        return 1;
    sregs.cs.base = sregs.cs.selector = 0;
    if (ioctl(cpu, KVM_SET_SREGS, &sregs) || ioctl(cpu, KVM_SET_REGS, &regs))
        return 1;
    uint64_t start = __rdtsc();
    do {
        if (ioctl(cpu, KVM_RUN, 0))
            return 1;
    } while (run->exit_reason == KVM_EXIT_IO);
    uint64_t ticks = __rdtsc() - start;
    if (run->exit_reason != KVM_EXIT_HLT) {
        printf("BENCH-FAIL %s: exit reason %u\n", name, run->exit_reason);
        return 1;
    }
    printf("BENCH %s %.1f\n", name, (double)ticks / LOOPS);
    return 0;
}

int main(void)
{
    int kvm = open("/dev/kvm", O_RDWR);

    if (kvm < 0) {
        perror("BENCH-FAIL /dev/kvm");
        return 1;
    }
    return vm_run(kvm, vmmcall_loop, sizeof vmmcall_loop, "kvm_vmmcall") || vm_run(kvm, cpuid_loop, sizeof cpuid_loop, "kvm_cpuid") ||
           vm_run(kvm, port_loop, sizeof port_loop, "kvm_port");
}
