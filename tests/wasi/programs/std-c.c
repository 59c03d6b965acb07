/* Uses of libc that need no files and no input. The first argument says what to do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int compare(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Sorts its other arguments. */
static int sort(int count, char **words) {
    qsort(words, (size_t)count, sizeof *words, compare);
    for (int index = 0; index < count; index++)
        printf("%s%c", words[index], index + 1 < count ? ' ' : '\n');
    return 0;
}

/* The monotonic clock does not go back; its resolution is told. */
static int times(void) {
    struct timespec first, second, step;
    if (clock_gettime(CLOCK_MONOTONIC, &first) || clock_gettime(CLOCK_MONOTONIC, &second))
        return 1;
    if (clock_getres(CLOCK_MONOTONIC, &step) || (step.tv_sec == 0 && step.tv_nsec == 0))
        return 2;
    long long difference = (second.tv_sec - first.tv_sec) * 1000000000LL + second.tv_nsec - first.tv_nsec;
    puts(difference >= 0 ? "forward" : "back");
    return 0;
}

/* Floating point and wide formats. */
static int format(void) {
    printf("%.17g %a %lld %5s|%-5s| %x\n", 0.1, 1.0, -9223372036854775807LL - 1, "ab", "cd", 255u);
    return 0;
}

static int depth(int left) {
    volatile char frame[64];
    frame[0] = (char)left;
    return left == 0 ? 0 : 1 + depth(left - 1) + (frame[0] & 0);
}

static void goodbye(void) { puts("goodbye"); }

int main(int count, char **arguments) {
    const char *what = count > 1 ? arguments[1] : "";
    if (!strcmp(what, "sort")) return sort(count - 2, arguments + 2);
    if (!strcmp(what, "time")) return times();
    if (!strcmp(what, "format")) return format();
    if (!strcmp(what, "depth")) return depth(400) == 400 ? 0 : 1;
    if (!strcmp(what, "atexit")) { atexit(goodbye); exit(3); }
    if (!strcmp(what, "_Exit")) { fputs("lost", stdout); _Exit(4); }
    if (!strcmp(what, "abort")) abort();
    return 99;
}
