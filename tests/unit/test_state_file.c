/* Files that outlive the daemon: read as they were written, or refused with a reason. */
#include "enforcer/service/state_file.h"

#include "enforcer/kernel/socket.h"
#include "enforcer/service/saved_ruleset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct fixture {
	char path[64];
	struct state_directory directory;
};

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	strcpy(f->path, "/tmp/ringfence.XXXXXX");
	assert_non_null(mkdtemp(f->path));
	assert_null(state_directory_open(&f->directory, f->path, false));
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;
	char command[100];
	state_directory_close(&f->directory);
	snprintf(command, sizeof command, "rm -rf %s", f->path);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static const char *path_of(const struct fixture *f, const char *name)
{
	static char path[200];
	snprintf(path, sizeof path, "%s/%s", f->path, name);
	return path;
}

static void write_state(const struct fixture *f, const char *text)
{
	assert_null(state_file_write(&f->directory, "ruleset", STATE_RULESET, text, strlen(text)));
}

static void expect_state(const struct fixture *f, const char *text)
{
	struct state_content content;
	assert_null(state_file_read(&f->directory, "ruleset", STATE_RULESET, &content));
	assert_non_null(content.file);
	assert_int_equal(content.length, strlen(text));
	assert_memory_equal(content.payload, text, content.length);
	state_content_finish(&content);
}

/* Refused, with the path and what `why` says. */
static void expect_refused(const struct fixture *f, const char *why)
{
	struct state_content content;
	char *error = state_file_read(&f->directory, "ruleset", STATE_RULESET, &content);
	assert_non_null(error);
	assert_null(content.file);
	assert_ptr_equal(strstr(error, path_of(f, "ruleset")), error);
	if (strstr(error, why) == NULL)
		fail_msg("`%s` does not say `%s`", error, why);
	free(error);
}

/* The file's bytes, with malloc. */
static uint8_t *slurp(const struct fixture *f, size_t *size)
{
	struct stat status;
	int fd = open(path_of(f, "ruleset"), O_RDONLY);
	assert_true(fd >= 0 && fstat(fd, &status) == 0);
	*size = (size_t)status.st_size;
	uint8_t *bytes = malloc(*size);
	assert_int_equal(read(fd, bytes, *size), *size);
	close(fd);
	return bytes;
}

