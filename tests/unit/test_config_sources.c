/* The sources of workloads in the configuration, right and wrong. */
#include "enforcer/service/config.h"

#include <ringfence/arena.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LONG \
	"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct config_case {
	const char *entry, *error; /* part of what is said; NULL: it is right */
} cases[] = {
    {"{source: docker}", NULL},
    {"{source: docker, socket: /run/podman/podman.sock, namespace: shop}", NULL},
    {"{source: docker, socket: docker.sock}", "a path must be absolute"},
    {"{source: docker, socket: [/run/docker.sock]}", "a path must be a text"},
    {"{source: docker, socket: " LONG "}", "the path of a unix socket has at most 107 bytes"},
    {"{source: docker, namespace: Shop}", "a namespace must be a name"},
    {"{source: docker, directory: /run}", "unknown key `directory`"},
    {"{source: docker, sockt: /run/docker.sock}", "did you mean `socket`"},
    {"{source: docker}, {source: docker}", "the source `docker` stands twice"},
    {"{source: dokcer}", "knows the sources"},
    {"{socket: /run/docker.sock}", "needs a `source`"},
};

/* Reads a configuration with the entry; what it says is in `said`. */
static bool read_entry(struct config *config, struct arena *arena, const char *entry, char *said, size_t size)
{
	char path[] = "/tmp/ringfence-config.XXXXXX", out[] = "/tmp/ringfence-said.XXXXXX";
	int file = mkstemp(path), log = mkstemp(out), before = dup(STDERR_FILENO);
	assert_true(file >= 0 && log >= 0 && before >= 0);
	dprintf(file, "policy: {directory: /p}\nworkloads: [%s]\n", entry);
	fflush(stderr);
	dup2(log, STDERR_FILENO);
	bool good = config_read(config, arena, path);
	fflush(stderr);
	dup2(before, STDERR_FILENO);
	ssize_t got = pread(log, said, size - 1, 0);
	said[got > 0 ? got : 0] = 0;
	close(file);
	close(log);
	close(before);
	unlink(path);
	unlink(out);
	return good;
}

static void a_source_is_right_or_told_to_be_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct arena *arena = arena_create();
		struct config config;
		char said[4096];
		bool good = read_entry(&config, arena, cases[i].entry, said, sizeof said);
		if (good != (cases[i].error == NULL) || (!good && strstr(said, cases[i].error) == NULL))
			fail_msg("%s: %s", cases[i].entry, said);
		arena_free(arena);
	}
}

static void containers_have_defaults_and_a_path_within_reach(void **state)
{
	struct arena *arena = arena_create();
	struct config config;
	char said[4096];
	(void)state;
	assert_true(read_entry(&config, arena, "{source: docker}", said, sizeof said));
	assert_string_equal(config.docker.socket, "/run/docker.sock");
	assert_string_equal(config.docker.name_space, "default");
	assert_int_equal(config.outreach.path_count, 1);
	assert_string_equal(config.outreach.paths[0], "/run/docker.sock");
	assert_int_equal(config.outreach.port_count, 0);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_source_is_right_or_told_to_be_wrong),
	    cmocka_unit_test(containers_have_defaults_and_a_path_within_reach),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
