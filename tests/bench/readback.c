/* How long it takes to read a set of many elements back, and how long its reader is busy at a time: `readback
 * [ENTRIES]`, 1,000,000 where it is left out.
 *
 *   read  kernel_read: a dump, the elements kept
 *   dump  a scan that is not told what should be there: a dump, for a digest
 *   ask   a scan that is told
 *
 * For scans, in slices of a millisecond: CPU seconds in all, and of the slices the 99th percentile and the longest, in
 * microseconds of CPU and of the clock. Peak memory beyond that of the ruleset, in KiB. A line of JSON each. */
#include <ringfence/scan.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BUDGET = 1000, SLICES_MAX = 1000000 };

struct bench {
	struct arena *arena;
	struct ruleset *ruleset;
	struct set *set;
	bool told;
	struct scanned scanned;
	uint32_t cpu[SLICES_MAX], clock[SLICES_MAX]; /* microseconds of each slice */
	size_t slices;
};

static uint64_t microseconds(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void print(const struct bench *bench, const char *variant, const char *metric, double value)
{
	printf("{\"bench\":\"readback\",\"variant\":\"%s\",\"entries\":%zu,\"metric\":\"%s\",\"value\":%.6g}\n",
	       variant, bench->set->element_count, metric, value);
}

static void fill(struct bench *bench, size_t entries)
{
	struct set *set = bench->set = arena_alloc(bench->arena, sizeof *set);
	bench->ruleset = arena_alloc(bench->arena, sizeof *bench->ruleset);
	bench->ruleset->generation = 1;
	bench->ruleset->at = time(NULL);
	*arena_push(bench->arena, bench->ruleset->sets, bench->ruleset->set_count) = set;
	snprintf(set->name, sizeof set->name, "g1_in4_readback");
	set->key = KEY_PORT4;
	set->size = (uint32_t)(entries + entries / 4);
	set->element_count = entries;
	set->elements = arena_alloc(bench->arena, entries * sizeof *set->elements);
	for (size_t i = 0; i < entries; i++) {
		uint32_t address = htonl(0x0a000001 + (uint32_t)i);
		memcpy(set->elements[i].key, &address, sizeof address);
		set->elements[i].key[4] = IPPROTO_TCP;
		set->elements[i].key[9] = 80;
		memcpy(set->elements[i].end, set->elements[i].key, sizeof set->elements[i].end);
	}
}

static size_t wanted(void *context, const struct set *set, uint64_t *cursor, struct element *elements, size_t room)
{
	const struct bench *bench = context;
	size_t count = 0;
	(void)set;
	for (; bench->told && count < room && *cursor < bench->set->element_count; count++)
		elements[count] = bench->set->elements[(*cursor)++];
	return count;
}

static void note(void *context, const struct set *set, const struct scanned *scanned)
{
	struct bench *bench = context;
	(void)set;
	bench->scanned = *scanned;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static void print_slices(const struct bench *bench, const char *variant, const char *what, uint32_t *slices)
{
	char metric[64];
	qsort(slices, bench->slices, sizeof *slices, compare);
	snprintf(metric, sizeof metric, "slice_%s_p99_us", what);
	print(bench, variant, metric, slices[bench->slices * 99 / 100]);
	snprintf(metric, sizeof metric, "slice_%s_max_us", what);
	print(bench, variant, metric, slices[bench->slices - 1]);
}

static int scan(struct bench *bench, struct kernel *kernel, const char *variant)
{
	static const char *const nothing[] = {NULL};
	const struct scan_reader reader = {.context = bench, .keep = nothing, .wanted = wanted, .set = note};
	struct arena *arena = arena_create();
	struct scan *scan = kernel_scan_start(kernel, arena, bench->ruleset->at, &reader);
	uint64_t total = 0;
	int result = 0;
	for (bench->slices = 0; result == 0 && bench->slices < SLICES_MAX; bench->slices++) {
		uint64_t clock = microseconds(CLOCK_MONOTONIC), cpu = microseconds(CLOCK_THREAD_CPUTIME_ID);
		result = kernel_scan_step(scan, BUDGET);
		bench->cpu[bench->slices] = (uint32_t)(microseconds(CLOCK_THREAD_CPUTIME_ID) - cpu);
		bench->clock[bench->slices] = (uint32_t)(microseconds(CLOCK_MONOTONIC) - clock);
		total += bench->cpu[bench->slices];
	}
	kernel_scan_finish(scan);
	arena_free(arena);
	if (result != 1 || bench->scanned.missing != 0 || bench->scanned.count != bench->set->element_count)
		return 1;
	print(bench, variant, "seconds_cpu", (double)total / 1e6);
	print_slices(bench, variant, "cpu", bench->cpu);
	print_slices(bench, variant, "clock", bench->clock);
	return 0;
}

static int read_all(struct bench *bench, struct kernel *kernel)
{
	struct arena *arena = arena_create();
	struct ruleset *actual;
	uint64_t cpu = microseconds(CLOCK_THREAD_CPUTIME_ID);
	int error = kernel_read(kernel, arena, bench->ruleset->at, &actual);
	cpu = microseconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
	bool whole = error == 0 && actual->sets[0]->element_count == bench->set->element_count;
	arena_free(arena);
	if (whole)
		print(bench, "read", "seconds_cpu", (double)cpu / 1e6);
	return whole ? 0 : 1;
}

/* In a process of its own, whose peak of memory is the variant's. */
static int run(struct bench *bench, struct kernel *kernel, const char *variant)
{
	struct rusage before, after;
	int status = 1;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		getrusage(RUSAGE_SELF, &before);
		bench->told = strcmp(variant, "ask") == 0;
		status = strcmp(variant, "read") == 0 ? read_all(bench, kernel) : scan(bench, kernel, variant);
		getrusage(RUSAGE_SELF, &after);
		print(bench, variant, "peak_kib", (double)(after.ru_maxrss - before.ru_maxrss));
		fflush(stdout);
		_exit(status);
	}
	if (child > 0)
		waitpid(child, &status, 0);
	return status;
}

int main(int count, char **words)
{
	static struct bench bench;
	struct kernel *kernel;
	size_t entries = count > 1 ? strtoul(words[1], NULL, 10) : 1000000;
	bench.arena = arena_create();
	if (entries == 0 || entries > RULESET_ELEMENTS_MAX || unshare(CLONE_NEWNET) != 0 || kernel_open(&kernel) != 0)
		return 1;
	fill(&bench, entries);
	struct answer answer = kernel_apply(kernel, plan_make(bench.arena, NULL, bench.ruleset), bench.ruleset->at);
	int failed = answer.error != 0;
	if (!failed)
		failed = run(&bench, kernel, "ask") | run(&bench, kernel, "dump") | run(&bench, kernel, "read");
	if (failed)
		fprintf(stderr, "readback: failed\n");
	kernel_close(kernel);
	arena_free(bench.arena);
	return failed != 0;
}
