/* Where the daemon may listen for HTTP: loopback addresses and Unix sockets, and nothing that another machine reaches.
 */
#include "enforcer/service/listener.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
	const char *text, *wrong; /* wrong: a part of what is said; NULL: nothing */
	int family;
	uint16_t port;
} cases[] = {
    {"127.0.0.1:9478", NULL, AF_INET, 9478},
    {"127.9.8.7:1", NULL, AF_INET, 1},
    {"127.0.0.1:65535", NULL, AF_INET, 65535},
    {"[::1]:9478", NULL, AF_INET6, 9478},
    {"[0:0::1]:9478", NULL, AF_INET6, 9478},
    {"/run/ringfence/metrics.sock", NULL, AF_UNIX, 0},
    {"0.0.0.0:9478", "only a loopback address", 0, 0},
    {"192.0.2.1:9478", "only a loopback address", 0, 0},
    {"128.0.0.1:9478", "only a loopback address", 0, 0},
    {"[::]:9478", "only a loopback address", 0, 0},
    {"[2001:db8::1]:9478", "only a loopback address", 0, 0},
    {"[fe80::1]:9478", "only a loopback address", 0, 0},
    {"[::ffff:127.0.0.1]:9478", "only a loopback address", 0, 0},
    {"localhost:9478", "names are not looked up", 0, 0},
    {"[localhost]:9478", "names are not looked up", 0, 0},
    {"[127.0.0.1]:9478", "names are not looked up", 0, 0},
    {"127.1:9478", "names are not looked up", 0, 0},
    {"127.0.0.01:9478", "names are not looked up", 0, 0},
    {"[::1%lo]:9478", "names are not looked up", 0, 0},
    {"", "expected 127.0.0.1:PORT", 0, 0},
    {":9478", "names are not looked up", 0, 0},
    {"9478", "expected 127.0.0.1:PORT", 0, 0},
    {"::1:9478", "a port is", 0, 0},
    {"[::1]", "expected 127.0.0.1:PORT", 0, 0},
    {"[::1", "expected 127.0.0.1:PORT", 0, 0},
    {"[::1]9478", "expected 127.0.0.1:PORT", 0, 0},
    {"[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]:1", "expected 127.0.0.1:PORT", 0, 0},
    {"127.0.0.1", "expected 127.0.0.1:PORT", 0, 0},
    {"127.0.0.1:", "a port is", 0, 0},
    {"127.0.0.1:0", "a port is", 0, 0},
    {"127.0.0.1:09478", "a port is", 0, 0},
    {"127.0.0.1:65536", "a port is", 0, 0},
    {"127.0.0.1:999999999999999999999", "a port is", 0, 0},
    {"127.0.0.1:-1", "a port is", 0, 0},
    {"127.0.0.1: 80", "a port is", 0, 0},
    {"127.0.0.1:http", "a port is", 0, 0},
    {"127.0.0.1:9478/metrics", "a port is", 0, 0},
    {"/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789/012345",
     "at most 107 bytes", 0, 0},
};

static void only_what_no_other_machine_reaches_is_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct listen_address where;
		const char *wrong = listen_address_read(&where, cases[i].text);
		if ((wrong == NULL) != (cases[i].wrong == NULL) ||
		    (wrong != NULL && strstr(wrong, cases[i].wrong) == NULL))
			fail_msg("%s: %s", cases[i].text, wrong != NULL ? wrong : "taken");
		if (wrong != NULL)
			continue;
		assert_int_equal(where.address.any.sa_family, cases[i].family);
		if (cases[i].family != AF_UNIX)
			assert_int_equal(ntohs(where.address.v4.sin_port), cases[i].port); /* v6 has it there, too */
	}
}

static void a_unix_socket_has_its_mode_whatever_the_mask_is(void **state)
{
	(void)state;
	char root[] = "/tmp/ringfence-listener-XXXXXX", path[100];
	assert_non_null(mkdtemp(root));
	snprintf(path, sizeof path, "%s/run/metrics.sock", root);
	struct listen_address where;
	struct listener listener, second;
	struct stat status;
	assert_null(listen_address_read(&where, path));
	mode_t mask = umask(0077);
	assert_int_equal(listener_open(&where, 8, &listener), 0);
	assert_int_equal(umask(mask), 0077);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0660);
	assert_int_equal(listener_open(&where, 8, &second), -EADDRINUSE);
	listener_close(&second);
	assert_int_equal(stat(path, &status), 0);
	int fd = listener_take(&listener);
	assert_true(fd >= 0);
	listener_close(&listener);
	assert_int_equal(stat(path, &status), -1);
	assert_int_equal(close(fd), 0);
	*strrchr(path, '/') = 0;
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(root), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_what_no_other_machine_reaches_is_taken),
	    cmocka_unit_test(a_unix_socket_has_its_mode_whatever_the_mask_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
