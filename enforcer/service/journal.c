/* Writes entries of the journal's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram each, of fields
 *
 *     NAME=VALUE\n                          where the value has no newline, else
 *     NAME\n <length, 64 bits, little endian> VALUE\n
 *
 * sd_journal_send(3) does the same but waits while the journal is stuck, and a daemon that waits for its log does not
 * enforce. An entry that the journal does not take at once is lost, and the caller counts it. */
#include "enforcer/service/journal.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { VALUE_SIZE = 512 };

bool journal_is_there(void)
{
	return getenv("JOURNAL_STREAM") != NULL || getenv("INVOCATION_ID") != NULL; /* systemd.exec(5) */
}

int journal_open(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	int journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (journal < 0)
		return -errno;
	if (connect(journal, (const struct sockaddr *)&address, sizeof address) == 0)
		return journal;
	int error = -errno;
	close(journal);
	return error;
}

void journal_begin(struct journal_entry *entry)
{
	entry->length = 0;
	entry->whole = true;
}

static void add_bytes(struct journal_entry *entry, const void *bytes, size_t length)
{
	entry->whole = entry->whole && length <= sizeof entry->bytes - entry->length;
	if (!entry->whole)
		return;
	memcpy(entry->bytes + entry->length, bytes, length);
	entry->length += length;
}

void journal_add(struct journal_entry *entry, const char *name, const char *value)
{
	const uint64_t length = htole64(strlen(value));
	bool line = strchr(value, '\n') == NULL;
	add_bytes(entry, name, strlen(name));
	add_bytes(entry, line ? "=" : "\n", 1);
	if (!line)
		add_bytes(entry, &length, sizeof length);
	add_bytes(entry, value, strlen(value));
	add_bytes(entry, "\n", 1);
}

void journal_printf(struct journal_entry *entry, const char *name, const char *format, ...)
{
	char value[VALUE_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(value, sizeof value, format, args);
	va_end(args);
	journal_add(entry, name, value);
}

int journal_send(int journal, const struct journal_entry *entry)
{
	if (!entry->whole)
		return -EMSGSIZE;
	return send(journal, entry->bytes, entry->length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}
