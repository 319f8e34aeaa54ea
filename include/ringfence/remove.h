/* The one thing that no plan can say: that the table goes. Not for the daemon, which never removes enforcement. */
#ifndef RINGFENCE_REMOVE_H
#define RINGFENCE_REMOVE_H

#include <ringfence/plan.h>

/* Deletes our table with all that is in it, in one transaction. Returns 0, -ENOENT when there is none, or another
 * negative errno. */
int kernel_remove_table(struct kernel *kernel);

#endif
