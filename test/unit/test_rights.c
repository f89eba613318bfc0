/* What a monitor cannot do any more when its guest runs. Each case gives up its rights in a process of its own. */
#define _GNU_SOURCE
#include "test/unit/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ground/linux/rights.h"

static char folder[] = "/tmp/goblin-rights-XXXXXX";

/* The case's result: an exit status, or 128 + signal. */
static int in_child(int (*act)(void), unsigned flags)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        struct rights_tree trees[] = { { .path = folder, .write = true }, { .path = "/etc" } };
        int null = open("/dev/null", O_RDWR);
        dup2(null, 2);
        if (rights_drop(trees, 2, flags))
            _exit(99);
        _exit(act());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

#define ENDS (128 + SIGSYS)

static int do_exec(void)
{
    char *const argv[] = { "/bin/true", NULL };

    return execve(argv[0], argv, NULL) ? 1 : 0;
}
static int do_fork(void) { return (int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) < 0; }
static int do_vfork(void) { return (int)syscall(SYS_vfork) < 0; }
static int do_clone3(void) { return syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS ? 7 : 0; }
static int do_ptrace(void) { return (int)ptrace(PTRACE_ATTACH, getppid(), 0, 0); }
static int do_kill(void) { return (int)syscall(SYS_kill, getppid(), 0); }
static int do_tgkill(void) { return (int)syscall(SYS_tgkill, 1, 1, 0); }
static int do_mount(void) { return (int)syscall(SYS_mount, "none", "/mnt", "tmpfs", 0, NULL); }
static int do_unshare(void) { return unshare(CLONE_NEWUSER); }
static int do_bpf(void) { return (int)syscall(SYS_bpf, 0, NULL, 0); }
static int do_io_uring(void) { return (int)syscall(SYS_io_uring_setup, 1, NULL); }
static int do_open_by_handle(void) { return (int)syscall(SYS_open_by_handle_at, 0, NULL, 0); }
static int do_x32(void) { return (int)syscall(0x40000000 | SYS_getpid); }
static int do_other_ioctl(void) { return ioctl(0, 0x5412 /* TIOCSTI */, "x") < 0 ? 7 : 0; }
static int do_kvm_ioctl(void) { return ioctl(0, 0xAE00, 0) < 0 && errno != EPERM ? 7 : 0; }
static int do_unix_socket(void) { return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? 7 : 0; }
static int do_packet_socket(void) { return socket(AF_PACKET, SOCK_RAW, 0) < 0 ? 7 : 0; }
static int do_inet_socket(void) { return socket(AF_INET, SOCK_STREAM, 0) < 0 ? 7 : 0; }
static int do_exec_memory(void) { return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? 7 : 0; }

static int do_read_outside(void) { return open("/usr/bin/env", O_RDONLY) < 0 ? 7 : 0; }
static int do_write_etc(void) { return open("/etc/goblin-rights-test", O_WRONLY | O_CREAT, 0600) < 0 ? 7 : 0; }
static int do_read_etc(void) { return open("/etc/passwd", O_RDONLY) < 0 ? 7 : 0; }
static int do_write_inside(void)
{
    char path[64];
    int fd;

    snprintf(path, sizeof path, "%s/file", folder);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    return fd >= 0 && write(fd, "x", 1) == 1 && ftruncate(fd, 0) == 0 && unlink(path) == 0 ? 0 : 7;
}
static void *nothing(void *arg) { return arg; }
static int do_thread(void)
{
    pthread_t t;

    return pthread_create(&t, NULL, nothing, NULL) || pthread_join(t, NULL) ? 7 : 0;
}
static int do_prctl(void)
{
    return prctl(PR_SET_NAME, "x", 0, 0, 0) || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) >= 0 ? 7 : 0; /* other prctls are refused */
}

