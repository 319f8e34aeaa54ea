/* Entries of the journal's protocol, as a journal receives them. */
#include "enforcer/service/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct fixture {
	char directory[64];
	struct sockaddr_un address;
	int receiver, journal;
	struct journal_entry entry;
};

static int begin(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	strcpy(fixture->directory, "/tmp/ringfence-journal-XXXXXX");
	if (mkdtemp(fixture->directory) == NULL)
		return -1;
	fixture->address.sun_family = AF_UNIX;
	snprintf(fixture->address.sun_path, sizeof fixture->address.sun_path, "%s/socket", fixture->directory);
	fixture->receiver = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (bind(fixture->receiver, (struct sockaddr *)&fixture->address, sizeof fixture->address) != 0)
		return -1;
	fixture->journal = journal_open(fixture->address.sun_path);
	*state = fixture;
	return fixture->journal < 0 ? -1 : 0;
}

static int end(void **state)
{
	struct fixture *fixture = *state;
	close(fixture->receiver);
	close(fixture->journal);
	unlink(fixture->address.sun_path);
	rmdir(fixture->directory);
	free(fixture);
	return 0;
}

static void receives(const struct fixture *fixture, const void *bytes, size_t length)
{
	char got[JOURNAL_ENTRY_MAX];
	assert_int_equal(recv(fixture->receiver, got, sizeof got, MSG_DONTWAIT), length);
	assert_memory_equal(got, bytes, length);
}

static void fields_are_lines(void **state)
{
	struct fixture *fixture = *state;
	static const char wanted[] = "MESSAGE=DENY a=b\nPRIORITY=5\n";
	journal_begin(&fixture->entry);
	journal_add(&fixture->entry, "MESSAGE", "DENY a=b");
	journal_printf(&fixture->entry, "PRIORITY", "%d", 5);
	assert_int_equal(journal_send(fixture->journal, &fixture->entry), 0);
	receives(fixture, wanted, sizeof wanted - 1);
}

/* A newline in a value begins no field. */
static void a_value_of_two_lines_is_one_value(void **state)
{
	struct fixture *fixture = *state;
	static const char wanted[] = "MESSAGE\n\x08\0\0\0\0\0\0\0a\nRINGF=\n";
	journal_begin(&fixture->entry);
	journal_add(&fixture->entry, "MESSAGE", "a\nRINGF=");
	assert_int_equal(journal_send(fixture->journal, &fixture->entry), 0);
	receives(fixture, wanted, sizeof wanted - 1);
}

static void an_entry_that_is_too_long_is_not_sent(void **state)
{
	struct fixture *fixture = *state;
	char large[JOURNAL_ENTRY_MAX], byte;
	memset(large, 'x', sizeof large - 1);
	large[sizeof large - 1] = 0;
	journal_begin(&fixture->entry);
	journal_add(&fixture->entry, "MESSAGE", large);
	journal_add(&fixture->entry, "PRIORITY", "5");
	assert_int_equal(journal_send(fixture->journal, &fixture->entry), -EMSGSIZE);
	assert_true(recv(fixture->receiver, &byte, 1, MSG_DONTWAIT) < 0);
}

/* Nobody reads here, and yet nobody waits. */
static void a_journal_that_is_stuck_stops_nobody(void **state)
{
	struct fixture *fixture = *state;
	int error = 0;
	journal_begin(&fixture->entry);
	journal_add(&fixture->entry, "MESSAGE", "x");
	for (size_t i = 0; i < 100000 && error == 0; i++)
		error = journal_send(fixture->journal, &fixture->entry);
	assert_int_equal(error, -EAGAIN);
}

static void a_journal_that_is_gone_is_an_error(void **state)
{
	struct fixture *fixture = *state;
	close(fixture->receiver);
	unlink(fixture->address.sun_path);
	journal_begin(&fixture->entry);
	journal_add(&fixture->entry, "MESSAGE", "x");
	assert_int_equal(journal_send(fixture->journal, &fixture->entry), -ECONNREFUSED);
	assert_int_equal(journal_open(fixture->address.sun_path), -ENOENT);
	fixture->receiver = -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(fields_are_lines, begin, end),
	    cmocka_unit_test_setup_teardown(a_value_of_two_lines_is_one_value, begin, end),
	    cmocka_unit_test_setup_teardown(an_entry_that_is_too_long_is_not_sent, begin, end),
	    cmocka_unit_test_setup_teardown(a_journal_that_is_stuck_stops_nobody, begin, end),
	    cmocka_unit_test_setup_teardown(a_journal_that_is_gone_is_an_error, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
