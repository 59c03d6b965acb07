/*
 * `kernels NAME ROUNDS`: computes, and checks what came out. A plain WASI command for any system.
 *
 * Run by the bench with N and 2N rounds: the difference by N is the cost of a round, without start and translation.
 * Status 0: every result was right; 1: one was not; 2: bad arguments.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 1 << 14, BUCKETS = 1 << 10 };

static uint32_t words[WORDS];

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state ^ *state >> 16;
}

/* Arithmetic in registers: a mixing function over a counter. */
static uint32_t mix(void)
{
    uint32_t hash = 0x9e3779b9;
    for (uint32_t count = 0; count < 400000; count++) {
        hash ^= count;
        hash *= 0x85ebca6b;
        hash = (hash << 13 | hash >> 19) + (hash >> 7);
    }
    return hash;
}

/* Loads and stores: a heap sort of pseudo-random words. */
static void sift(uint32_t at, uint32_t count)
{
    uint32_t word = words[at];
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        child += child + 1 < count && words[child + 1] > words[child];
        if (words[child] <= word)
            break;
        words[at] = words[child];
    }
    words[at] = word;
}

static uint32_t sort(void)
{
    uint32_t state = 7, sum = 0;
    for (uint32_t at = 0; at < WORDS; at++)
        words[at] = next(&state);
    for (uint32_t at = WORDS / 2; at-- > 0;)
        sift(at, WORDS);
    for (uint32_t count = WORDS; --count > 0;) {
        uint32_t largest = words[0];
        words[0] = words[count];
        words[count] = largest;
        sift(0, count);
    }
    for (uint32_t at = 1; at < WORDS; at++) {
        if (words[at - 1] > words[at])
            return 0;
        sum = sum * 31 + words[at];
    }
    return sum;
}

/* Direct calls: the recursion of Ackermann's function, shallow. */
__attribute__((noinline)) static uint32_t climb(uint32_t level, uint32_t steps)
{
    if (level == 0)
        return steps + 1;
    return climb(level - 1, steps == 0 ? 1 : climb(level, steps - 1));
}

static uint32_t calls(void)
{
    uint32_t sum = 0;
    for (uint32_t steps = 0; steps < 6; steps++)
        sum = sum * 3 + climb(3, steps);
    return sum;
}

/* Indirect calls: operations picked from a table. */
static uint32_t add(uint32_t left, uint32_t right) { return left + right; }
static uint32_t turn(uint32_t left, uint32_t right) { return (left << 5 | left >> 27) ^ right; }
static uint32_t multiply(uint32_t left, uint32_t right) { return left * (right | 1); }
static uint32_t less(uint32_t left, uint32_t right) { return left - (right >> 3); }
static uint32_t (*const volatile operations[])(uint32_t, uint32_t) = {add, turn, multiply, less};

static uint32_t indirect(void)
{
    uint32_t state = 11, value = 1;
    for (uint32_t count = 0; count < 200000; count++) {
        uint32_t random = next(&state);
        value = operations[random >> 5 & 3](value, random);
    }
    return value;
}

static const struct {
    const char *name;
    uint32_t (*run)(void);
    uint32_t result;
} kernels[] = {
    {"mix", mix, 0x6aff138d},
    {"sort", sort, 0xc8af806a},
    {"calls", calls, 0x00001084},
    {"indirect", indirect, 0x6b711c13},
};

int main(int count, char **arguments)
{
    int rounds = count == 3 ? atoi(arguments[2]) : 0;
    for (size_t at = 0; rounds > 0 && at < sizeof kernels / sizeof *kernels; at++) {
        if (strcmp(arguments[1], kernels[at].name))
            continue;
        for (int round = 0; round < rounds; round++)
            if (kernels[at].run() != kernels[at].result)
                return 1;
        return 0;
    }
    return 2;
}
