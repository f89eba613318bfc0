/* The file that keeps what KVM says of CPUID, with a KVM that counts how often it is asked. */
#define _GNU_SOURCE
#include "test/unit/unit.h"
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cpu/kvm/kvm.h"

static unsigned asked;
static bool refuses;
static char folder[] = "/tmp/goblin-cpuid-XXXXXX", path[64];
static int dev;

int ioctl(int fd, unsigned long request, ...)
{
    struct kvm_cpuid2 *c;
    va_list ap;

    va_start(ap, request);
    c = va_arg(ap, struct kvm_cpuid2 *);
    va_end(ap);
    assert_int_equal(fd, dev);
    assert_int_equal(request, KVM_GET_SUPPORTED_CPUID);
    asked++;
    for (uint32_t i = 0; i < 5; i++)
        c->entries[i] = (struct kvm_cpuid_entry2){ .function = i, .eax = 100 + i };
    c->nent = 5;
    return refuses ? -1 : 0;
}

static void get(unsigned times)
{
    struct kvm_cpuid2 *c = kvm_cpuid_get(dev, path);

    assert_non_null(c);
    assert_int_equal(asked, times);
    assert_int_equal(c->nent, 5);
    assert_int_equal(c->entries[4].eax, 104);
    free(c);
}

static int set_up(void **)
{
    asked = 0;
    refuses = false;
    (void)!unlink(path);
    return 0;
}

static void kvm_is_asked_once(void **)
{
    get(1);
    get(1);
    get(1);
}

static void a_file_for_another_machine_is_made_anew(void **)
{
    int fd;

    get(1);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "x", 1, 0), 1); /* of another start of the kernel */
    close(fd);
    get(2);
    get(2);
}

static void a_broken_file_is_made_anew(void **)
{
    const uint32_t wild[] = { 0, 6, 256, 257, UINT32_MAX };
    struct stat st;
    int fd;

    get(1);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size - 1), 0);
    get(2);
    assert_int_equal(truncate(path, st.st_size + 1), 0);
    get(3);
    assert_int_equal(truncate(path, 10), 0);
    get(4);
    for (unsigned i = 0; i < ARRAY_LEN(wild); i++) { /* the number of entries stands before them */
        fd = open(path, O_WRONLY);
        assert_int_equal(pwrite(fd, &wild[i], 4, st.st_size - 5 * (off_t)sizeof(struct kvm_cpuid_entry2) - 4), 4);
        close(fd);
        get(5 + i);
    }
}

static void a_link_is_not_followed(void **)
{
    char other[80];

    get(1);
    snprintf(other, sizeof other, "%s.other", path);
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(symlink(other, path), 0);
    get(2);
    unlink(other);
}

static void without_a_file_or_an_answer(void **)
{
    struct kvm_cpuid2 *c = kvm_cpuid_get(dev, NULL);

    assert_non_null(c);
    free(c);
    c = kvm_cpuid_get(dev, "/nowhere/cpuid");
    assert_non_null(c);
    free(c);
    assert_int_equal(asked, 2);
    refuses = true;
    assert_null(kvm_cpuid_get(dev, path));
    assert_int_equal(access(path, F_OK), -1);
}

static int make_folder(void **)
{
    dev = open("/dev/null", O_RDWR);
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/cpuid", folder);
    return 0;
}

static int remove_folder(void **)
{
    (void)!unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(kvm_is_asked_once, set_up),
        cmocka_unit_test_setup(a_file_for_another_machine_is_made_anew, set_up),
        cmocka_unit_test_setup(a_broken_file_is_made_anew, set_up),
        cmocka_unit_test_setup(a_link_is_not_followed, set_up),
        cmocka_unit_test_setup(without_a_file_or_an_answer, set_up),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
