/*
 * A QEMU plugin that counts instructions by block of translated code.
 *
 * Loaded by the runner. QEMU ships the interface without its header on some systems, so the functions that are used are
 * declared here (plugin API version 1). It writes to FILE, at the end of the machine:
 *
 *     total INSTRUCTIONS
 *     mark NAME INSTRUCTIONS-BEFORE-IT IN-RING-0 TALLIES EVENTS...
 *                                               (each time a mark is reached, up to a limit: what was counted before)
 *     entry NAME INSTRUCTIONS                   (each time: from the mark to the next instruction of ring 3)
 *     event NAME TIMES                          (with profile=on: executions of instructions that leave or change worlds)
 *     block ADDRESS INSTRUCTIONS TIMES BYTES    (with profile=on; the code that it begins with: programs share addresses)
 *     stretch INSTRUCTIONS AT FIRST LAST        (with stretches=on: the longest runs of ring 0 with interrupts off, longest
 *                                                first; AT is the total before it, the others addresses of blocks)
 *
 * Arguments: out=FILE, profile=on, stretches=on, from=TOTAL and to=TOTAL (a profile of what is between), and any number of
 * mark=NAME:ADDRESS:BYTES (hexadecimal; the code that must stand there), or tally=... of the same form for a place whose
 * executions are only counted, all such places together.
 *
 * A stretch is what the first processor executes at addresses of the upper half without a STI or HLT in between: interrupts
 * are off whenever ring 0 runs, except there. The first one, the kernel's start, is left out.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*translated_t)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*executed_t)(unsigned int, void *);
typedef void (*ended_t)(qemu_plugin_id_t, void *);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, translated_t);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, executed_t, int, void *);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, ended_t, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

/* Instructions that are counted by what they do: code, its length, and the bits of its last byte that count. */
static const struct {
    const char *name;
    unsigned char code[3];
    size_t length;
    unsigned char mask;
} events[] = {
    {"system-call", {0x0f, 0x05}, 2, 0xff},
    {"address-space-switch", {0x0f, 0x22, 0xd8}, 3, 0xf8}, /* mov to cr3 */
    {"return-from-interrupt", {0x48, 0xcf}, 2, 0xff},      /* iretq: from faults, interrupts, and to a new thread */
};

enum { EVENTS = sizeof events / sizeof *events };
enum { MARKS = 32, HITS = 1024, CODE = 24, LONGEST = 8 };
enum { STI = 0xfb, HLT = 0xf4 };

struct mark {
    const char *name;
    uint64_t address;
    unsigned char code[CODE];
    size_t length;
    bool is_tally;
};

struct block {
    struct block *next;
    uint64_t address, instructions, times;
    int mark;
    unsigned char code[CODE];
    size_t length;
    unsigned char events[EVENTS];
    bool opens; /* has a STI or HLT */
    bool has_events;
};

/* What was counted so far. */
struct counters {
    uint64_t total, ring_0, tallies, events[EVENTS];
};

/* A run of ring 0 with interrupts off. */
struct stretch {
    uint64_t instructions, at, first, last;
};

static struct mark marks[MARKS];
static struct { int mark; struct counters at; uint64_t entered; } hits[HITS];
static int mark_count, hit_count, entered_count;
static struct block *blocks;
static struct counters now;
static bool is_profile, is_stretches, has_started;
static uint64_t from, to = UINT64_MAX;
static struct stretch longest[LONGEST], current;
static const char *out;

/* Keeps the stretch that is over, if it is one of the longest, and begins another. */
static void end_stretch(void)
{
    struct stretch over = current;
    current.instructions = 0;
    if (over.instructions && !has_started) {
        has_started = true;
        return;
    }
    for (int place = 0; place < LONGEST; place++) {
        if (over.instructions > longest[place].instructions) {
            struct stretch next = longest[place];
            longest[place] = over;
            over = next;
        }
    }
}

static void follow_stretch(const struct block *block)
{
    if (block->address >> 63) {
        if (!current.instructions) {
            current.at = now.total;
            current.first = block->address;
        }
        current.instructions += block->instructions;
        current.last = block->address;
        if (!block->opens)
            return;
    }
    if (current.instructions)
        end_stretch();
}

static void executed(unsigned int cpu, void *data)
{
    struct block *block = data;
    if (is_stretches && cpu == 0)
        follow_stretch(block);
    if (!(block->address >> 63))
        while (entered_count < hit_count)
            hits[entered_count++].entered = now.total;
    if (block->mark >= 0 && marks[block->mark].is_tally) {
        now.tallies++;
    } else if (block->mark >= 0 && hit_count < HITS) {
        hits[hit_count].mark = block->mark;
        hits[hit_count++].at = now;
    }
    if (now.total >= from && now.total < to)
        block->times++;
    now.total += block->instructions;
    if (block->address >> 63)
        now.ring_0 += block->instructions;
    for (int event = 0; block->has_events && event < EVENTS; event++)
        now.events[event] += block->events[event];
}

/* Notes which events a block's instruction is. */
static void note_events(struct block *block, const unsigned char *code, size_t size)
{
    for (int event = 0; event < EVENTS; event++) {
        size_t last = events[event].length - 1;
        if (size == last + 1 && !memcmp(code, events[event].code, last)
            && (code[last] & events[event].mask) == events[event].code[last]) {
            block->events[event]++;
            block->has_events = true;
        }
    }
}

