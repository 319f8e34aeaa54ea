/* Trials: what the kernel would take is told apart from what it would not, and neither leaves a trace. */
#include "enforcer/kernel/probe.h"
#include "tests/unit/reading.h"

#include <ringfence/reconcile.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POLICY                                                                                                 \
	"ringfence: v1\nnamespace: shop\nservices:\n  web: {workloads: {app: web}, ports: {http: 8080/tcp}}\n" \
	"  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}\nallow:\n  - {from: web, to: db}\n"              \
	"---\nringfence: v1\nworkloads:\n  - {name: db-1, namespace: shop, labels: {app: db}, addresses: "     \
	"[10.0.1.13]}\n"

struct fixture {
	struct kernel *kernel;
	struct arena *arena;
	struct ruleset *ruleset;
};

static struct fixture fixture;

static int enter(void **state)
{
	struct reading reading;
	*state = &fixture;
	if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0 || kernel_open(&fixture.kernel) != 0)
		return 0;
	fixture.arena = arena_create();
	struct world world = read_policy(&reading, "shop.yaml", POLICY);
	fixture.ruleset = ruleset_lower(fixture.arena, &world, NULL, 1, &reading.diagnostics);
	arena_pass(reading.arena, fixture.arena);
	return 0;
}

static int leave(void **state)
{
	(void)state;
	kernel_close(fixture.kernel);
	arena_free(fixture.arena);
	return 0;
}

#define SKIP_UNLESS_ROOT(f)                                                   \
	if ((f)->kernel == NULL) {                                            \
		print_message("skipped: no network namespace can be made\n"); \
		skip();                                                       \
	}

/* Everything that the kernel holds, as nft lists it. */
static const char *listed(void)
{
	static char text[1 << 16];
	FILE *stream = popen("nft list ruleset", "r");
	assert_non_null(stream);
	size_t length = fread(text, 1, sizeof text - 1, stream);
	text[length] = 0;
	assert_int_equal(pclose(stream), 0);
	return text;
}

static void this_kernel_has_every_feature(void **state)
{
	struct fixture *f = *state;
	int error = 0;
	SKIP_UNLESS_ROOT(f);
	const char *missing = kernel_probe(f->kernel, &error);
	if (missing != NULL)
		fail_msg("%s: %s", missing, strerror(-error));
	assert_string_equal(listed(), "");
}

static void a_probe_leaves_a_table_as_it_was(void **state)
{
	struct fixture *f = *state;
	int error = 0;
	SKIP_UNLESS_ROOT(f);
	assert_int_equal(kernel_apply(f->kernel, plan_make(f->arena, NULL, f->ruleset), time(NULL)).error, 0);
	char *before = strdup(listed());
	assert_null(kernel_probe(f->kernel, &error));
	assert_string_equal(listed(), before);
	free(before);
}

static void a_trial_names_what_would_be_refused(void **state)
{
	struct fixture *f = *state;
	struct statement jump = {.kind = STATEMENT_JUMP, .text = "nowhere"};
	struct rule rule = {.statements = &jump, .statement_count = 1};
	struct chain chain = {.name = "trial", .rules = &rule, .rule_count = 1};
	struct operation operations[] = {{.kind = OPERATION_ADD_TABLE, .name = RULESET_TABLE},
					 {.kind = OPERATION_ADD_CHAIN, .name = "trial", .chain = &chain},
					 {.kind = OPERATION_ADD_RULES, .name = "trial", .chain = &chain}};
	struct transaction transaction = {.operations = operations, .count = 2};
	SKIP_UNLESS_ROOT(f);
	assert_int_equal(kernel_try(f->kernel, &transaction, 0).error, 0);
	transaction.count = 3;
	struct answer answer = kernel_try(f->kernel, &transaction, 0);
	assert_int_equal(answer.error, -ENOENT);
	assert_string_equal(answer.object, "rule 1 of chain trial");
}

static void without_the_capability_nothing_is_tried(void **state)
{
	struct fixture *f = *state;
	int error = 0;
	SKIP_UNLESS_ROOT(f);
	assert_int_equal(seteuid(65534), 0);
	const char *missing = kernel_probe(f->kernel, &error);
	assert_int_equal(seteuid(0), 0);
	assert_non_null(missing);
	assert_int_equal(error, -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(this_kernel_has_every_feature),
	    cmocka_unit_test(a_probe_leaves_a_table_as_it_was),
	    cmocka_unit_test(a_trial_names_what_would_be_refused),
	    cmocka_unit_test(without_the_capability_nothing_is_tried),
	};
	return cmocka_run_group_tests(tests, enter, leave);
}
