/* What a simulated node does without: the kernel, and what only the kernel can tell. The linker puts these in the place
 * of the functions of their names (--wrap). A node's kernel is its daemon: it holds what is enforced. */
#include "tests/bench/simulation/simulated.h"

#include "enforcer/http_client/http_client.h"
#include "enforcer/service/daemon.h"
#include "enforcer/service/findings.h"
#include "enforcer/service/usage.h"

#include <ringfence/arena.h>
#include <ringfence/connections.h>
#include <ringfence/scan.h>

#include <jansson.h>

int __wrap_kernel_read(struct kernel *kernel, struct arena *arena, int64_t at, struct ruleset **actual);
struct scan *__wrap_kernel_scan_start(struct kernel *kernel, struct arena *arena, int64_t at,
				      const struct scan_reader *reader);
int __wrap_kernel_scan_step(struct scan *scan, uint64_t budget);
void __wrap_kernel_scan_finish(struct scan *scan);
struct answer __wrap_kernel_apply(struct kernel *kernel, const struct plan *plan, int64_t at);
int __wrap_connections_start(struct kernel *kernel);
int __wrap_connections_step(struct kernel *kernel, const struct connections_reader *reader, uint64_t budget);
json_t *__wrap_findings_kinds(const struct findings *findings);
void __wrap_usage_read_denials(struct usage_following *following);
int __wrap_malloc_trim(size_t pad);
struct http_call *__real_http_start(struct http_client *client, const struct http_request *request);
struct http_call *__wrap_http_start(struct http_client *client, const struct http_request *request);

static struct ruleset *table_of(struct kernel *kernel, struct arena *arena, bool elements)
{
	const struct daemon *daemon = (const void *)kernel;
	return daemon->enforced != NULL ? lowering_ruleset(daemon->enforced, arena, elements)
					: arena_alloc(arena, sizeof(struct ruleset));
}

int __wrap_kernel_read(struct kernel *kernel, struct arena *arena, int64_t at, struct ruleset **actual)
{
	(void)at;
	*actual = table_of(kernel, arena, true);
	return 0;
}

/* Only the objects are ever asked for. */
struct scan *__wrap_kernel_scan_start(struct kernel *kernel, struct arena *arena, int64_t at,
				      const struct scan_reader *reader)
{
	(void)at;
	reader->objects(reader->context, table_of(kernel, arena, false));
	return arena_alloc(arena, 1);
}

int __wrap_kernel_scan_step(struct scan *scan, uint64_t budget)
{
	(void)scan;
	(void)budget;
	return 1;
}

void __wrap_kernel_scan_finish(struct scan *scan)
{
	(void)scan;
}

/* Nobody has a connection. */
int __wrap_connections_start(struct kernel *kernel)
{
	(void)kernel;
	return 0;
}

int __wrap_connections_step(struct kernel *kernel, const struct connections_reader *reader, uint64_t budget)
{
	(void)kernel;
	(void)reader;
	(void)budget;
	return 0;
}

/* The transactions are made, byte by byte, and go nowhere. */
struct answer __wrap_kernel_apply(struct kernel *kernel, const struct plan *plan, int64_t at)
{
	uint64_t bytes = plan->count > 0 ? plan_bytes(plan, at) : 0;
	if (plan->count > 0)
		simulated_note_plan(kernel, bytes);
	return (struct answer){.bytes = bytes};
}

json_t *__wrap_findings_kinds(const struct findings *findings)
{
	(void)findings;
	return json_array();
}

void __wrap_usage_read_denials(struct usage_following *following)
{
	(void)following;
}

/* A daemon gives back what a policy took; here hundreds of them share a heap, which is looked through each time. */
int __wrap_malloc_trim(size_t pad)
{
	(void)pad;
	return 0;
}

struct http_call *__wrap_http_start(struct http_client *client, const struct http_request *request)
{
	simulated_note_request();
	return __real_http_start(client, request);
}
