/* The texts of /proc, and of the few files of /sys that say how many CPUs there are. proc.c puts them in their places. */
#include "arch/x86/cpu.h"
#include "base/fmt.h"
#include "libos/file.h"
#include "libos/load.h"
#include "libos/proc.h"
#include "libos/signal.h"
#include "libos/sys.h"
#include "libos/user.h"
#include "libos/vma.h"

PRINTF(2, 3) static void put(struct text *t, const char *fmt, ...)
{
    va_list ap;
    size_t n;

    va_start(ap, fmt);
    n = fmt_vtext(t->to + t->used, t->room - t->used, fmt, ap);
    va_end(ap);
    t->used = min_size(t->used + n, t->room - 1);
}

typedef unsigned long long ull;

static void maps(struct text *t)
{
    const struct vma *v;
    unsigned n;

    for (unsigned i = 0; (v = vma_at(i, &n)); i++) {
        char path[256] = "", line[80];
        if (v->file && v->file->node)
            node_path(v->file->node, path, sizeof path);
        fmt_text(line, sizeof line, "%08llx-%08llx %c%c%c%c %08llx 00:10 %llu", (ull)v->start, (ull)v->end, v->prot & PROT_READ ? 'r' : '-', v->prot & PROT_WRITE ? 'w' : '-',
            v->prot & PROT_EXEC ? 'x' : '-', v->shared ? 's' : 'p', (ull)v->offset, (ull)(v->file && v->file->node ? v->file->node->ino : 0));
        put(t, "%-72s %s\n", line, v->brk ? "[heap]" : v->start <= program_stack && program_stack < v->end ? "[stack]" : path);
    }
}

static const struct thread *whom(const struct text *t)
{
    const struct thread *th = t->tid ? thread_by(t->tid) : NULL;

    return th ? th : container_of(threads.next, struct thread, all);
}

static uint64_t signals_with(bool ignored)
{
    uint64_t set = 0;

    for (int n = 1; n < SIGNALS; n++)
        if (ignored ? actions[n].sa_handler == SIG_IGN : actions[n].sa_handler != SIG_IGN && actions[n].sa_handler != SIG_DFL)
            set |= 1ull << (n - 1);
    return set;
}

static void status(struct text *t)
{
    const struct thread *th = whom(t);
    ull kb = vma_bytes() >> 10, cpus = (1ull << cpus_limit()) - 1;

    put(t, "Name:\t%s\nUmask:\t0%u%u%u\nState:\t%s\nTgid:\t%u\nNgid:\t0\nPid:\t%u\nPPid:\t1\nTracerPid:\t0\n", th->name, umask_bits >> 6 & 7, umask_bits >> 3 & 7, umask_bits & 7,
        th->cpu ? "R (running)" : "S (sleeping)", boot->pid, t->tid ? t->tid : boot->pid);
    put(t, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n", user_id.real, user_id.effective, user_id.saved, user_id.effective, group_id.real, group_id.effective,
        group_id.saved, group_id.effective);
    put(t, "FDSize:\t64\nGroups:\t");
    for (uint32_t i = 0; i < ngroups; i++)
        put(t, "%u ", groups[i]);
    put(t, "\nVmPeak:\t%8llu kB\nVmSize:\t%8llu kB\nVmLck:\t       0 kB\nVmHWM:\t%8llu kB\nVmRSS:\t%8llu kB\nVmSwap:\t       0 kB\n",
        kb, kb, kb, kb);
    put(t, "Threads:\t%u\nSigPnd:\t%016llx\nSigBlk:\t%016llx\nSigIgn:\t%016llx\nSigCgt:\t%016llx\n", thread_count, (ull)th->pending, (ull)th->mask,
        (ull)signals_with(true), (ull)signals_with(false));
    put(t, "CapInh:\t%016llx\nCapPrm:\t%016llx\nCapEff:\t%016llx\nCapBnd:\t%016llx\nCapAmb:\t%016llx\nNoNewPrivs:\t0\nSeccomp:\t0\n", 0ull, 0ull, 0ull, 0ull, 0ull);
    put(t, "Cpus_allowed:\t%llx\nCpus_allowed_list:\t0-%u\nvoluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n", cpus, cpus_limit() - 1);
}

