/* What a watched directory says after real changes to real files. Each case works in a directory of its own. */
#include "enforcer/sources/directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
	char root[64]; /* holds "w", which is watched, and "out", which is not */
	char watched[80];
	struct directory *directory;
	char seen[4096]; /* "changed a.yaml\n"… */
	size_t events;
	int error;
};

/* Runs a shell command in the root. */
static void run(const struct fixture *fixture, const char *command)
{
	char line[4096];

	snprintf(line, sizeof line, "cd %s && { %s; }", fixture->root, command);
	assert_int_equal(system(line), 0);
}

static void begin(struct fixture *fixture, bool recursive, const char *before)
{
	*fixture = (struct fixture){.root = "/tmp/ringfence-directory-XXXXXX"};
	assert_non_null(mkdtemp(fixture->root));
	snprintf(fixture->watched, sizeof fixture->watched, "%s/w", fixture->root);
	run(fixture, "mkdir w out");
	run(fixture, before);
	assert_int_equal(directory_create(&fixture->directory, fixture->watched, recursive), 0);
}

static void end(struct fixture *fixture)
{
	directory_destroy(fixture->directory);
	run(fixture, "chmod -R u+rwx . && rm -rf w out w2");
	assert_int_equal(rmdir(fixture->root), 0);
}

static void note(void *context, enum directory_event event, const char *path)
{
	static const char *const words[] = {
	    [DIRECTORY_CHANGED] = "changed",
	    [DIRECTORY_REMOVED] = "removed",
	    [DIRECTORY_RESCAN] = "rescan",
	    [DIRECTORY_LOST] = "lost",
	};
	struct fixture *fixture = context;
	size_t length = strlen(fixture->seen), root = strlen(fixture->watched);

	assert_memory_equal(path, fixture->watched, root);
	fixture->events++;
	snprintf(fixture->seen + length, sizeof fixture->seen - length, "%s%s%s\n", words[event],
		 path[root] != '\0' ? " " : "", path[root] == '/' ? path + root + 1 : "");
}

static const char *look(struct fixture *fixture)
{
	fixture->seen[0] = '\0';
	fixture->events = 0;
	fixture->error = directory_read(fixture->directory, note, fixture);
	return fixture->seen;
}

struct directory_case {
	const char *name;
	bool recursive;
	const char *before, *then, *expected;
};

