/*
 * The first and only process of the Linux guest: counts what operations cost, in instructions.
 *
 * Started by the kernel as /init; starts /tiny and /wasm. The runner boots it and reads its lines
 *
 *     linux VERSION
 *     result NAME INSTRUCTIONS
 *     end
 *
 * Under the instruction clock one tick of RDTSC is one instruction. Invariant: an operation has run before it is counted, and
 * a count is the median of several, without what reading the clock costs.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLES = 51, LOOP = 100, PAGE = 4096, PAGES = 512 };

static int null;

/* Says why, and ends the machine: a result that is not there is an error for the runner. */
__attribute__((noreturn)) static void finish(const char *failure)
{
    if (failure) {
        printf("failed: ");
        fflush(stdout);
        perror(failure);
    } else {
        puts("end");
    }
    fflush(stdout);
    reboot(RB_AUTOBOOT);
    for (;;)
        pause();
}

static void must(int is_good, const char *what)
{
    if (!is_good)
        finish(what);
}

static uint64_t now(void) { return __builtin_ia32_rdtsc(); }

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void print(const char *name, double count) { printf("result %s %.1f\n", name, count); }

static double median(uint64_t *samples, size_t count)
{
    qsort(samples, count, sizeof *samples, compare);
    return samples[count / 2];
}

/* The median over SAMPLES of `times` runs, per run. The empty measurement is taken off. */
static void count(const char *name, int times, void (*operation)(void))
{
    uint64_t samples[SAMPLES], empty[SAMPLES];
    operation();
    for (int sample = 0; sample < SAMPLES; sample++) {
        uint64_t start = now(), begin = now();
        for (int time = 0; time < times; time++)
            operation();
        uint64_t end = now();
        empty[sample] = begin - start;
        samples[sample] = end - begin;
    }
    print(name, (median(samples, SAMPLES) - median(empty, SAMPLES)) / times);
}

static struct timespec moment;
static char buffer[65536];
static int forth[2], back[2];
static size_t length;
static volatile uint32_t *gates;

static void op_getpid(void) { syscall(SYS_getpid); }
static void op_clock(void) { clock_gettime(CLOCK_MONOTONIC, &moment); }
static void op_clock_call(void) { syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &moment); }
static void op_random(void) { must(syscall(SYS_getrandom, buffer, 32, 0) == 32, "getrandom"); }
static void op_write(void) { must(write(null, buffer, 1) == 1, "write"); }
static void op_write_large(void) { must(write(null, buffer, sizeof buffer) == sizeof buffer, "write"); }

static void op_map(void)
{
    volatile char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(page != MAP_FAILED, "mmap");
    *page = 1;
    munmap((void *)page, PAGE);
}

static void move(int file, char *bytes, size_t size, ssize_t (*how)(int, char *, size_t))
{
    for (size_t done = 0; done < size;) {
        ssize_t some = how(file, bytes + done, size - done);
        must(some > 0, "transfer");
        done += some;
    }
}

static ssize_t give(int file, char *bytes, size_t size) { return write(file, bytes, size); }
static ssize_t take(int file, char *bytes, size_t size) { return read(file, bytes, size); }

static void op_send(void)
{
    move(forth[1], buffer, length, give);
    move(back[0], buffer, length, take);
}

static void serve_stream(void)
{
    move(forth[0], buffer, length, take);
    move(back[1], buffer, length, give);
}

static void open_gate(int gate)
{
    gates[gate] = 1;
    syscall(SYS_futex, &gates[gate], FUTEX_WAKE, 1, NULL);
}

static void pass_gate(int gate)
{
    while (!gates[gate])
        syscall(SYS_futex, &gates[gate], FUTEX_WAIT, 0, NULL);
    gates[gate] = 0;
}

static void op_hand(void)
{
    open_gate(0);
    pass_gate(1);
}

static void serve_hand(void)
{
    pass_gate(0);
    open_gate(1);
}