static void stat_line(struct text *t)
{
    const struct thread *th = whom(t);

    put(t, "%u (%s) %c 1 %u %u 0 -1 0 0 0 0 0 %llu 0 0 0 20 0 %u 0 0 ", t->tid ? t->tid : boot->pid, th->name, th->cpu ? 'R' : 'S', boot->pid, boot->pid,
        (ull)(cpu_time(t->tid ? th : NULL) / 10000000), thread_count);
    put(t, "%llu %llu 18446744073709551615 %llu 0 %llu 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 %llu %llu %llu %llu 0\n", (ull)vma_bytes(), (ull)(vma_bytes() >> 12),
        (ull)PIE_AT, (ull)program_stack, (ull)program_args, (ull)program_args_end, (ull)program_args_end, (ull)program_env_end);
}

static void limits_text(struct text *t)
{
    static const char *const names[RLIMITS][2] = {
        { "cpu time", "seconds" }, { "file size", "bytes" }, { "data size", "bytes" }, { "stack size", "bytes" }, { "core file size", "bytes" },
        { "resident set", "bytes" }, { "processes", "processes" }, { "open files", "files" }, { "locked memory", "bytes" }, { "address space", "bytes" },
        { "file locks", "locks" }, { "pending signals", "signals" }, { "msgqueue size", "bytes" }, { "nice priority", "" }, { "realtime priority", "" },
        { "realtime timeout", "us" },
    };

    put(t, "Limit                     Soft Limit           Hard Limit           Units     \n");
    for (unsigned i = 0; i < RLIMITS; i++) {
        put(t, "Max %-22s", names[i][0]);
        for (unsigned k = 0; k < 2; k++) {
            char number[21];
            fmt_text(number, sizeof number, limits[i][k] == UINT64_MAX ? "unlimited" : "%llu", (ull)limits[i][k]);
            put(t, "%-21s", number);
        }
        put(t, "%s\n", names[i][1]);
    }
}

static void statm(struct text *t)
{
    put(t, "%llu %llu 0 0 0 %llu 0\n", (ull)(vma_bytes() >> 12), (ull)(vma_bytes() >> 12), (ull)(vma_bytes() >> 12));
}

static void bytes_of(struct text *t, uint64_t from, uint64_t to)
{
    size_t n = min_size(to - from, t->room - 1);

    if (!user_read(t->to, from, n))
        t->used = n;
}

static void cmdline(struct text *t) { bytes_of(t, program_args, program_args_end); }
static void environ(struct text *t) { bytes_of(t, program_args_end, program_env_end); }
static void auxv(struct text *t)
{
    uint64_t n = 0;

    while (program_auxv[n])
        n += 2;
    memcpy(t->to, program_auxv, (n + 2) * 8);
    t->used = (n + 2) * 8;
}
static void comm(struct text *t) { put(t, "%s\n", whom(t)->name); }

static void meminfo(struct text *t)
{
    uint64_t total = boot->mem_limit, used = min_u64(vma_bytes(), total);

    put(t, "MemTotal:       %8llu kB\nMemFree:        %8llu kB\nMemAvailable:   %8llu kB\nBuffers:               0 kB\nCached:                0 kB\nSwapTotal:             0 kB\nSwapFree:              0 kB\n",
        (ull)(total >> 10), (ull)((total - used) >> 10), (ull)((total - used) >> 10));
}

static void cpuid_text(struct text *t, uint32_t leaf)
{
    const struct cpuid r = cpu_id(leaf, 0);
    const uint32_t vendor[3] = { r.ebx, r.edx, r.ecx };

    put(t, "%.*s", leaf ? 16 : 12, leaf ? (const char *)&r : (const char *)vendor);
}

/* What programs ask for: of leaf 1 edx and ecx, leaf 7 ebx, leaf 0x80000001 edx and ecx; in order of bits, "" where nobody asks. */
static const char *const flag_names[5] = {
    "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 pn clflush - dts acpi mmx fxsr sse sse2 ss ht tm ia64 pbe ",
    "pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm - pcid dca sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave - avx f16c rdrand hypervisor ",
    "fsgsbase tsc_adjust sgx bmi1 hle avx2 - smep bmi2 erms invpcid rtm cqm - mpx rdt_a avx512f avx512dq rdseed adx smap avx512ifma - clflushopt clwb intel_pt avx512pf avx512er avx512cd sha_ni avx512bw avx512vl ",
    "- - - - - - - - - - - syscall - - - - - - - - nx - mmxext - - fxsr_opt pdpe1gb rdtscp - lm 3dnowext 3dnow ",
    "lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch ",
};

