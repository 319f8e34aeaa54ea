/* What the daemon's inventory costs: `state [WORKLOADS [CHANGES]]`, 100,000 and 10,000 where they are left out, a file
 * for each workload. Prints memory, and the time of a change with and without the file's reading. The files are made
 * first, in a process of its own, so that its memory does not count. Times are those of the processor. */
#include "enforcer/desired/files.h"

#include <ringfence/arena.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PER_SERVICE = 10, ROUNDS_OF_GROWTH = 100000 };

/* Of the processor, so that what else runs counts less. */
static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double resident_mib(void)
{
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");
	if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1)
		exit(1);
	fclose(file);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static void write_file(const char *directory, unsigned number, unsigned version)
{
	char path[128];
	snprintf(path, sizeof path, "%s/web-%u-6d5f8.yaml", directory, number);
	FILE *out = fopen(path, "we");
	if (out == NULL) {
		perror(path);
		exit(1);
	}
	fprintf(out,
		"ringfence: v1\nnamespace: n%u\nworkloads:\n"
		"  - name: web-%u-6d5f8\n    labels: {app: s%u, tier: gold, version: v%u}\n"
		"    addresses: [10.%u.%u.%u]\n    interface: veth%u\n    ports: {http: 8080/tcp}\n",
		number / PER_SERVICE % 100, number, number / PER_SERVICE, version, number >> 16, number >> 8 & 255,
		number & 255, number);
	fclose(out);
}

static int compare_times(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

static void print_times(const char *what, double *times, unsigned count)
{
	qsort(times, count, sizeof *times, compare_times);
	printf("%-40s p50 %7.1f us  p99 %7.1f us\n", what, times[count / 2] * 1e6, times[count * 99 / 100] * 1e6);
}

/* Changes with the file read from the disk: event to changes. */
static void time_readings(struct state *state, const char *directory, unsigned workloads, unsigned changes,
			  double *times)
{
	static unsigned total; /* one version after the other is rolled out */
	for (unsigned i = 0; i < changes; i++) {
		struct changes found;
		char path[128];
		unsigned number = (unsigned)((uint64_t)total * 7919 % workloads);
		snprintf(path, sizeof path, "%s/web-%u-6d5f8.yaml", directory, number);
		write_file(directory, number, 1 + total++ / workloads);
		double begin = seconds();
		state_read_workloads(state, path, &found);
		times[i] = seconds() - begin;
		if (found.count != 1)
			exit(1);
	}
}

/* The same changes of a live inventory of this size, without files. */
static void time_changes(unsigned workloads, unsigned changes, double *times)
{
	struct live live;
	struct content *contents = calloc(workloads, sizeof *contents);
	struct label labels[] = {{"app", "web"}, {"version", "v1"}};
	struct address address = {.family = 4, .bytes = {10}};
	char name[32];
	struct workload workload = {
	    .name_space = "default", .name = name, .labels = {labels, 2}, .addresses = &address, .address_count = 1};
	struct workload *list = &workload;
	const struct inventory inventory = {.workloads = &list, .workload_count = 1};
	live_init(&live);
	for (unsigned i = 0; i < workloads + changes; i++) {
		unsigned number = (unsigned)((uint64_t)i * 7919 % workloads);
		double begin = seconds();
		snprintf(name, sizeof name, "web-%u", number);
		memcpy(&address.bytes[1],
		       (unsigned char[]){(unsigned char)(number >> 16), (unsigned char)(number >> 8),
					 (unsigned char)number},
		       3);
		labels[1].value = i < workloads ? "v1" : i / workloads % 2 == 1 ? "v2" : "v3";
		live_begin(&live);
		live_replace(&live, &contents[number], &inventory, number + 1);
		if (live_settle(&live).count != 1)
			exit(1);
		if (i >= workloads)
			times[i - workloads] = seconds() - begin;
	}
	live_begin(&live);
	for (unsigned i = 0; i < workloads; i++)
		live_replace(&live, &contents[i], &(struct inventory){0}, i + 1);
	live_finish(&live);
	free(contents);
}

static void measure(const char *directory, unsigned workloads, unsigned changes)
{
	struct changes found;
	double *times = calloc(changes, sizeof *times);
	if (times == NULL)
		exit(1);
	memset(times, 1, changes * sizeof *times);
	double before = resident_mib(), begin = seconds();
	struct state *state = state_create("here");
	if (state_scan_workloads(state, directory, &found) != 0 || found.count != workloads)
		exit(1);
	printf("%-40s %.2f s for %zu workloads\n", "scan at start", seconds() - begin, found.count);
	time_readings(state, directory, workloads, 1, times); /* lets go of the changes of the scan */
	double full = resident_mib();
	printf("%-40s %.1f MiB before, %.1f MiB after: %.0f bytes each\n", "resident", before, full,
	       (full - before) * (1 << 20) / workloads);
	time_readings(state, directory, workloads, changes, times);
	print_times("one change, with its file", times, changes);
	for (unsigned done = 0; done < ROUNDS_OF_GROWTH; done += changes)
		time_readings(state, directory, workloads, changes, times);
	printf("%-40s %.1f MiB\n", "resident after 100,000 changes", resident_mib());
	begin = seconds();
	state_scan_workloads(state, directory, &found);
	printf("%-40s %.2f s, %zu changes, %.1f MiB\n", "scan again", seconds() - begin, found.count, resident_mib());
	state_destroy(state);
	malloc_trim(0);
	time_changes(workloads, changes, times);
	print_times("one change, without", times, changes);
	time_changes(workloads / 100, changes, times);
	print_times("one change, without, among a hundredth", times, changes);
	free(times);
}

int main(int count, char **words)
{
	char directory[] = "/tmp/ringfence-bench.XXXXXX", command[64];
	unsigned workloads = count > 1 ? (unsigned)atoi(words[1]) : 100000;
	unsigned changes = count > 2 ? (unsigned)atoi(words[2]) : 10000;
	if (workloads < 100 || changes == 0 || mkdtemp(directory) == NULL)
		return 1;
	pid_t writer = fork();
	if (writer == 0) {
		for (unsigned i = 0; i < workloads; i++)
			write_file(directory, i, 0);
		exit(0);
	}
	int status = 1;
	bool written = writer > 0 && waitpid(writer, &status, 0) == writer && status == 0;
	if (written)
		measure(directory, workloads, changes);
	snprintf(command, sizeof command, "rm -rf '%s'", directory);
	return system(command) != 0 || !written;
}
