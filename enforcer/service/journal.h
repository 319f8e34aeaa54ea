/* The system's journal, for records with fields. */
#ifndef ENFORCER_SERVICE_JOURNAL_H
#define ENFORCER_SERVICE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

enum { JOURNAL_ENTRY_MAX = 16384 }; /* bytes of one entry */

/* An entry that is being written. */
struct journal_entry {
	size_t length;
	bool whole; /* no field was too long for it */
	char bytes[JOURNAL_ENTRY_MAX];
};

/* Whether this process runs under systemd, or its output is the journal's. */
bool journal_is_there(void);

/* Returns a socket to the journal at `path`, the caller's to close, or a negative errno. */
int journal_open(const char *path);

void journal_begin(struct journal_entry *entry);

/* Adds a field. `name` is capital letters, digits and `_`; the value may be any text. */
void journal_add(struct journal_entry *entry, const char *name, const char *value);
void journal_printf(struct journal_entry *entry, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Sends an entry. Never waits. Returns 0, -EMSGSIZE for one that is not whole, -EAGAIN when the journal does not keep
 * up, or another negative errno; the entry is lost then. */
int journal_send(int journal, const struct journal_entry *entry);

#endif
