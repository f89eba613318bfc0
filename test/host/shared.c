/* Files that are mapped, shared and private, and what becomes of the mapping when the file changes. Runs in an empty directory. */
#include "probe.h"

int main(void)
{
    int fd = open("m", O_RDWR | O_CREAT | O_TRUNC, 0600), ro = open("m", O_RDONLY), wo = open("m", O_WRONLY), dir = open(".", O_RDONLY), p2[2];
    char *a, *b, *p, text[10] = "";

    faults_begin();
    pipe(p2);
    ftruncate(fd, 3 * PAGE + 100);
    FAILS(a = MAP(4 * PAGE, RW, MAP_SHARED, fd, 0));
    b = MAP(2 * PAGE, RW, MAP_SHARED, fd, PAGE);
    p = MAP(4 * PAGE, RW, MAP_PRIVATE, fd, 0);
    if (a == MAP_FAILED || b == MAP_FAILED) /* nothing of what follows can be tried */
        return 1;
    strcpy(a + PAGE, "shared");
    SHOW(strcmp(b, "shared"));
    pread(fd, text, 6, PAGE);
    printf("%s\n", text);
    pwrite(fd, "WRITTEN", 7, PAGE);
    SHOW(strncmp(b, "WRITTEN", 7));
    strcpy(p + PAGE, "private");
    SHOW(strncmp(a + PAGE, "WRITTEN", 7));
    SHOW(a[3 * PAGE + 200]);
    SHOW(msync(a, PAGE, MS_SYNC));
    close(fd);
    strcpy(b + 10, "after close");
    pread(ro, text, 5, PAGE + 10);
    printf("%s\n", text);
    FAILS(MAP(PAGE, RW, MAP_SHARED, ro, 0));
    FAILS(MAP(PAGE, PROT_READ, MAP_SHARED, wo, 0));
    FAILS(MAP(PAGE, RW, MAP_PRIVATE, wo, 0));
    FAILS(MAP(PAGE, PROT_READ, MAP_PRIVATE, ro, 100));
    FAILS(MAP(PAGE, PROT_READ, MAP_PRIVATE, dir, 0));
    FAILS(MAP(PAGE, PROT_READ, MAP_PRIVATE, p2[0], 0));
    FAILS(MAP(PAGE, RW, MAP_PRIVATE, 99, 0));
    char *r = MAP(PAGE, PROT_READ, MAP_SHARED, ro, PAGE);
    SHOW(strncmp(r, "WRITTEN", 7));
    SHOW(mprotect(r, PAGE, RW));
    strcpy(a + PAGE, "again");
    SHOW(strcmp(r, "again"));
    fd = open("m", O_RDWR);
    r = MAP(PAGE, PROT_READ, MAP_SHARED, fd, 0);
    SHOW(mprotect(r, PAGE, RW));
    strcpy(r, "late");
    SHOW(strcmp(a, "late"));
    r = mremap(b, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE);
    SHOW(r != MAP_FAILED && !strcmp(r, "again"));
    if (r != MAP_FAILED) {
        strcpy(r + 2 * PAGE, "tail");
        SHOW(strcmp(a + 3 * PAGE, "tail"));
    }
    p = mremap(p, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
    SHOW(p != MAP_FAILED && !strcmp(p + PAGE, "private"));
    SHOW(unlink("m"));
    SHOW(strcmp(a, "late"));
    munmap(a, 4 * PAGE);
    /* beyond the end */
    ftruncate(fd, PAGE);
    a = MAP(4 * PAGE, RW, MAP_SHARED, fd, 0);
    probe("within the file", a + 100, 1);
    probe("behind the file's last page", a + 2 * PAGE, 0);
    probe("the same, written", a + 3 * PAGE, 1);
    SHOW(ftruncate(fd, 4 * PAGE));
    probe("now the file has grown", a + 3 * PAGE, 1);
    SHOW(pread(fd, text, 1, 3 * PAGE));
    SHOW(text[0]);
    return 0;
}
