/* How long it takes to read and resolve a policy with its inventory, and how much memory at most: `read [SERVICES]`,
 * 10,000 where it is left out, each with ten allows and ten workloads. A tenth of it is read first, so that growth
 * shows. The text is a document for each hundred services, and one for all workloads. Then how long the daemon takes to
 * read one workload's file. All is written and read in processes of its own, so that no other's memory counts. */
#include <ringfence/arena.h>
#include <ringfence/frontend.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PER_NAMESPACE = 100, PER_SERVICE = 10, SMALL_ROUNDS = 20000, ROUNDS = 5 };

static unsigned roll(unsigned sides)
{
	static uint64_t state = 1; /* Knuth's MMIX */
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state >> 33) % sides;
}

static FILE *create(const char *directory, const char *name)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s.yaml", directory, name);
	FILE *out = fopen(path, "we");
	if (out == NULL) {
		perror(path);
		exit(1);
	}
	return out;
}

static void write_namespace(FILE *out, unsigned number, unsigned namespaces)
{
	static const char *const ports[] = {"http", "metrics", "443/tcp", "8000-8100/udp"};
	fprintf(out, "ringfence: v1\nnamespace: n%u\nservices:\n", number);
	for (unsigned i = 0; i < PER_NAMESPACE; i++)
		fprintf(out, "  s%u: {workloads: {app: s%u}, ports: {http: %u/tcp, metrics: 9090/tcp}}\n", i, i,
			8000 + i);
	fputs("allow:\n", out);
	for (unsigned i = 0; i < PER_NAMESPACE * PER_SERVICE; i++)
		fprintf(out, "  - {from: n%u/s%u, to: s%u, ports: [%s]}\n", roll(namespaces), roll(PER_NAMESPACE),
			i / PER_SERVICE, ports[roll(4)]);
}

static void write_workload(FILE *out, unsigned number)
{
	unsigned service = number / PER_SERVICE, address = number + 257; /* from 10.0.1.1 on */
	fprintf(out,
		"  - {name: s%u-%u, namespace: n%u, node: node-%u, labels: {app: s%u}, addresses: [10.%u.%u.%u]}\n",
		service % PER_NAMESPACE, number % PER_SERVICE, service / PER_NAMESPACE, number / 100,
		service % PER_NAMESPACE, address >> 16, address >> 8 & 255, address & 255);
}

static void write_input(const char *directory, unsigned services)
{
	unsigned namespaces = (services + PER_NAMESPACE - 1) / PER_NAMESPACE;
	FILE *out;
	for (unsigned i = 0; i < namespaces; i++) {
		char name[32];
		snprintf(name, sizeof name, "n%u", i);
		out = create(directory, name);
		write_namespace(out, i, namespaces);
		fclose(out);
	}
	out = create(directory, "workloads");
	fputs("ringfence: v1\nworkloads:\n", out);
	for (unsigned i = 0; i < namespaces * PER_NAMESPACE * PER_SERVICE; i++)
		write_workload(out, i);
	fclose(out);
}

static void write_small(const char *directory)
{
	FILE *out = create(directory, "workload");
	fputs("ringfence: v1\nworkloads:\n", out);
	write_workload(out, 12345);
	fclose(out);
}

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Reads a path once, as the command or as the daemon does. Returns the seconds, and exits where it cannot be read. */
static double read_once(const char *path, bool inventory_only, size_t *services, size_t *workloads)
{
	double begin = seconds();
	struct arena *arena = arena_create();
	struct diagnostics diagnostics;
	struct frontend frontend;
	diagnostics_init(&diagnostics, arena);
	frontend_init(&frontend, arena, &diagnostics);
	frontend.inventory_only = inventory_only;
	frontend_add_path(&frontend, path);
	frontend_finish(&frontend);
	double took = seconds() - begin;
	diagnostics_print(&diagnostics, stderr, false);
	*services = frontend.policy.service_count;
	*workloads = frontend.inventory.workload_count;
	if (diagnostics.errors > 0)
		exit(1);
	arena_free(arena);
	return took;
}

static void read_large(const char *directory)
{
	struct rusage usage;
	size_t services, workloads;
	double took = read_once(directory, false, &services, &workloads);
	getrusage(RUSAGE_SELF, &usage);
	printf("services=%zu allows=%zu workloads=%zu seconds=%.3f peak=%ld KiB\n", services, services * PER_SERVICE,
	       workloads, took, usage.ru_maxrss);
}

static void read_small(const char *directory)
{
	char path[128];
	size_t services, workloads;
	double took = 0;
	snprintf(path, sizeof path, "%s/workload.yaml", directory);
	for (unsigned i = 0; i < SMALL_ROUNDS; i++)
		took += read_once(path, true, &services, &workloads);
	printf("one workload file: %.1f us\n", took / SMALL_ROUNDS * 1e6);
}

/* Runs `work` in a process of its own. */
static void apart(void (*work)(const char *), const char *directory)
{
	int status = 1;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		work(directory);
		exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
		exit(1);
}

static unsigned service_count;

static void write_large(const char *directory)
{
	write_input(directory, service_count);
}

/* A directory for what `write` writes and `read` reads, for as long as that takes. */
static void measure(void (*write)(const char *), void (*read)(const char *), unsigned rounds)
{
	char directory[] = "/tmp/ringfence-bench.XXXXXX", command[64];
	if (mkdtemp(directory) == NULL)
		exit(1);
	apart(write, directory);
	for (unsigned i = 0; i < rounds; i++)
		apart(read, directory);
	snprintf(command, sizeof command, "rm -rf '%s'", directory);
	if (system(command) != 0)
		exit(1);
}

int main(int count, char **words)
{
	unsigned services = count > 1 ? (unsigned)atoi(words[1]) : 10000;
	if (services < 10)
		return 1;
	service_count = services / 10;
	measure(write_large, read_large, ROUNDS);
	service_count = services;
	measure(write_large, read_large, ROUNDS);
	measure(write_small, read_small, 1);
	return 0;
}