static void flags_put(struct text *t)
{
    const struct cpuid one = cpu_id(1, 0), ext = cpu_id(0x80000001, 0);
    const uint32_t words[5] = { one.edx, one.ecx, cpu_id(7, 0).ebx, ext.edx, ext.ecx };

    for (unsigned w = 0; w < 5; w++) {
        const char *p = flag_names[w];
        for (unsigned bit = 0; *p; bit++) {
            const char *end = strchr(p, ' ');
            if (words[w] & 1u << bit && *p != '-')
                put(t, " %.*s", (int)(end - p), p);
            p = end + 1;
        }
    }
}

static void cpuinfo(struct text *t)
{
    uint32_t one = cpu_id(1, 0).eax;
    const volatile struct app_time *clock = (const volatile struct app_time *)boot->time;
    ull khz = (1000000ull << 32) / (clock->mult ? clock->mult : 1);

    for (unsigned i = 0; i < cpus_limit(); i++) {
        put(t, "processor\t: %u\nvendor_id\t: ", i);
        cpuid_text(t, 0);
        put(t, "\ncpu family\t: %u\nmodel\t\t: %u\nmodel name\t: ", (one >> 8 & 15) + (one >> 20 & 0xFF), (one >> 4 & 15) | (one >> 12 & 0xF0));
        for (uint32_t leaf = 0x80000002; leaf <= 0x80000004; leaf++)
            cpuid_text(t, leaf);
        put(t, "\nstepping\t: %u\ncpu MHz\t\t: %llu.%03llu\nphysical id\t: 0\nsiblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\nfpu\t\t: yes\nflags\t\t:", one & 15,
            khz / 1000, khz % 1000, cpus_limit(), i, cpus_limit());
        flags_put(t);
        put(t, "\nbogomips\t: %llu.%02llu\n\n", khz / 500, khz / 5 % 100);
    }
}

static void uptime(struct text *t)
{
    uint64_t cs = time_mono() / 10000000;

    put(t, "%llu.%02llu 0.00\n", (ull)(cs / 100), (ull)(cs % 100));
}

static void mounts_list(struct text *t, bool info)
{
    for (unsigned i = 0; i <= boot->nmounts; i++) {
        const struct app_mount *m = &boot->mount[i];
        bool dev = i < boot->nmounts && m->flags & APP_MOUNT_DEV, proc = i == boot->nmounts;
        const char *at = proc ? "/proc" : dev ? "/dev" : m->at, *kind = proc ? "proc" : dev ? "devtmpfs" : "9p";
        const char *how = !proc && !dev && m->flags & APP_MOUNT_READONLY && !(m->flags & APP_MOUNT_LAYER) ? "ro" : "rw";
        if (info)
            put(t, "%u 1 0:%u / %s %s - %s %s %s\n", 20 + i, 16 + i, at, how, kind, kind, how);
        else
            put(t, "%s %s %s %s 0 0\n", kind, at, kind, how);
    }
}

static void mounts_text(struct text *t) { mounts_list(t, false); }
static void mountinfo(struct text *t) { mounts_list(t, true); }
static void version(struct text *t) { put(t, "Linux version 6.1.0-goblin (goblin) #1 SMP\n"); }
static void loadavg(struct text *t) { put(t, "0.00 0.00 0.00 1/%u %u\n", thread_count, boot->pid); }
static void hostname(struct text *t) { put(t, "%s\n", boot->host); }
static void cpu_list(struct text *t) { put(t, cpus_limit() > 1 ? "0-%u\n" : "%u\n", cpus_limit() - 1); }

