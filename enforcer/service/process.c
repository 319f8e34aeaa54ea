/* The process as the kernel counts it: getrusage(2) and /proc/self, proc(5). */
#include "enforcer/service/process.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

double process_cpu_seconds(void)
{
	struct rusage usage;
	if (getrusage(RUSAGE_SELF, &usage) != 0)
		return NAN;
	return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

double process_resident_bytes(void)
{
	unsigned long size, resident;
	FILE *stream = fopen("/proc/self/statm", "re");
	int read = stream != NULL ? fscanf(stream, "%lu %lu", &size, &resident) : 0;
	if (stream != NULL)
		fclose(stream);
	return read == 2 ? (double)resident * (double)sysconf(_SC_PAGESIZE) : NAN;
}

double process_open_fds(void)
{
	double count = -1; /* the one that the directory is read by */
	DIR *directory = opendir("/proc/self/fd");
	if (directory == NULL)
		return NAN;
	for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count;
}

/* The 22nd field of /proc/self/stat, in ticks since boot; the name, the second, may hold blanks and brackets. */
double process_start_time(void)
{
	char text[1024];
	unsigned long long ticks = 0;
	struct timespec real, boot;
	FILE *stream = fopen("/proc/self/stat", "re");
	size_t length = stream != NULL ? fread(text, 1, sizeof text - 1, stream) : 0;
	if (stream != NULL)
		fclose(stream);
	text[length] = 0;
	const char *field = strrchr(text, ')');
	for (int i = 2; i < 22 && field != NULL; i++)
		field = strchr(field + 1, ' ');
	if (field == NULL || sscanf(field, "%llu", &ticks) != 1)
		return NAN;
	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	double booted = (double)(real.tv_sec - boot.tv_sec) + (double)real.tv_nsec / 1e9 - (double)boot.tv_nsec / 1e9;
	return floor((booted + (double)ticks / (double)sysconf(_SC_CLK_TCK)) * 100 + 0.5) / 100;
}