/* One look after `then`. */
static const struct directory_case cases[] = {
    {"a file that is written and closed has changed", false, ":", "echo 1 > w/a.yaml", "changed a.yaml\n"},
    {"nothing gives nothing", false, ":", ":", ""},
    {"each ending of an input counts", false, ":", "touch w/a.yaml; touch w/b.yml; touch w/c.json",
     "changed a.yaml\nchanged b.yml\nchanged c.json\n"},
    {"other names do not count", false, ":",
     "touch w/a.yaml~ w/.b.yaml w/c.txt w/yaml w/.yaml w/d.yaml.tmp; rm w/.b.yaml w/c.txt", ""},
    {"a file that is renamed into place has changed", false, ":", "echo 1 > w/.a.tmp; mv w/.a.tmp w/a.yaml",
     "changed a.yaml\n"},
    {"a file that is moved in has changed", false, "echo 1 > out/a.yaml", "mv out/a.yaml w/", "changed a.yaml\n"},
    {"a file that is moved out is removed", false, "touch w/a.yaml", "mv w/a.yaml out/", "removed a.yaml\n"},
    {"a file that is deleted is removed", false, "touch w/a.yaml", "rm w/a.yaml", "removed a.yaml\n"},
    {"a file that loses its ending is removed", false, "touch w/a.yaml", "mv w/a.yaml w/a.yaml~", "removed a.yaml\n"},
    {"a hard link is complete at once", false, "touch out/a", "ln out/a w/a.yaml", "changed a.yaml\n"},
    {"a symlink is complete at once", false, "touch out/a", "ln -s ../out/a w/a.yaml", "changed a.yaml\n"},
    {"a path is given once, by its last event", false, ":", "echo 1 > w/a.yaml; rm w/a.yaml; echo 2 > w/a.yaml",
     "changed a.yaml\n"},
    {"the last event may be the removal", false, ":", "echo 1 > w/a.yaml; rm w/a.yaml", "removed a.yaml\n"},
    {"the order is that of the last events", false, ":", "echo 1 > w/a.yaml; echo 1 > w/b.yaml; echo 2 > w/a.yaml",
     "changed b.yaml\nchanged a.yaml\n"},
    {"an editor that moves the old file away changes it", false, "echo 1 > w/a.yaml",
     "mv w/a.yaml w/a.yaml~; echo 2 > w/a.yaml; rm w/a.yaml~", "changed a.yaml\n"},
    {"a flat directory does not see subdirectories", false, "mkdir w/sub", "touch w/sub/a.yaml; mkdir w/new; mv out w/",
     ""},
    {"a changed mode is no change", false, "touch w/a.yaml", "chmod 600 w/a.yaml", ""},
    {"a tree sees files below", true, "mkdir -p w/x/y", "touch w/x/y/a.yaml", "changed x/y/a.yaml\n"},
    {"a new subdirectory asks for a rescan", true, ":", "mkdir w/x", "rescan\n"},
    {"a subdirectory that is moved in asks for a rescan", true, "touch out/a.yaml", "mv out w/x", "rescan\n"},
    {"a subdirectory that is moved out asks for a rescan", true, "mkdir w/x", "mv w/x out/", "rescan\n"},
    {"a subdirectory that is removed asks for a rescan", true, "mkdir w/x", "rmdir w/x", "rescan\n"},
    {"a hidden subdirectory is not seen", true, "mkdir w/.git", "touch w/.git/a.yaml; mkdir w/.cache", ""},
    {"a swapped ConfigMap asks for a rescan", false,
     "cd w; mkdir ..1; touch ..1/a.yaml; ln -s ..1 ..data; ln -s ..data/a.yaml a.yaml",
     "cd w; mkdir ..2; touch ..2/a.yaml; ln -s ..2 ..data_tmp; mv -T ..data_tmp ..data; rm -r ..1", "rescan\n"},
    {"a swapped ConfigMap asks for a rescan of a tree", true,
     "cd w; mkdir ..1; touch ..1/a.yaml; ln -s ..1 ..data; ln -s ..data/a.yaml a.yaml",
     "cd w; mkdir ..2; touch ..2/a.yaml; ln -s ..2 ..data_tmp; mv -T ..data_tmp ..data; rm -r ..1", "rescan\n"},
    {"the rename of ..data alone asks for a rescan", false,
     "cd w; mkdir ..1 ..2; ln -s ..1 ..data; ln -s ..2 ..data_tmp", "mv -T w/..data_tmp w/..data", "rescan\n"},
    {"an editor's hidden lock link is nothing", false, ":", "ln -s me@host.1 w/.#a.yaml; rm w/.#a.yaml", ""},
    {"a directory that is removed is lost", false, "touch w/a.yaml", "rm -r w", "removed a.yaml\nlost\n"},
    {"a directory that is moved away is lost", false, ":", "mv w w2", "lost\n"},
    {"a tree that is removed is lost once", true, "mkdir -p w/x/y", "rm -r w", "lost\n"},
    {"a directory that is moved there and back asks for a rescan", false, ":", "mv w w2; mv w2 w", "rescan\n"},
    {"a directory that is replaced is lost", false, ":", "mv w w2; mkdir w", "lost\n"},
};

static void one_look(void **state)
{
	const struct directory_case *tested = *state;
	struct fixture fixture;

	begin(&fixture, tested->recursive, tested->before);
	run(&fixture, tested->then);
	assert_string_equal(look(&fixture), tested->expected);
	assert_int_equal(fixture.error, 0);
	assert_string_equal(look(&fixture), "");
	end(&fixture);
}

static void half_written_file_gives_nothing(void **state)
{
	struct fixture fixture;
	char path[128];
	int fd;

	(void)state;
	begin(&fixture, false, ":");
	snprintf(path, sizeof path, "%s/a.yaml", fixture.watched);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "half", 4), 4);
	assert_string_equal(look(&fixture), "");
	close(fd);
	assert_string_equal(look(&fixture), "changed a.yaml\n");
	end(&fixture);
}

