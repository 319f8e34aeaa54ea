/* The netlink socket that batches are sent on and dumps are read from. */
#ifndef ENFORCER_KERNEL_SOCKET_H
#define ENFORCER_KERNEL_SOCKET_H

#include <libmnl/libmnl.h>

struct kernel {
	struct mnl_socket *socket;
	uint32_t sequence;
	int send_buffer; /* bytes that a batch may have */
};

#endif
