/* execve: what the next program finds and what it does not. argv[1] says which part this is: the program runs itself again. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char **environ;

static void *computes(void *arg)
{
    for (volatile unsigned long *n = arg;; ++*n)
        ;
}

static void *waits(void *arg)
{
    (void)arg;
    pause();
    return NULL;
}

static void handler(int n) { (void)n; }

static void errors(void)
{
    char *none[] = { NULL }, *big = malloc(200000), *huge[] = { big, NULL };
    int fd;

    memset(big, 'x', 199999);
    big[199999] = 0;
    printf("missing: %d %s\n", execve("/no/such/program", none, none), strerror(errno));
    printf("directory: %d %s\n", execve("/tmp", none, none), strerror(errno));
    printf("not executable: %d %s\n", execve("/etc/passwd", none, none), strerror(errno));
    printf("bad address: %d %s\n", execve((char *)8, none, none), strerror(errno));
    printf("bad list: %d %s\n", execve("/bin/true", (char **)8, none), strerror(errno));
    printf("long: %d %s\n", execve("/bin/true", huge, none), strerror(errno));
    fd = open("text", O_CREAT | O_WRONLY | O_TRUNC, 0755);
    printf("text: %zd\n", write(fd, "no program\n", 11));
    close(fd);
    printf("no format: %d %s\n", execve("./text", none, none), strerror(errno));
    printf("empty path: %ld %s\n", syscall(SYS_execveat, AT_FDCWD, "", none, none, 0), strerror(errno));
    printf("bad flags: %ld %s\n", syscall(SYS_execveat, AT_FDCWD, "/bin/true", none, none, 1), strerror(errno));
}

static void again(char *self, char *part)
{
    char *argv[] = { self, part, "with space", "", NULL }, *env[] = { "ONLY=this", NULL };

    fflush(stdout);
    execve("/proc/self/exe", argv, env);
    perror("execve");
    exit(1);
}

static void first(char *self)
{
    static unsigned long count;
    struct sigaction a = { .sa_handler = handler };
    sigset_t set;
    pthread_t t;
    int kept, closed;

    errors();
    kept = open("/dev/null", O_RDONLY);
    closed = open("/dev/null", O_RDONLY | O_CLOEXEC);
    printf("descriptors %d %d\n", kept, closed);
    sigaction(SIGUSR1, &a, NULL);
    signal(SIGUSR2, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGHUP);
    chdir("/");
    umask(027);
    for (int i = 0; i < 3; i++)
        pthread_create(&t, NULL, i % 2 ? waits : computes, &count);
    while (!__atomic_load_n(&count, __ATOMIC_RELAXED))
        ;
    again(self, "second");
}

static void *from_thread(void *self)
{
    again(self, "third");
    return NULL;
}

static void second(int argc, char **argv)
{
    struct sigaction one, two;
    sigset_t set, waiting;
    pthread_t t;
    char cwd[64], name[32] = "";
    FILE *f = fopen("/proc/self/comm", "r");

    for (int i = 1; i < argc; i++)
        printf("[%s]", argv[i]);
    printf(" %s, %s\n", environ[0], environ[1] ? "more" : "no more");
    printf("descriptors %d %d\n", fcntl(3, F_GETFD), fcntl(4, F_GETFD));
    sigaction(SIGUSR1, NULL, &one);
    sigaction(SIGUSR2, NULL, &two);
    sigprocmask(SIG_SETMASK, NULL, &set);
    sigpending(&waiting);
    printf("handlers %d %d, blocked %d, pending %d\n", one.sa_handler == SIG_DFL, two.sa_handler == SIG_IGN, sigismember(&set, SIGHUP),
           sigismember(&waiting, SIGHUP));
    printf("cwd %s, umask %o, main thread %d\n", getcwd(cwd, sizeof cwd), umask(0), gettid() == getpid());
    printf("comm %s", fgets(name, sizeof name, f));
    pthread_create(&t, NULL, from_thread, argv[0]);
    pthread_join(t, NULL);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOFBF, 8192);
    if (argc == 1)
        first(argv[0]);
    else if (strcmp(argv[1], "second") == 0)
        second(argc, argv);
    else
        printf("third: main thread %d\n", gettid() == getpid());
    return 42;
}
