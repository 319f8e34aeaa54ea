/* Who changes our table, and what: the kernel's own notifications, one report for each transaction. */
#ifndef ENFORCER_KERNEL_MONITOR_H
#define ENFORCER_KERNEL_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MONITOR_DESCRIPTIONS_MAX 32
#define MONITOR_TEXT_SIZE 256 /* NUL included; longer descriptions are cut */
#define MONITOR_PROCESS_SIZE 64

/* One transaction that touched table inet ringfence. All text is printable ASCII; other bytes stand as \xNN. */
struct monitor_change {
	uint32_t generation; /* the kernel's id of the ruleset after it */
	uint32_t pid;	     /* of the process that made it, in the first pid namespace; 0: not said */
	uint32_t port_id;    /* of the netlink socket that made it: compares in any pid namespace */
	char process[MONITOR_PROCESS_SIZE];
	size_t count; /* changes in our table; the first of them are described */
	size_t description_count;
	char descriptions[MONITOR_DESCRIPTIONS_MAX][MONITOR_TEXT_SIZE];
};

enum { MONITOR_TABLES_MAX = 4 };

/* One transaction that touched other tables. */
struct monitor_other {
	uint32_t pid;
	char process[MONITOR_PROCESS_SIZE];
	struct monitor_table {
		uint8_t family;			 /* NFPROTO_* */
		char name[MONITOR_PROCESS_SIZE]; /* cut where it is longer */
	} tables[MONITOR_TABLES_MAX];		 /* the first of them */
	size_t table_count;
	bool more; /* tables, than have room */
};

struct monitor;

/* Subscribes to the changes of nf_tables in the current network namespace. `*monitor` is the caller's to destroy.
 * Returns 0 or a negative errno. */
int monitor_create(struct monitor **monitor);

/* Calls `others` too, from monitor_read, at the end of each transaction that touched other tables. */
void monitor_hear_others(struct monitor *monitor, void (*others)(void *context, const struct monitor_other *other),
			 void *context);

/* Ends the subscription. NULL is allowed. */
void monitor_destroy(struct monitor *monitor);

/* The socket to poll for reading; it stays the monitor's. */
int monitor_fd(const struct monitor *monitor);

/* Reads what has come, and calls `changed` at the end of each transaction that touched our table, our own included; the
 * change is borrowed for the call. Never waits; after many messages it returns early, and the socket stays readable.
 * Returns 0, -ENOBUFS when messages were lost (the caller reads the whole table again; a transaction that lost a part
 * is reported by the rest, one that lost its end is not), or another negative errno. */
int monitor_read(struct monitor *monitor, void (*changed)(void *context, const struct monitor_change *change),
		 void *context);

#endif
