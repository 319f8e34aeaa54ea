/* How long lint takes: `lint [SERVICES [ALLOWS [WORKLOADS]]]`, 1,000, 10,000 and 10,000 where they are left out. Each
 * of the kinds of policy below is hard on another look-up; `plain` is what people write. */
#include <ringfence/arena.h>
#include <ringfence/frontend.h>
#include <ringfence/lint.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static unsigned roll(unsigned sides)
{
	static uint64_t state = 1; /* Knuth's MMIX */
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state >> 33) % sides;
}

/* A kind of policy: the labels of a service, and an allow; F, T and P stand for the numbers of two services and a port.
 */
static const struct kind {
	const char *name, *selector, *allow;
	unsigned per_namespace;
} kinds[] = {
    {"plain", "{app: sF}", "  - {from: sF, to: sT, ports: [P/tcp], why: x}\n", 100},
    {"one namespace", "{app: sF}", "  - {from: sF, to: sT, ports: [P/tcp], why: x}\n", 1000000},
    {"a common label", "{env: prod, app: sF}", "  - {from: sF, to: sT, ports: [P/tcp], why: x}\n", 1000000},
    {"labels", "{app: sF}", "  - {from: {labels: {app: sF}}, to: {labels: {app: sT}}, ports: [P/tcp]}\n", 1000000},
    {"every namespace", "{app: sF}",
     "  - {from: {labels: {app: sF}, namespaces: any}, to: {labels: {app: sT}, namespaces: any}, ports: [P/tcp]}\n",
     1000000},
    {"from any", "{app: sF}", "  - {from: any, to: [sT, {labels: {role: rF}}], ports: [P/tcp]}\n", 1000000},
    {"no value", "{app: {not: sF}}", "  - {from: {labels: {app: {not: sF}}}, to: sT, ports: [P/tcp]}\n", 1000000},
    {"addresses", "{app: sF}", "  - {from: {cidr: 10.0.0.0/8}, to: [sT, {cidr: 10.0.F.0/32}], ports: [P/tcp]}\n", 250},
};

/* Writes `text` with numbers for F, T and P. */
static void fill(FILE *out, const char *text, unsigned from, unsigned to, unsigned port)
{
	for (; *text != 0; text++) {
		if (*text == 'F' || *text == 'T' || *text == 'P')
			fprintf(out, "%u", *text == 'F' ? from : *text == 'T' ? to : port);
		else
			fputc(*text, out);
	}
}

static void write_policy(FILE *out, const struct kind *kind, unsigned services, unsigned allows, unsigned workloads)
{
	unsigned per = services < kind->per_namespace ? services : kind->per_namespace, namespaces = services / per;
	for (unsigned n = 0; n < namespaces; n++) {
		fprintf(out, "---\nringfence: v1\nnamespace: n%u\nservices:\n", n);
		for (unsigned i = 0; i < per; i++) {
			fprintf(out, "  s%u: {workloads: ", i);
			fill(out, kind->selector, i, 0, 0);
			fputs(", ports: {http: 8080/tcp}}\n", out);
		}
		fputs("allow:\n", out);
		for (unsigned i = 0; i < allows / namespaces; i++) {
			unsigned from = roll(per), to = roll(per);
			fill(out, kind->allow, from, to, 8080 + roll(3));
		}
		fputs(workloads > 0 ? "workloads:\n" : "", out);
		for (unsigned i = 0; i < workloads / namespaces; i++)
			fprintf(
			    out,
			    "  - {name: w%u, labels: {env: prod, app: s%u, id: i%u}, addresses: [\"fd00::%x:%x\"]}\n",
			    i, i % per, i, n + 1, i + 1);
	}
}

/* Of the processor, since others may use the machine. */
static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int measure(const struct kind *kind, unsigned services, unsigned allows, unsigned workloads)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	if (out == NULL)
		return 1;
	write_policy(out, kind, services, allows, workloads);
	if (fclose(out) != 0)
		return 1;
	struct arena *arena = arena_create();
	struct diagnostics diagnostics;
	struct frontend frontend;
	double begin = seconds();
	diagnostics_init(&diagnostics, arena);
	frontend_init(&frontend, arena, &diagnostics);
	frontend_add_text(&frontend, "p", text, size);
	frontend_finish(&frontend);
	size_t errors = diagnostics.errors;
	double read = seconds();
	const struct world world = {&frontend.policy, &frontend.inventory, 0};
	lint_run(&diagnostics, arena, &world);
	double linted = seconds();
	printf("%-16s services=%zu allows=%zu workloads=%zu read=%.3f lint=%.3f findings=%zu\n", kind->name,
	       frontend.policy.service_count, frontend.policy.allow_count, frontend.inventory.workload_count,
	       read - begin, linted - read, diagnostics.count);
	if (errors > 0)
		fprintf(stderr, "%s: %zu errors: too large for its names and addresses\n", kind->name, errors);
	arena_free(arena);
	free(text);
	return errors > 0;
}

int main(int count, char **words)
{
	unsigned services = count > 1 ? (unsigned)atoi(words[1]) : 1000;
	unsigned allows = count > 2 ? (unsigned)atoi(words[2]) : 10000;
	unsigned workloads = count > 3 ? (unsigned)atoi(words[3]) : 10000;
	int status = 0;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		status |= measure(&kinds[i], services, allows, workloads);
	return status;
}
