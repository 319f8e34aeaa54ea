/* Units from a tree of cgroups: which become workloads, how they are called, and what no user can make. The tree is the
 * kernel's own, mounted for this process alone; without root there is none to make, and that is said. */
#include "enforcer/sources/units.h"

#include <ringfence/arena.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64] = "/tmp/ringfence-units.XXXXXX", slice[64];
static const char *made[32];
static size_t made_count;

static bool make(const char *name)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s/%s", root, slice, name);
	made[made_count++] = name;
	return mkdir(path, 0755) == 0;
}

static int enter(void **state)
{
	char path[160];
	(void)state;
	if (mkdtemp(root) == NULL || unshare(CLONE_NEWNS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("none", root, "cgroup2", 0, NULL) != 0) {
		print_message("# skipped: no cgroup2 can be mounted here (%s)\n", strerror(errno));
		return 0;
	}
	snprintf(slice, sizeof slice, "rfunits%d.slice", getpid());
	snprintf(path, sizeof path, "%s/%s", root, slice);
	return mkdir(path, 0755);
}

static int leave(void **state)
{
	char path[512];
	(void)state;
	while (made_count > 0) {
		snprintf(path, sizeof path, "%s/%s/%s", root, slice, made[--made_count]);
		rmdir(path);
	}
	if (slice[0] != 0) {
		snprintf(path, sizeof path, "%s/%s", root, slice);
		rmdir(path);
		umount(root);
	}
	return rmdir(root);
}

static const char *const patterns[] = {"rft-*.service"};

static int read_units(struct arena *arena, struct inventory *inventory)
{
	const struct units units = {root, "systemd", (const char **)patterns, 1};
	*inventory = (struct inventory){0};
	return units_read(arena, &units, "n0", inventory);
}

static const struct workload *find(const struct inventory *inventory, const char *unit)
{
	for (size_t i = 0; i < inventory->workload_count; i++) {
		const char *name = strrchr(inventory->workloads[i]->cgroup, '/') + 1;
		if (strcmp(name, unit) == 0)
			return inventory->workloads[i];
	}
	return NULL;
}

static void units_that_match_are_workloads(void **state)
{
	static const struct {
		const char *unit, *name, *label;
	} names[] = {
	    {"rft-web.service", "rft-web", "rft-web.service"},
	    {"rft-app@1.service", "rft-app-1", "rft-app-1.service"},
	    {"rft-a\\x2db.service", "rft-a-b", "rft-a-b.service"},
	    {"rft-Big_one.service", "rft--ig-one", "rft-Big_one.service"},
	    {"rft-evil\";accept;#.service", "rft-evil--accept--", NULL},
	};
	struct arena *arena = arena_create();
	struct inventory inventory;
	(void)state;
	if (slice[0] == 0)
		skip();
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_true(make(names[i].unit));
	assert_true(make("other.service"));
	assert_true(make("rft-web.scope"));
	assert_true(make("rft-web.scope/rft-inner.service"));
	assert_true(make("rft-web.service/rft-inner.service"));
	assert_int_equal(read_units(arena, &inventory), 0);
	assert_int_equal(inventory.workload_count, sizeof names / sizeof *names);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const struct workload *workload = find(&inventory, names[i].unit);
		assert_non_null(workload);
		assert_string_equal(workload->name_space, "systemd");
		assert_int_not_equal(workload->cgroup_id, 0);
		assert_string_equal(workload->labels.items[0].value, slice);
		if (i == 4) { /* it would end in a dash, which no name does */
			assert_memory_equal(workload->name, "unit-", 5);
			continue;
		}
		assert_string_equal(workload->name, names[i].name);
		assert_string_equal(workload->labels.items[1].value, names[i].label);
	}
	arena_free(arena);
}

static void a_slice_of_a_user_makes_none(void **state)
{
	char path[160];
	struct arena *arena = arena_create();
	struct inventory inventory;
	(void)state;
	if (slice[0] == 0)
		skip();
	assert_true(make("of.slice"));
	assert_true(make("of.slice/rft-theirs.service"));
	assert_int_equal(read_units(arena, &inventory), 0);
	assert_non_null(find(&inventory, "rft-theirs.service"));
	snprintf(path, sizeof path, "%s/%s/of.slice", root, slice);
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_int_equal(read_units(arena, &inventory), 0);
	assert_null(find(&inventory, "rft-theirs.service"));
	arena_free(arena);
}

static void units_of_one_name_are_told_apart(void **state)
{
	struct arena *arena = arena_create();
	struct inventory inventory;
	(void)state;
	if (slice[0] == 0)
		skip();
	assert_true(make("rft-same@.service"));
	assert_true(make("rft-same_.service"));
	assert_true(make("rft-two@x.service"));
	assert_true(make("rft-two-x.service"));
	assert_int_equal(read_units(arena, &inventory), 0);
	for (size_t i = 1; i < inventory.workload_count; i++)
		assert_true(strcmp(inventory.workloads[i - 1]->name, inventory.workloads[i]->name) < 0);
	arena_free(arena);
}

static void a_restarted_unit_has_another_number(void **state)
{
	char path[160];
	struct arena *arena = arena_create();
	struct inventory inventory;
	(void)state;
	if (slice[0] == 0)
		skip();
	assert_true(make("rft-again.service"));
	assert_int_equal(read_units(arena, &inventory), 0);
	uint64_t before = find(&inventory, "rft-again.service")->cgroup_id;
	snprintf(path, sizeof path, "%s/%s/rft-again.service", root, slice);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(read_units(arena, &inventory), 0);
	assert_null(find(&inventory, "rft-again.service"));
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(read_units(arena, &inventory), 0);
	assert_int_not_equal(find(&inventory, "rft-again.service")->cgroup_id, before);
	arena_free(arena);
}

static void another_file_system_is_refused(void **state)
{
	(void)state;
	assert_int_equal(units_check_root("/proc"), -ENODEV);
	assert_int_equal(units_check_root("/nowhere"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(units_that_match_are_workloads),	cmocka_unit_test(a_slice_of_a_user_makes_none),
	    cmocka_unit_test(units_of_one_name_are_told_apart), cmocka_unit_test(a_restarted_unit_has_another_number),
	    cmocka_unit_test(another_file_system_is_refused),
	};
	return cmocka_run_group_tests(tests, enter, leave);
}
