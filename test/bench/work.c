/* The first and only program of a benchmark system, the same on the bare machine and in a guest. Prints `BENCH NAME VALUE`
 * lines; `job=` in the kernel's options chooses what. Static, so that it needs nothing else. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB (1 << 20)
#define DISK_MIB 192   /* of the disk are read */
#define READS 3000     /* random reads, each way */
#define DEPTH 32       /* of the queue, in the deep case */

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* The bench looks how much CPU time the machine has had so far; while it does, nothing runs here. */
static void mark(const char *name)
{
    usleep(200000);
    printf("BENCH-AT %s\n", name);
    usleep(200000);
}

static void say(const char *name, double value)
{
    printf("BENCH %s %.1f\n", name, value);
}

static void fail(const char *what)
{
    printf("BENCH-FAIL %s: %s\n", what, strerror(errno));
}

static void run(char *const argv[])
{
    pid_t pid = fork();

    if (!pid) {
        execv(argv[0], argv);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &(int){ 0 }, 0) != pid)
        fail(argv[0]);
}

static void load_modules(void)
{
    char line[64], path[80];
    FILE *order = fopen("/modules/order", "r");

    if (!order)
        return;
    while (fgets(line, sizeof line, order)) {
        line[strcspn(line, "\n")] = 0;
        snprintf(path, sizeof path, "/modules/%s", line);
        int fd = open(path, O_RDONLY);
        if (fd >= 0) {
            syscall(SYS_finit_module, fd, "", 0); /* what the machine lacks fails to load: kvm-amd in a guest */
            close(fd);
        }
    }
    fclose(order);
}

/* --- processes --- */

static void processes(void)
{
    char *const again[] = { "/init", "nothing", NULL };
    char *const loop[] = { "/bin/busybox", "sh", "-c", "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done", NULL };

    for (int round = 0; round < 3; round++) {
        mark("start");
        uint64_t t = now_us();
        for (int i = 0; i < 40; i++)
            run(again);
        say("forkexec_ms", (double)(now_us() - t) / 1000);
        mark("forkexec_cpu");
        t = now_us();
        run(loop);
        say("shell_ms", (double)(now_us() - t) / 1000);
        mark("shell_cpu");
    }
}

/* Fixed work, again and again: how long each round takes. */
static void compute(unsigned rounds)
{
    for (unsigned r = 0; r < rounds; r++) {
        uint64_t t = now_us();
        for (volatile uint32_t i = 0; i < 60000000; i++)
            ;
        say("compute_ms", (double)(now_us() - t) / 1000);
    }
}

/* --- disk --- */

static uint64_t random_block(void)
{
    static uint32_t state = 1;

    state = state * 1664525 + 1013904223;
    return (uint64_t)(state >> 8) % (DISK_MIB * 256ull);
}

static void read_sequential(int fd, char *buf)
{
    uint64_t t = now_us();

    for (int i = 0; i < DISK_MIB; i++)
        if (pread(fd, buf, MIB, (off_t)i * MIB) != MIB)
            fail("sequential read");
    say("seq_mib_s", DISK_MIB * 1e6 / (double)(now_us() - t));
}

static void read_random(int fd, char *buf)
{
    uint64_t t = now_us();

    for (int i = 0; i < READS; i++)
        if (pread(fd, buf, 4096, (off_t)random_block() * 4096) != 4096)
            fail("random read");
    say("rand_iops", READS * 1e6 / (double)(now_us() - t));
}

/* DEPTH reads are always on their way. */
static void read_random_deep(int fd, char *buf)
{
    struct iocb cb[DEPTH], *one;
    struct io_event events[DEPTH];
    aio_context_t ctx = 0;
    int sent = 0, back = 0, nfree = DEPTH, free_slot[DEPTH];
    uint64_t t = now_us();

    if (syscall(SYS_io_setup, DEPTH, &ctx))
        fail("io_setup");
    for (int i = 0; i < DEPTH; i++)
        free_slot[i] = i;
    while (back < READS) {
        for (; sent < READS && nfree; sent++) {
            int slot = free_slot[--nfree];
            one = &cb[slot];
            *one = (struct iocb){ .aio_data = (uint64_t)slot, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = (uint32_t)fd,
                .aio_buf = (uintptr_t)(buf + slot * 4096), .aio_nbytes = 4096, .aio_offset = (int64_t)(random_block() * 4096) };
            if (syscall(SYS_io_submit, ctx, 1, &one) != 1)
                fail("io_submit");
        }
        long n = syscall(SYS_io_getevents, ctx, 1, DEPTH, events, NULL);
        if (n < 1) {
            fail("io_getevents");
            break;
        }
        for (long i = 0; i < n; i++, back++) {
            if (events[i].res != 4096)
                fail("deep read");
            free_slot[nfree++] = (int)events[i].data;
        }
    }
    syscall(SYS_io_destroy, ctx);
    say("rand_deep_iops", READS * 1e6 / (double)(now_us() - t));
}

static void disk(void)
{
    const char *path = access("/dev/vda2", F_OK) ? "/dev/vda" : "/dev/vda2"; /* bare: the second partition of the disk */
    int fd = open(path, O_RDONLY | O_DIRECT);
    char *buf;

    if (fd < 0 || posix_memalign((void **)&buf, 4096, MIB)) {
        fail(path);
        return;
    }
    for (int round = 0; round < 3; round++) {
        read_sequential(fd, buf);
        read_random(fd, buf);
        read_random_deep(fd, buf);
    }
}

int main(int argc, char **argv)
{
    uint64_t up = now_us();
    char options[2048] = "";

    if (argc > 1 && !strcmp(argv[1], "nothing"))
        return 0;
    mkdir("/proc", 0755);
    mkdir("/dev", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("dev", "/dev", "devtmpfs", 0, NULL);
    int fd = open("/proc/cmdline", O_RDONLY);
    if (fd >= 0 && read(fd, options, sizeof options - 1) < 0)
        fail("/proc/cmdline");
    setvbuf(stdout, NULL, _IOLBF, 0);
    say("boot_ms", (double)up / 1000);
    load_modules();
    if (strstr(options, "job=process"))
        processes();
    if (strstr(options, "job=disk"))
        disk();
    if (strstr(options, "job=compute"))
        compute(6);
    if (strstr(options, "job=kvm"))
        run((char *const[]){ "/bin/kvm", NULL });
    printf("BENCH-END\n");
    if (strstr(options, "job=idle") || strstr(options, "stay"))
        for (;;)
            pause();
    reboot(RB_POWER_OFF);
    return 1;
}