static void new_subdirectories_are_watched_to_the_bottom(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture, true, ":");
	run(&fixture, "mkdir -p w/x/y/z; touch w/x/y/z/early.yaml");
	look(&fixture);
	assert_non_null(strstr(fixture.seen, "rescan\n"));
	run(&fixture, "touch w/x/y/z/late.yaml");
	assert_string_equal(look(&fixture), "changed x/y/z/late.yaml\n");
	end(&fixture);
}

static void moved_subdirectories_are_seen_under_their_new_name_only(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture, true, "mkdir -p w/x/deep w/xx");
	run(&fixture, "mv w/x w/y");
	assert_string_equal(look(&fixture), "rescan\n");
	run(&fixture, "touch w/y/deep/a.yaml w/xx/b.yaml");
	assert_string_equal(look(&fixture), "changed y/deep/a.yaml\nchanged xx/b.yaml\n");
	run(&fixture, "mv w/y out/");
	assert_string_equal(look(&fixture), "rescan\n");
	run(&fixture, "touch out/y/deep/c.yaml");
	assert_string_equal(look(&fixture), "");
	end(&fixture);
}

static void lost_directory_comes_back(void **state)
{
	struct fixture fixture;
	int fd;

	(void)state;
	begin(&fixture, true, "mkdir w/x");
	fd = directory_fd(fixture.directory);
	assert_int_equal(directory_reopen(fixture.directory), 0);
	run(&fixture, "rm -r w");
	look(&fixture);
	assert_int_equal(directory_reopen(fixture.directory), -ENOENT);
	run(&fixture, "mkdir -p w/x");
	assert_int_equal(directory_reopen(fixture.directory), 1);
	assert_int_equal(directory_fd(fixture.directory), fd);
	look(&fixture);
	run(&fixture, "touch w/x/a.yaml");
	assert_string_equal(look(&fixture), "changed x/a.yaml\n");
	end(&fixture);
}

static void swapped_link_to_the_directory_is_found_by_reopen(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture, false, "rmdir w; mkdir out/1 out/2; ln -s out/1 w");
	run(&fixture, "ln -s out/2 w2; mv -T w2 w");
	assert_int_equal(directory_reopen(fixture.directory), 1);
	run(&fixture, "touch out/1/old.yaml out/2/new.yaml");
	assert_string_equal(look(&fixture), "changed new.yaml\n");
	end(&fixture);
}

static void overflow_asks_for_a_rescan_and_the_watch_goes_on(void **state)
{
	struct fixture fixture;
	char path[2][128];

	(void)state;
	begin(&fixture, true, "mkdir w/x");
	for (int i = 0; i < 2; i++)
		snprintf(path[i], sizeof path[i], "%s/x/%d.yaml", fixture.watched, i);
	run(&fixture, "touch w/x/0.yaml");
	for (int i = 0; i < 20000; i++) /* more than fs.inotify.max_queued_events */
		assert_int_equal(rename(path[i % 2], path[(i + 1) % 2]), 0);
	for (int i = 0; i < 100; i++) {
		look(&fixture);
		if (strstr(fixture.seen, "rescan\n") != NULL)
			break;
	}
	assert_non_null(strstr(fixture.seen, "rescan\n"));
	assert_true(fixture.events <= 3);
	run(&fixture, "touch w/x/after.yaml");
	look(&fixture);
	assert_non_null(strstr(fixture.seen, "changed x/after.yaml\n"));
	end(&fixture);
}

/* What is made in a directory that is not followed is not looked at, however deep it is. */
static void only_directories_of_an_ending_are_followed(void **state)
{
	static const struct {
		const char *then, *expected;
	} steps[] = {
	    {"mkdir w/a.slice/x.service", "rescan\n"},
	    {"rmdir w/a.slice/x.service", "rescan\n"},
	    {"mkdir w/a.slice/y.service/inner w/other/inner", ""},
	    {"mkdir w/b.slice && sleep 0.01", "rescan\n"},
	    {"mkdir w/b.slice/z.service", "rescan\n"},
	    {"mkdir w/a.slice/y.service/c.slice", ""},
	    {"mkdir w/.slice", ""},
	};
	struct fixture f;
	char deep[200] = "mkdir -p w/a.slice/y.service/d w/other";

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		strcat(deep, i == 0 ? " w/other/d" : "/d");
	begin(&f, false, deep);
	directory_destroy(f.directory);
	assert_int_equal(directory_create_within(&f.directory, f.watched, ".slice"), 0);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		run(&f, steps[i].then);
		if (strcmp(look(&f), steps[i].expected) != 0)
			fail_msg("%s: %s", steps[i].then, f.seen);
		assert_int_equal(f.error, 0);
	}
	end(&f);
}

