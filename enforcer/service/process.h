/* What this process takes of the machine. NAN: not known. */
#ifndef ENFORCER_SERVICE_PROCESS_H
#define ENFORCER_SERVICE_PROCESS_H

/* Seconds of processor time, in user and in kernel mode. */
double process_cpu_seconds(void);

/* Bytes of memory in use now. */
double process_resident_bytes(void);

double process_open_fds(void);

/* Unix time in seconds at which it started. */
double process_start_time(void);

#endif
