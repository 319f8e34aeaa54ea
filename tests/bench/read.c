/* How long it takes to read and resolve a large policy, and how much memory at most: `read [SERVICES [ALLOWS]]`, 10,000
 * and 100,000 where they are left out. A document for each hundred services; every allow goes from a service of some
 * namespace to one of its own. The text is made first, in a process of its own, so that its memory does not count. */
#include <ringfence/arena.h>
#include <ringfence/frontend.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PER_NAMESPACE = 100 };

static unsigned roll(unsigned sides)
{
	static uint64_t state = 1; /* Knuth's MMIX */
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state >> 33) % sides;
}

static void write_namespace(FILE *out, unsigned number, unsigned namespaces, unsigned allows)
{
	static const char *const ports[] = {"http", "metrics", "443/tcp", "8000-8100/udp"};
	fprintf(out, "ringfence: v1\nnamespace: n%u\nservices:\n", number);
	for (unsigned i = 0; i < PER_NAMESPACE; i++)
		fprintf(out,
			"  s%u:\n    workloads: {app: s%u, tier: [gold, silver]}\n"
			"    ports: {http: %u/tcp, metrics: 9090/tcp}\n",
			i, i, 8000 + i);
	fputs("allow:\n", out);
	for (unsigned i = 0; i < allows; i++)
		fprintf(out, "  - {from: n%u/s%u, to: s%u, ports: [%s], why: reason %u}\n", roll(namespaces),
			roll(PER_NAMESPACE), roll(PER_NAMESPACE), ports[roll(4)], i);
}

static void write_policy(const char *directory, unsigned services, unsigned allows)
{
	unsigned namespaces = (services + PER_NAMESPACE - 1) / PER_NAMESPACE;
	for (unsigned i = 0; i < namespaces; i++) {
		char path[128];
		snprintf(path, sizeof path, "%s/n%u.yaml", directory, i);
		FILE *out = fopen(path, "we");
		if (out == NULL) {
			perror(path);
			exit(1);
		}
		write_namespace(out, i, namespaces, allows / namespaces);
		fclose(out);
	}
}

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int read_policy(const char *directory)
{
	struct arena *arena = arena_create();
	struct diagnostics diagnostics;
	struct frontend frontend;
	struct rusage usage;
	double begin = seconds();
	diagnostics_init(&diagnostics, arena);
	frontend_init(&frontend, arena, &diagnostics);
	frontend_add_path(&frontend, directory);
	frontend_finish(&frontend);
	double took = seconds() - begin;
	getrusage(RUSAGE_SELF, &usage);
	diagnostics_print(&diagnostics, stderr, false);
	printf("services=%zu allows=%zu seconds=%.2f peak=%ld KiB\n", frontend.policy.service_count,
	       frontend.policy.allow_count, took, usage.ru_maxrss);
	arena_free(arena);
	return diagnostics.errors > 0;
}

int main(int count, char **words)
{
	char directory[] = "/tmp/ringfence-bench.XXXXXX", command[64];
	unsigned services = count > 1 ? (unsigned)atoi(words[1]) : 10000;
	unsigned allows = count > 2 ? (unsigned)atoi(words[2]) : 100000;
	if (services == 0 || mkdtemp(directory) == NULL)
		return 1;
	pid_t writer = fork();
	if (writer == 0) {
		write_policy(directory, services, allows);
		exit(0);
	}
	int status = 1;
	if (writer > 0 && waitpid(writer, &status, 0) == writer && status == 0)
		status = read_policy(directory);
	snprintf(command, sizeof command, "rm -rf '%s'", directory);
	return system(command) != 0 || status != 0;
}