/* True if a block lets interrupts come. */
static bool opens(const struct qemu_plugin_tb *tb, size_t instructions)
{
    for (size_t number = 0; number < instructions; number++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, number);
        const unsigned char *code = qemu_plugin_insn_data(insn);
        if (qemu_plugin_insn_size(insn) == 1 && (code[0] == STI || code[0] == HLT))
            return true;
    }
    return false;
}

/* Keeps the first bytes of a block's code. */
static void keep_code(struct block *block, const struct qemu_plugin_tb *tb)
{
    for (size_t number = 0; number < block->instructions; number++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, number);
        size_t size = qemu_plugin_insn_size(insn), space = CODE - block->length;
        memcpy(block->code + block->length, qemu_plugin_insn_data(insn), size < space ? size : space);
        block->length += size < space ? size : space;
    }
}

static int mark_of(const struct qemu_plugin_tb *tb, uint64_t address, size_t instructions)
{
    for (int index = 0; index < mark_count; index++) {
        const struct mark *mark = &marks[index];
        size_t at = 0;
        bool is_same = mark->address == address;
        for (size_t number = 0; is_same && number < instructions && at < mark->length; number++) {
            struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, number);
            size_t size = qemu_plugin_insn_size(insn);
            size = size < mark->length - at ? size : mark->length - at;
            is_same = memcmp(qemu_plugin_insn_data(insn), mark->code + at, size) == 0;
            at += size;
        }
        if (is_same)
            return index;
    }
    return -1;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    struct block *block = calloc(1, sizeof *block);
    (void)id;
    if (!block)
        abort();
    block->address = qemu_plugin_tb_vaddr(tb);
    block->instructions = qemu_plugin_tb_n_insns(tb);
    block->mark = mark_of(tb, block->address, block->instructions);
    if (is_stretches)
        block->opens = opens(tb, block->instructions);
    for (size_t number = 0; number < block->instructions; number++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, number);
        note_events(block, qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn));
    }
    if (is_profile)
        keep_code(block, tb);
    block->next = blocks;
    blocks = block;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, block);
}

static void write_mark(FILE *file, const char *name, const struct counters *at)
{
    fprintf(file, "mark %s %llu %llu %llu", name, (unsigned long long)at->total, (unsigned long long)at->ring_0,
            (unsigned long long)at->tallies);
    for (int event = 0; event < EVENTS; event++)
        fprintf(file, " %llu", (unsigned long long)at->events[event]);
    fputc('\n', file);
}

static void ended(qemu_plugin_id_t id, void *data)
{
    FILE *file = fopen(out, "w");
    (void)id, (void)data;
    if (!file)
        return;
    fprintf(file, "total %llu\n", (unsigned long long)now.total);
    for (int index = 0; index < hit_count; index++)
        write_mark(file, marks[hits[index].mark].name, &hits[index].at);
    for (int index = 0; index < entered_count; index++)
        fprintf(file, "entry %s %llu\n", marks[hits[index].mark].name,
                (unsigned long long)(hits[index].entered - hits[index].at.total));
    for (int place = 0; place < LONGEST && longest[place].instructions; place++) {
        const struct stretch *one = &longest[place];
        fprintf(file, "stretch %llu %llu %llx %llx\n", (unsigned long long)one->instructions,
                (unsigned long long)one->at, (unsigned long long)one->first, (unsigned long long)one->last);
    }
    for (int event = 0; is_profile && event < EVENTS; event++) {
        uint64_t times = 0;
        for (const struct block *block = blocks; block; block = block->next)
            times += block->times * block->events[event];
        fprintf(file, "event %s %llu\n", events[event].name, (unsigned long long)times);
    }
    for (const struct block *block = is_profile ? blocks : NULL; block; block = block->next) {
        if (!block->times)
            continue;
        fprintf(file, "block %llx %llu %llu ", (unsigned long long)block->address,
                (unsigned long long)block->instructions, (unsigned long long)block->times);
        for (size_t at = 0; at < block->length; at++)
            fprintf(file, "%02x", block->code[at]);
        fputc('\n', file);
    }
    fclose(file);
}

static bool read_mark(char *text)
{
    struct mark *mark = &marks[mark_count];
    char *address = strchr(text, ':');
    if (!address || mark_count == MARKS)
        return false;
    *address++ = 0;
    char *code = NULL;
    mark->name = text;
    mark->address = strtoull(address, &code, 16);
    if (*code++ != ':')
        return false;
    for (unsigned int byte; mark->length < CODE && sscanf(code, "%2x", &byte) == 1; code += 2)
        mark->code[mark->length++] = byte;
    mark_count++;
    return true;
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                                                char **argv)
{
    (void)info;
    for (int index = 0; index < argc; index++) {
        char *argument = strdup(argv[index]);
        if (!argument)
            return -1;
        if (!strncmp(argument, "out=", 4))
            out = argument + 4;
        else if (!strcmp(argument, "profile=on"))
            is_profile = true;
        else if (!strcmp(argument, "stretches=on"))
            is_stretches = true;
        else if (!strncmp(argument, "from=", 5))
            from = strtoull(argument + 5, NULL, 10);
        else if (!strncmp(argument, "to=", 3))
            to = strtoull(argument + 3, NULL, 10);
        else if (!strncmp(argument, "mark=", 5) && read_mark(argument + 5))
            continue;
        else if (!strncmp(argument, "tally=", 6) && read_mark(argument + 6))
            marks[mark_count - 1].is_tally = true;
        else
            return -1;
    }
    if (!out)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