static void spill(const struct fixture *f, const uint8_t *bytes, size_t size)
{
	int fd = open(path_of(f, "ruleset"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
}

static void comes_back(void **state)
{
	struct state_content content;
	assert_null(state_file_read(&((struct fixture *)*state)->directory, "ruleset", STATE_RULESET, &content));
	assert_null(content.file);
	write_state(*state, "one");
	expect_state(*state, "one");
	write_state(*state, "");
	expect_state(*state, "");
	write_state(*state, "another, and longer");
	expect_state(*state, "another, and longer");
	assert_null(state_file_remove(&((struct fixture *)*state)->directory, "ruleset"));
	assert_null(state_file_remove(&((struct fixture *)*state)->directory, "ruleset"));
	assert_null(state_file_read(&((struct fixture *)*state)->directory, "ruleset", STATE_RULESET, &content));
	assert_null(content.file);
}

static void cut_at_every_length(void **state)
{
	size_t size;
	write_state(*state, "thirteen more");
	uint8_t *bytes = slurp(*state, &size);
	for (size_t length = 0; length < size; length++) {
		spill(*state, bytes, length);
		expect_refused(*state, "damaged");
	}
	uint8_t *longer = calloc(1, size + 1);
	memcpy(longer, bytes, size);
	spill(*state, longer, size + 1);
	expect_refused(*state, "damaged");
	free(longer);
	free(bytes);
}

static void each_bit_flipped(void **state)
{
	size_t size;
	write_state(*state, "thirteen more");
	uint8_t *bytes = slurp(*state, &size);
	for (size_t bit = 0; bit < 8 * size; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		spill(*state, bytes, size);
		expect_refused(*state, bit / 8 >= 8 && bit / 8 < 12 ? "format" : "damaged");
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	spill(*state, bytes, size);
	expect_state(*state, "thirteen more");
	free(bytes);
}

static void another_version_or_kind(void **state)
{
	const struct fixture *f = *state;
	size_t size;
	write_state(f, "one");
	uint8_t *bytes = slurp(f, &size);
	bytes[8]++;
	spill(f, bytes, size);
	expect_refused(f, "this version of ringfenced reads format");
	free(bytes);
	assert_null(state_file_write(&f->directory, "ruleset", STATE_POLICY, "one", 3));
	expect_refused(f, "of another kind");
}

static void only_of_those_who_may(void **state)
{
	const struct fixture *f = *state;
	write_state(f, "one");
	assert_int_equal(chmod(path_of(f, "ruleset"), 0620), 0);
	expect_refused(f, "can write to it");
	assert_int_equal(chmod(path_of(f, "ruleset"), 0602), 0);
	expect_refused(f, "can write to it");
	assert_int_equal(chmod(path_of(f, "ruleset"), 0644), 0);
	expect_state(f, "one");
	if (geteuid() != 0) {
		print_message("# only root can give a file away\n");
		return;
	}
	assert_int_equal(chown(path_of(f, "ruleset"), 12345, 0), 0);
	expect_refused(f, "another user");
	assert_int_equal(chown(path_of(f, "ruleset"), 0, 0), 0);
	expect_state(f, "one");
}

/* The daemon's user keeps the state, and root may enforce it. */
static void the_directory_s_owner_may(void **state)
{
	const struct fixture *f = *state;
	struct state_directory again;
	struct state_content content;
	if (geteuid() != 0) {
		print_message("# only root can give a directory away\n");
		return;
	}
	write_state(f, "one");
	assert_int_equal(chown(f->path, 12345, 0), 0);
	assert_int_equal(chown(path_of(f, "ruleset"), 12345, 0), 0);
	assert_null(state_directory_open(&again, f->path, false));
	assert_null(state_file_read(&again, "ruleset", STATE_RULESET, &content));
	assert_non_null(content.file);
	state_content_finish(&content);
	state_directory_close(&again);
}

static void only_regular_files(void **state)
{
	const struct fixture *f = *state;
	assert_int_equal(mkfifo(path_of(f, "ruleset"), 0600), 0);
	expect_refused(f, "not a regular file");
	assert_int_equal(unlink(path_of(f, "ruleset")), 0);
	assert_int_equal(symlink("/dev/zero", path_of(f, "ruleset")), 0);
	expect_refused(f, "not a regular file");
	assert_int_equal(unlink(path_of(f, "ruleset")), 0);
	assert_int_equal(mkdir(path_of(f, "ruleset"), 0700), 0);
	expect_refused(f, "not a regular file");
}

/* What a crash left of a writing before is in nobody's way, even where it leads elsewhere. */
static void leftovers_do_not_matter(void **state)
{
	const struct fixture *f = *state;
	char **names;
	size_t count;
	write_state(f, "one");
	assert_int_equal(symlink("/nowhere/else", path_of(f, ".ruleset.new")), 0);
	expect_state(f, "one");
	write_state(f, "two");
	expect_state(f, "two");
	assert_int_equal(access(path_of(f, ".ruleset.new"), F_OK), -1);
	assert_null(state_file_names(&f->directory, "", &names, &count));
	assert_int_equal(count, 3); /* ., .. and the file */
	while (count > 0)
		free(names[--count]);
	free(names);
}

static void a_writing_that_fails_changes_nothing(void **state)
{
	const struct fixture *f = *state;
	write_state(f, "one");
	assert_int_equal(mkdir(path_of(f, ".ruleset.new"), 0700), 0);
	char *error = state_file_write(&f->directory, "ruleset", STATE_RULESET, "two", 3);
	assert_non_null(error);
	assert_non_null(strstr(error, path_of(f, "ruleset")));
	free(error);
	expect_state(f, "one");
}

static void a_directory_for_others_is_refused(void **state)
{
	const struct fixture *f = *state;
	struct state_directory directory;
	char path[100];
	assert_int_equal(chmod(f->path, 0777), 0);
	char *error = state_directory_open(&directory, f->path, false);
	assert_non_null(error);
	assert_non_null(strstr(error, "can write to it"));
	free(error);
	snprintf(path, sizeof path, "%s/made", f->path);
	error = state_directory_open(&directory, path, false);
	assert_non_null(error);
	free(error);
	assert_null(state_directory_open(&directory, path, true));
	state_directory_close(&directory);
}

/* ---- a writer that is killed ---- */

enum { KILLS = 150, LARGE = 300000 };

/* Writes texts of `a` and of `b` for ever, and says when it began. */
static void write_for_ever(const struct fixture *f, int said)
{
	char *text = malloc(LARGE);
	for (unsigned i = 0;; i++) {
		memset(text, i % 2 == 0 ? 'a' : 'b', LARGE);
		free(state_file_write(&f->directory, "ruleset", STATE_RULESET, text, LARGE - i % 2));
		if (i == 0 && write(said, "", 1) != 1)
			_exit(1);
	}
}

static void killed_at_any_moment(void **state)
{
	const struct fixture *f = *state;
	size_t left_half = 0;
	srand(20261127);
	for (int i = 0; i < KILLS; i++) {
		int said[2];
		char byte;
		struct state_content content;
		assert_int_equal(pipe(said), 0);
		pid_t child = fork();
		if (child == 0)
			write_for_ever(f, said[1]);
		assert_int_equal(read(said[0], &byte, 1), 1);
		nanosleep(&(struct timespec){.tv_nsec = rand() % 5000000}, NULL);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, NULL, 0), child);
		close(said[0]);
		close(said[1]);
		left_half += access(path_of(f, ".ruleset.new"), F_OK) == 0;
		assert_null(state_file_read(&f->directory, "ruleset", STATE_RULESET, &content));
		assert_true(content.length >= LARGE - 1);
		uint8_t wanted = content.length == LARGE ? 'a' : 'b';
		for (size_t j = 0; j < content.length; j++)
			if (content.payload[j] != wanted)
				fail_msg("byte %zu is of another writing", j);
		state_content_finish(&content);
	}
	print_message("# killed %d times, %zu in the middle of a writing\n", KILLS, left_half);
	assert_true(left_half > 0); /* else this proves nothing */
}

/* ---- the ruleset that is kept, and the kernel's ---- */

static int open_silent(void *context, int *fd)
{
	(void)context;
	*fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	return *fd >= 0 ? 0 : -errno;
}

static int send_nothing(void *context, const struct iovec *pieces, size_t count)
{
	(void)context;
	(void)pieces;
	(void)count;
	return -ENOBUFS;
}

/* Where the kernel does not answer, a table may be there: nobody may go on as if there were none. */
static void a_kernel_that_does_not_answer_is_not_one_without_a_table(void **state)
{
	const struct fixture *f = *state;
	static const struct kernel_agent silent = {.open = open_silent, .send = send_nothing};
	struct kernel *kernel;
	char *error = NULL;
	assert_int_equal(kernel_open_by(&kernel, &silent), 0);
	assert_int_equal(saved_ruleset_enforce(&f->directory, kernel, false, &error), SAVED_UNSEEN);
	assert_non_null(strstr(error, "cannot read the table from the kernel"));
	free(error);
	kernel_close(kernel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(comes_back, begin, end),
	    cmocka_unit_test_setup_teardown(cut_at_every_length, begin, end),
	    cmocka_unit_test_setup_teardown(each_bit_flipped, begin, end),
	    cmocka_unit_test_setup_teardown(another_version_or_kind, begin, end),
	    cmocka_unit_test_setup_teardown(only_of_those_who_may, begin, end),
	    cmocka_unit_test_setup_teardown(the_directory_s_owner_may, begin, end),
	    cmocka_unit_test_setup_teardown(only_regular_files, begin, end),
	    cmocka_unit_test_setup_teardown(leftovers_do_not_matter, begin, end),
	    cmocka_unit_test_setup_teardown(a_writing_that_fails_changes_nothing, begin, end),
	    cmocka_unit_test_setup_teardown(a_directory_for_others_is_refused, begin, end),
	    cmocka_unit_test_setup_teardown(killed_at_any_moment, begin, end),
	    cmocka_unit_test_setup_teardown(a_kernel_that_does_not_answer_is_not_one_without_a_table, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
