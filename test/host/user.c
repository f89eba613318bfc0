/* Users and groups. As root it gives up its rights step by step; as anybody else all that is refused, natively too. */
#include "show.h"
#include <grp.h>
#include <sys/fsuid.h>

static int set; /* the groups that it begins with are not passed on to a guest */

static void ids(void)
{
    uid_t u[3];
    gid_t g[3], more[8];
    struct stat st;
    char line[200];
    FILE *status = fopen("/proc/self/status", "r");
    int n = set ? getgroups(8, more) : 0, fd;

    printf("%d %d, %d %d, %d %d\n", getuid(), geteuid(), getgid(), getegid(), getresuid(u, u + 1, u + 2), getresgid(g, g + 1, g + 2));
    printf("%d %d %d, %d %d %d, groups", u[0], u[1], u[2], g[0], g[1], g[2]);
    for (int i = 0; i < n; i++)
        printf(" %d", more[i]);
    puts("");
    while (fgets(line, sizeof line, status))
        if (!strncmp(line, "Uid:", 4) || !strncmp(line, "Gid:", 4) || (set && !strncmp(line, "Groups:", 7)))
            fputs(line, stdout);
    fclose(status);
    fd = memfd_create("own", 0);
    fstat(fd, &st);
    printf("owner %d %d\n", st.st_uid, st.st_gid);
    close(fd);
}

int main(void)
{
    gid_t some[] = { 5, 7, 1000 };
    gid_t room[2];

    ids();
    SHOW(set = !setgroups(3, some));
    SHOW(setgroups(3, (void *)8));
    SHOW(setgroups(-1, some));
    SHOW(getgroups(2, room));
    SHOW(getgroups(0, NULL));
    SHOW(setregid(-1, 7));
    SHOW(setresgid(1000, -1, 5));
    ids();
    SHOW(setegid(9));
    SHOW(setreuid(-1, 1000));
    ids();
    SHOW(setegid(5));
    SHOW(setegid(9));
    SHOW(setgid(-1));
    SHOW(setgroups(1, some));
    SHOW(setuid(-1));
    SHOW(seteuid(0));
    ids();
    SHOW(setresuid(1, 2, 3));
    ids();
    SHOW(setfsuid(2));
    SHOW(setreuid(2, 1));
    ids();
    SHOW(setreuid(3, -1));
    SHOW(setresuid(2, 2, 3));
    SHOW(setuid(0));
    SHOW(setuid(1));
    ids();
    SHOW(setresuid(-1, 2, 2));
    SHOW(setuid(1));
    SHOW(setgid(0));
    SHOW(syscall(SYS_getresuid, 8, 8, 8));
    ids();
    return 0;
}
