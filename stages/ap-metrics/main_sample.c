/*
 * main_sample.c - the machine's numbers, as records of component "system": ap-persist makes one row of them.
 */
#include "main.h"

#include <stdio.h>
#include <sys/statvfs.h>

/* The beginning of a file under /proc. False: not there. */
static bool slurp(const char *path, char *out, size_t cap)
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (f == NULL)
		return false;
	n = fread(out, 1, cap - 1, f);
	out[n] = '\0';
	fclose(f);
	return n > 0;
}

static void put(struct watch *w, ap_ts now, const char *name, enum ap_metric_type type, double value)
{
	static const char host[] = "";

	watch_put(w, &(struct ap_metric){ ap_str_c("system"), ap_str_c(host), ap_str_c(name), { 0 }, type, value, now });
}

static void sample_disk(struct watch *w, ap_ts now)
{
	struct statvfs v;
	double used, there;

	if (statvfs(w->app.conf.data_dir, &v) != 0 && statvfs(".", &v) != 0)
		return;
	used = (double)(v.f_blocks - v.f_bfree);
	there = used + (double)v.f_bavail;      /* as df counts: what is kept for root is neither */
	if (there > 0)
		put(w, now, "disk_usage_percent", AP_M_GAUGE, 100.0 * used / there);
}

void watch_sample(struct watch *w, ap_ts now)
{
	char text[16384];
	struct sample_cpu cpu;
	struct sample_mem mem;
	struct sample_net net;

	if (slurp("/proc/stat", text, sizeof text) && sample_cpu_parse(text, &cpu)) {
		if (w->has_cpu)
			put(w, now, "cpu_percent", AP_M_GAUGE, sample_cpu_percent(w->cpu, cpu));
		w->cpu = cpu;
		w->has_cpu = true;
	}
	if (slurp("/proc/meminfo", text, sizeof text) && sample_mem_parse(text, &mem)) {
		uint64_t used = mem.total - (mem.available < mem.total ? mem.available : mem.total);

		put(w, now, "memory_percent", AP_M_GAUGE, 100.0 * (double)used / (double)mem.total);
		put(w, now, "memory_used_mb", AP_M_GAUGE, (double)used / 1048576);
		put(w, now, "memory_available_mb", AP_M_GAUGE, (double)mem.available / 1048576);
	}
	sample_disk(w, now);
	if (slurp("/proc/net/dev", text, sizeof text) && sample_net_parse(text, &net)) {
		put(w, now, "network_bytes_sent", AP_M_COUNTER, (double)net.sent);
		put(w, now, "network_bytes_recv", AP_M_COUNTER, (double)net.recv);
	}
}
