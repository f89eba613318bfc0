/* An app that makes many guests through its /vm: makes COUNT of them, looks at each twice, removes them. For test_apps.py. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int look(int i)
{
    char path[64], want[32], line[200] = "";
    FILE *f;

    snprintf(path, sizeof path, "/vm/g%d/status", i);
    snprintf(want, sizeof want, "name g%d\n", i);
    f = fopen(path, "r");
    if (!f || !fgets(line, sizeof line, f) || strcmp(line, want)) {
        printf("MANY FAIL %s: %s %s\n", path, f ? "reads" : strerror(errno), line);
        return 1;
    }
    fclose(f);
    return 0;
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 0, bad = n == 0;
    char path[64];

    for (int i = 0; !bad && i < n; i++) {
        snprintf(path, sizeof path, "/vm/g%d", i);
        if (mkdir(path, 0755)) {
            printf("MANY FAIL %s: %s\n", path, strerror(errno));
            bad = 1;
        } else {
            bad = look(i);
        }
    }
    for (int i = 0; !bad && i < n; i++)
        bad = look(i);
    if (!bad)
        printf("MANY made %d\n", n);
    fflush(stdout);
    getchar();
    for (int i = 0; !bad && i < n; i++) {
        snprintf(path, sizeof path, "/vm/g%d", i);
        bad = rmdir(path);
    }
    printf("MANY %s\n", bad ? "FAIL removing" : "removed");
    return bad;
}
