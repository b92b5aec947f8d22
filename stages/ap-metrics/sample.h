/*
 * sample.h - what the kernel's texts under /proc say about the machine. Pure: texts in, numbers out.
 */
#ifndef AP_METRICS_SAMPLE_H
#define AP_METRICS_SAMPLE_H

#include "common/core/base.h"

struct sample_cpu { uint64_t busy, all; };      /* jiffies since boot */
struct sample_mem { uint64_t total, available; };       /* bytes */
struct sample_net { uint64_t sent, recv; };     /* bytes since boot, all interfaces but loopback */

/* The first line of /proc/stat. Idle and waiting for I/O are not busy; guest time is already in user time. */
bool sample_cpu_parse(const char *text, struct sample_cpu *out);
/* /proc/meminfo */
bool sample_mem_parse(const char *text, struct sample_mem *out);
/* /proc/net/dev */
bool sample_net_parse(const char *text, struct sample_net *out);
/* Share of the time between two samples that was busy, in percent; 0 when no time passed. */
double sample_cpu_percent(struct sample_cpu from, struct sample_cpu to);

#endif