static void stat_all(struct text *t)
{
    ull up = time_mono() / 10000000 * cpus_limit(), used = cpu_time(NULL) / 10000000, n = cpus_limit();

    put(t, "cpu  %llu 0 0 %llu 0 0 0 0 0 0\n", used, up > used ? up - used : 0);
    for (unsigned i = 0; i < n; i++)
        put(t, "cpu%u %llu 0 0 %llu 0 0 0 0 0 0\n", i, used / n, up > used ? (up - used) / n : 0);
    put(t, "intr 0\nctxt 0\nbtime %llu\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n", (ull)((time_wall() - time_mono()) / 1000000000u));
}

static void uuid(struct text *t, const uint8_t b[16])
{
    for (unsigned i = 0; i < 16; i++)
        put(t, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", b[i]);
    put(t, "\n");
}

static void uuid_new(struct text *t)
{
    uint8_t b[16];

    random_bytes(b, sizeof b);
    b[6] = (uint8_t)((b[6] & 15) | 0x40);
    b[8] = (uint8_t)((b[8] & 63) | 0x80);
    uuid(t, b);
}

static void uuid_boot(struct text *t) { uuid(t, boot->seed + 48); }

const struct proc_row proc_rows[] = {
    { "proc/self/maps", maps, NULL }, { "proc/self/status", status, NULL }, { "proc/self/stat", stat_line, NULL }, { "proc/self/statm", statm, NULL },
    { "proc/self/cmdline", cmdline, NULL }, { "proc/self/environ", environ, NULL }, { "proc/self/auxv", auxv, NULL }, { "proc/self/comm", comm, NULL },
    { "proc/self/mounts", mounts_text, NULL }, { "proc/self/mountinfo", mountinfo, NULL }, { "proc/self/limits", limits_text, NULL },
    { "proc/self/cgroup", NULL, "0::/\n" }, { "proc/self/oom_score_adj", NULL, "0\n" }, { "proc/self/oom_score", NULL, "0\n" },
    { "proc/meminfo", meminfo, NULL }, { "proc/cpuinfo", cpuinfo, NULL }, { "proc/uptime", uptime, NULL },
    { "proc/version", version, NULL }, { "proc/loadavg", loadavg, NULL }, { "proc/stat", stat_all, NULL },
    { "proc/filesystems", NULL, "nodev\tproc\nnodev\tdevtmpfs\nnodev\t9p\n\terofs\n" },
    { "proc/sys/kernel/ostype", NULL, "Linux\n" }, { "proc/sys/kernel/osrelease", NULL, "6.1.0-goblin\n" }, { "proc/sys/kernel/version", NULL, "#1 SMP\n" },
    { "proc/sys/kernel/hostname", hostname, NULL }, { "proc/sys/kernel/pid_max", NULL, "4194304\n" }, { "proc/sys/kernel/threads-max", NULL, "32768\n" },
    { "proc/sys/kernel/cap_last_cap", NULL, "40\n" }, { "proc/sys/kernel/domainname", NULL, "(none)\n" },
    { "proc/sys/kernel/overflowuid", NULL, "65534\n" }, { "proc/sys/kernel/overflowgid", NULL, "65534\n" }, { "proc/sys/vm/mmap_min_addr", NULL, "65536\n" },
    { "proc/cmdline", NULL, "\n" }, { "proc/sys/kernel/ngroups_max", NULL, "65536\n" },
    { "proc/sys/kernel/randomize_va_space", NULL, "0\n" }, { "proc/sys/kernel/random/uuid", uuid_new, NULL },
    { "proc/sys/kernel/random/boot_id", uuid_boot, NULL }, { "proc/sys/kernel/random/entropy_avail", NULL, "256\n" },
    { "proc/sys/vm/overcommit_memory", NULL, "1\n" }, { "proc/sys/vm/max_map_count", NULL, "65530\n" }, { "proc/sys/fs/file-max", NULL, "65536\n" },
    { "proc/sys/fs/nr_open", NULL, "65536\n" }, { "proc/sys/fs/pipe-max-size", NULL, "1048576\n" }, { "proc/sys/net/core/somaxconn", NULL, "4096\n" },
    { "proc/sys/net/ipv4/ip_local_port_range", NULL, "32768\t60999\n" },
    { "sys/devices/system/cpu/online", cpu_list, NULL }, { "sys/devices/system/cpu/possible", cpu_list, NULL },
    { "sys/devices/system/cpu/present", cpu_list, NULL },
};
const unsigned proc_row_count = ARRAY_LEN(proc_rows);