/* Counts an operation that a second process answers. */
static void count_pair(const char *name, void (*operation)(void), void (*serve)(void))
{
    fflush(stdout);
    pid_t child = fork();
    must(child >= 0, "fork");
    if (child == 0)
        for (;;)
            serve();
    /* One at a time: the timer's interrupts fall into few of them, so not into the median. */
    count(name, 1, operation);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void count_touch(void)
{
    uint64_t samples[SAMPLES];
    for (int sample = 0; sample < SAMPLES; sample++) {
        volatile char *pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        must(pages != MAP_FAILED && !madvise((void *)pages, PAGES * PAGE, MADV_NOHUGEPAGE), "mmap");
        uint64_t start = now();
        for (int page = 0; page < PAGES; page++)
            pages[page * PAGE] = 1;
        samples[sample] = now() - start;
        munmap((void *)pages, PAGES * PAGE);
    }
    print("page-touch", median(samples, SAMPLES) / PAGES);
}

/* Starts a program with its standard output in `output`, and waits for its end; the instructions of both. */
static uint64_t run(char **words, int output)
{
    char *nothing[] = {NULL};
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status = -1;
    uint64_t start = now();
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    must(!posix_spawn(&child, words[0], &actions, NULL, words, nothing), words[0]);
    posix_spawn_file_actions_destroy(&actions);
    must(waitpid(child, &status, 0) == child && status == 0, words[0]);
    return now() - start;
}

static void count_spawn(void)
{
    enum { CLOCK = 8 };
    uint64_t first[SAMPLES], whole[SAMPLES], at;
    char *words[] = {"/tiny", NULL};
    must(!pipe(forth), "pipe");
    for (int sample = 0; sample < SAMPLES; sample++) {
        uint64_t start = now();
        whole[sample] = run(words, forth[1]);
        must(read(forth[0], &at, CLOCK) == CLOCK, "read");
        first[sample] = at - start;
    }
    print("spawn-to-first", median(first, SAMPLES));
    print("spawn-to-end", median(whole, SAMPLES));
}

/* The median of some runs of `/wasm WORDS` behind a first one. */
static double wasm(char **words)
{
    enum { RUNS = 3 };
    uint64_t samples[RUNS];
    run(words, null);
    for (int sample = 0; sample < RUNS; sample++)
        samples[sample] = run(words, null);
    return median(samples, RUNS);
}

/* A round of a kernel: the difference between two rounds and one. */
static void count_kernel(const char *name, char **once, char **twice)
{
    run(once, null);
    uint64_t one = run(once, null);
    print(name, (double)run(twice, null) - (double)one);
}

static void count_programs(void)
{
    static char *programs[] = {"empty", "hello-c", "hello-rust"};
    print("wasm-nothing", wasm((char *[]){"/wasm", "--nothing", NULL}));
    for (size_t at = 0; at < sizeof programs / sizeof *programs; at++) {
        char file[64], name[64];
        snprintf(file, sizeof file, "/%s.wasm", programs[at]);
        snprintf(name, sizeof name, "%s-run", programs[at]);
        print(name, wasm((char *[]){"/wasm", file, NULL}));
        snprintf(name, sizeof name, "%s-run-fuel", programs[at]);
        print(name, wasm((char *[]){"/wasm", "--fuel", file, NULL}));
    }
}

static void count_kernels(void)
{
    static char *kernels[] = {"mix", "sort", "calls", "indirect"};
    for (size_t at = 0; at < sizeof kernels / sizeof *kernels; at++) {
        char name[64], *kernel = kernels[at], *file = "/kernels.wasm";
        snprintf(name, sizeof name, "kernel-%s", kernel);
        count_kernel(name, (char *[]){"/wasm", file, kernel, "1", NULL}, (char *[]){"/wasm", file, kernel, "2", NULL});
        snprintf(name, sizeof name, "kernel-%s-fuel", kernel);
        count_kernel(name, (char *[]){"/wasm", "--fuel", file, kernel, "1", NULL},
                     (char *[]){"/wasm", "--fuel", file, kernel, "2", NULL});
    }
}

static void count_calls(void)
{
    static const struct { const char *name; size_t length; } sizes[] = {{"socket-64", 64}, {"socket-4k", 4096}, {"socket-64k", 65536}};
    /* A neighbour keeps the page tables of the range that is mapped and unmapped below, as in any larger program. */
    gates = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(gates != MAP_FAILED, "mmap");
    gates[0] = 0;
    count("getpid", LOOP, op_getpid);
    count("clock", LOOP, op_clock);
    count("clock-call", LOOP, op_clock_call);
    count("random-32", LOOP, op_random);
    count("write-1", LOOP, op_write);
    count("write-64k", LOOP, op_write_large);
    count("map-touch-unmap", 1, op_map);
    count_touch();
    length = 1;
    must(!pipe(forth) && !pipe(back), "pipe");
    count_pair("pipe-1", op_send, serve_stream);
    count_pair("futex", op_hand, serve_hand);
    for (size_t at = 0; at < sizeof sizes / sizeof *sizes; at++) {
        int ends[2];
        must(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
        length = sizes[at].length;
        forth[1] = back[0] = ends[0];
        forth[0] = back[1] = ends[1];
        count_pair(sizes[at].name, op_send, serve_stream);
    }
}

int main(void)
{
    uint64_t start = now();
    struct utsname system;
    signal(SIGPIPE, SIG_IGN);
    null = open("/dev/null", O_WRONLY);
    must(null >= 0, "/dev/null");
    must(!uname(&system), "uname");
    printf("linux %s %s\n", system.release, system.version);
    print("boot-to-pid1", start);
    count_calls();
    count_spawn();
    count_programs();
    count_kernels();
    finish(NULL);
}
