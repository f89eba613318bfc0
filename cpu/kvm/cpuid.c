/* What KVM can show a guest of CPUID. KVM finds out by running CPUID some 75 times, each of which leaves the machine where it is a virtual one itself:
 * that takes as long as making the rest of a guest. So the answer is kept in a file, for as long as the host's kernel, its /dev/kvm and its CPU are the
 * same. Called by kvm.c, before there is a guest. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cpu/kvm/kvm.h"

#define ENTRIES_MAX 256u
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

struct key {
    char boot[40];                   /* the kernel, since it started */
    uint64_t device, changed_s, changed_ns; /* /dev/kvm: a module that was loaded again makes it anew */
    uint32_t cpu[6];                 /* a snapshot of a machine may go on elsewhere */
};
struct kept {
    struct key key;
    uint32_t count;
    struct kvm_cpuid_entry2 entries[ENTRIES_MAX];
};

static bool key_make(int dev, struct key *k)
{
    int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && read(fd, k->boot, sizeof k->boot) > 30;
    uint32_t *c = k->cpu, other;
    struct stat st;

    if (fd >= 0)
        close(fd);
    if (!ok || fstat(dev, &st))
        return false;
    k->device = st.st_rdev;
    k->changed_s = (uint64_t)st.st_ctim.tv_sec;
    k->changed_ns = (uint64_t)st.st_ctim.tv_nsec;
    __asm__ volatile("cpuid" : "=a"(c[0]), "=b"(other), "=c"(c[1]), "=d"(c[2]) : "a"(1), "c"(0)); /* ebx tells CPUs apart */
    __asm__ volatile("cpuid" : "=a"(other), "=b"(c[3]), "=c"(c[4]), "=d"(c[5]) : "a"(7), "c"(0));
    return true;
}

static bool file_read(const char *path, const struct key *k, struct kept *to)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    ssize_t n = fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() ? read(fd, to, sizeof *to) : 0;

    if (fd >= 0)
        close(fd);
    return n > (ssize_t)offsetof(struct kept, entries) && memcmp(&to->key, k, sizeof *k) == 0 && to->count && to->count <= ENTRIES_MAX &&
           (size_t)n == offsetof(struct kept, entries) + to->count * sizeof to->entries[0];
}

/* Whole or not at all, since others may read it. */
static void file_write(const char *path, const struct kept *from)
{
    ssize_t size = (ssize_t)(offsetof(struct kept, entries) + from->count * sizeof from->entries[0]);
    char *fresh;
    int fd;

    if (asprintf(&fresh, "%s.%d", path, getpid()) < 0)
        return;
    fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        bool whole = write(fd, from, (size_t)size) == size;
        close(fd);
        if (!whole || rename(fresh, path))
            unlink(fresh);
    }
    free(fresh);
}

static bool ask(int dev, struct kvm_cpuid2 *c)
{
    c->nent = ENTRIES_MAX;
    return ioctl(dev, KVM_GET_SUPPORTED_CPUID, c) == 0;
}

struct kvm_cpuid2 *kvm_cpuid_get(int dev, const char *path)
{
    struct kvm_cpuid2 *c = calloc(1, sizeof *c + ENTRIES_MAX * sizeof c->entries[0]);
    struct kept *kept = calloc(1, sizeof *kept);
    struct key key = { 0 };
    bool keep = path && key_make(dev, &key), ok = c && kept;

    if (ok && keep && file_read(path, &key, kept)) {
        c->nent = kept->count;
        memcpy(c->entries, kept->entries, kept->count * sizeof c->entries[0]);
    } else if (ok) {
        ok = ask(dev, c);
        *kept = (struct kept){ .key = key, .count = c->nent };
        memcpy(kept->entries, c->entries, c->nent * sizeof c->entries[0]);
        if (ok && keep)
            file_write(path, kept);
    }
    free(kept);
    if (!ok) {
        free(c);
        c = NULL;
    }
    return c;
}