static void calls_that_reach_beyond_the_guest_end_the_process(void **)
{
    int (*const acts[])(void) = { do_exec, do_fork, do_vfork, do_ptrace, do_kill, do_tgkill, do_mount, do_unshare, do_bpf, do_io_uring, do_open_by_handle, do_x32 };

    for (size_t i = 0; i < ARRAY_LEN(acts); i++)
        assert_int_equal(in_child(acts[i], RIGHTS_NET), ENDS);
}

static void some_are_answered_with_an_error(void **)
{
    assert_int_equal(in_child(do_clone3, 0), 7);
    assert_int_equal(in_child(do_other_ioctl, 0), 7);
    assert_int_equal(in_child(do_exec_memory, 0), 7);
    assert_int_equal(in_child(do_unix_socket, RIGHTS_NET), 7);
    assert_int_equal(in_child(do_packet_socket, RIGHTS_NET), 7);
    assert_int_equal(in_child(do_inet_socket, 0), 7);
    assert_int_equal(in_child(do_prctl, 0), 0);
}

static void what_serving_takes_still_works(void **)
{
    assert_int_equal(in_child(do_inet_socket, RIGHTS_NET), 0);
    assert_int_equal(in_child(do_kvm_ioctl, 0), 7);
    assert_int_equal(in_child(do_thread, 0), 0);
    assert_int_equal(in_child(do_write_inside, 0), 0);
    assert_int_equal(in_child(do_read_etc, 0), 0);
}

static void files_outside_of_the_trees_cannot_be_opened(void **)
{
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 2)
        skip();
    assert_int_equal(in_child(do_read_outside, 0), 7);
    assert_int_equal(in_child(do_write_etc, 0), 7);
}

static int do_fork_once(void)
{
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

    if (pid == 0)
        _exit(0);
    return pid > 0 ? 0 : 7;
}
static int do_signal_outside(void) { return syscall(SYS_tgkill, getppid(), getppid(), 0) < 0 && errno == EPERM ? 7 : 0; }
static int do_new_world(void) { return (int)syscall(SYS_clone, SIGCHLD | CLONE_NEWUSER, 0, 0, 0, 0); }
static int do_renew_and_fork(void) { return rights_renew(RIGHTS_LISTEN) ? 8 : do_fork(); }
static int do_renew_and_listen(void) { return rights_renew(RIGHTS_LISTEN) ? 8 : do_unix_socket(); }
static int do_connect(void) { return connect(0, NULL, 0); }

static void a_template_forks_and_listens_and_its_clones_only_listen(void **)
{
    const unsigned flags = RIGHTS_TEMPLATE | RIGHTS_LISTEN;

    assert_int_equal(in_child(do_fork_once, flags), 0);
    assert_int_equal(in_child(do_unix_socket, flags), 0);
    assert_int_equal(in_child(do_exec, flags), ENDS);
    assert_int_equal(in_child(do_kill, flags), ENDS);
    assert_int_equal(in_child(do_new_world, flags), ENDS);
    assert_int_equal(in_child(do_connect, flags), ENDS);
    assert_int_equal(in_child(do_renew_and_fork, flags), ENDS);
    assert_int_equal(in_child(do_renew_and_listen, flags), 0);
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) >= 6)
        assert_int_equal(in_child(do_signal_outside, flags), 7);
}

static void descriptors_left_open_are_closed(void **)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        int a = fcntl(0, F_DUPFD, 10), keep = fcntl(0, F_DUPFD, 20), b = fcntl(0, F_DUPFD, 30);
        rights_close(keep);
        _exit(fcntl(a, F_GETFD) >= 0 || fcntl(b, F_GETFD) >= 0 ? 1 : fcntl(keep, F_GETFD) < 0 || fcntl(0, F_GETFD) < 0 ? 2 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static int make_folder(void **)
{
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **)
{
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_that_reach_beyond_the_guest_end_the_process), cmocka_unit_test(some_are_answered_with_an_error),
        cmocka_unit_test(what_serving_takes_still_works), cmocka_unit_test(files_outside_of_the_trees_cannot_be_opened),
        cmocka_unit_test(a_template_forks_and_listens_and_its_clones_only_listen),
        cmocka_unit_test(descriptors_left_open_are_closed),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