static void descriptor_becomes_readable(void **state)
{
	struct fixture fixture;
	struct pollfd poll_fd;

	(void)state;
	begin(&fixture, false, ":");
	poll_fd = (struct pollfd){.fd = directory_fd(fixture.directory), .events = POLLIN};
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
	run(&fixture, "touch w/a.yaml");
	assert_int_equal(poll(&poll_fd, 1, 1000), 1);
	end(&fixture);
}

static void missing_directory_is_an_error(void **state)
{
	struct directory *directory = (void *)&directory;

	(void)state;
	assert_int_equal(directory_create(&directory, "/nonexistent/ringfence", true), -ENOENT);
	assert_null(directory);
	assert_int_equal(directory_create(&directory, "/dev/null", true), -ENOTDIR);
	directory_destroy(NULL);
}

static void too_deep_tree_is_an_error_and_not_a_crash(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture, true, ":");
	run(&fixture, "d=w; for i in $(seq 40); do d=$d/x; done; mkdir -p $d");
	look(&fixture);
	assert_int_equal(fixture.error, -ELOOP);
	assert_non_null(strstr(fixture.seen, "rescan\n"));
	end(&fixture);
}

static void one_file_is_the_only_input_of_its_directory(void **state)
{
	struct fixture fixture;
	char path[96];

	(void)state;
	begin(&fixture, false, "true");
	directory_destroy(fixture.directory);
	snprintf(path, sizeof path, "%s/policy.bundle", fixture.watched);
	assert_int_equal(directory_create_file(&fixture.directory, path), 0);
	run(&fixture, "touch w/a.yaml w/policy.bundle.new w/policy w/.policy.bundle");
	assert_string_equal(look(&fixture), "");
	run(&fixture, "mv w/policy.bundle.new w/policy.bundle");
	assert_string_equal(look(&fixture), "changed policy.bundle\n");
	run(&fixture, "echo x >> w/policy.bundle");
	assert_string_equal(look(&fixture), "changed policy.bundle\n");
	run(&fixture, "rm w/policy.bundle");
	assert_string_equal(look(&fixture), "removed policy.bundle\n");
	run(&fixture, "touch out/x && ln -s ../out/x w/policy.bundle");
	assert_string_equal(look(&fixture), "changed policy.bundle\n");
	run(&fixture, "ln -s ../out w/..data");
	assert_string_equal(look(&fixture), "rescan\n");
	end(&fixture);
	assert_int_equal(directory_create_file(&fixture.directory, "/nonexistent/x"), -ENOENT);
	assert_int_equal(directory_create_file(&fixture.directory, "/tmp/"), -EINVAL);
	assert_int_equal(directory_create_file(&fixture.directory, "x"), -EINVAL);
	assert_null(fixture.directory);
}

int main(void)
{
	enum { CASES = sizeof cases / sizeof cases[0] };
	struct CMUnitTest table[CASES];
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(half_written_file_gives_nothing),
	    cmocka_unit_test(one_file_is_the_only_input_of_its_directory),
	    cmocka_unit_test(new_subdirectories_are_watched_to_the_bottom),
	    cmocka_unit_test(moved_subdirectories_are_seen_under_their_new_name_only),
	    cmocka_unit_test(lost_directory_comes_back),
	    cmocka_unit_test(swapped_link_to_the_directory_is_found_by_reopen),
	    cmocka_unit_test(overflow_asks_for_a_rescan_and_the_watch_goes_on),
	    cmocka_unit_test(only_directories_of_an_ending_are_followed),
	    cmocka_unit_test(descriptor_becomes_readable),
	    cmocka_unit_test(missing_directory_is_an_error),
	    cmocka_unit_test(too_deep_tree_is_an_error_and_not_a_crash),
	};
	int failed;

	for (size_t i = 0; i < CASES; i++)
		table[i] = (struct CMUnitTest){cases[i].name, one_look, NULL, NULL, (void *)(uintptr_t)&cases[i]};
	failed = cmocka_run_group_tests(table, NULL, NULL);
	return failed + cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
