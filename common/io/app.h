/*
 * app.h - what every program does before and after its own work: arguments, configuration,
 * log, loop, signals, readiness.
 */
#ifndef AP_IO_APP_H
#define AP_IO_APP_H

#include <ev.h>

#include "../core/conf.h"
#include "log.h"

enum { AP_EX_OK = 0, AP_EX_MISTAKE = 100, AP_EX_AGAIN = 111 };
enum { AP_FLAGS_MAX = 32, AP_OVER_MAX = 64 };

/*
 * How a server is noticed that a network has swallowed, without a RST and whatever the deadlines are. What is sent is given up
 * AP_USER_TIMEOUT_MS (TCP_USER_TIMEOUT) after it was sent again for the first time, which is 200 ms after it was sent. A silent
 * connection is probed after a second and every second from then on, and the kernel looks at that limit only when a probe is
 * due: at three seconds the third probe was sometimes a tick too early to see it, so that it took four. Between two probes it is
 * always the third that ends it.
 */
enum { AP_USER_TIMEOUT_MS = 2500, AP_KEEPALIVE_S = 1, AP_KEEPALIVE_TIMES = 3 };

struct ap_app;

/* A program's own long options, besides -c -o -n -V -h. */
struct ap_flag {
	const char *name;       /* "replay" */
	const char *arg;        /* "FILE", or NULL: it takes none */
	const char *help;
};

struct ap_app_spec {
	const char *name;       /* "ap-candle" */
	const char *summary;    /* one line for --help */
	const struct ap_flag *flags;    /* ends with name == NULL, at most AP_FLAGS_MAX; may be NULL */
	const char *sections;   /* sections of the configuration that concern it: "redis runtime candle" */
	const char *operands;   /* how operands are called in --help ("VERB [ARG...]"); NULL: none are allowed */
	/* What only the program can judge about its options. False with a sentence in err. May be NULL. */
	bool (*check)(const void *ctx, const struct ap_conf *conf, char *err, size_t errlen);
	const void *check_ctx;
};

struct ap_app {
	const struct ap_app_spec *spec;
	struct ap_log log;
	struct ap_conf conf;
	struct ev_loop *loop;           /* the default loop; made by ap_app_init */
	const char *conf_path;          /* the file that was read, as given or the default; NULL: none */
	const char *over[AP_OVER_MAX];           /* the -o arguments as given, for handing on; over_n of them */
	size_t over_n;
	const char *flag_val[AP_FLAGS_MAX];     /* by place in spec->flags: NULL not given, "" given, else its value */
	int argc_rest;                  /* arguments that are not options */
	char **argv_rest;
	ev_signal sig_term, sig_int, sig_hup;
	ev_timer watchdog;
	bool said_ready;                /* READY=1 was sent: the watchdog is fed */
	int64_t away_ns;                /* since when nobody listens at our supervisor's socket; 0: somebody does */
	void (*on_stop)(struct ap_app *app);    /* SIGTERM, SIGINT: drain, then ev_break; default: ev_break at once */
	void (*on_hup)(struct ap_app *app);
	void *ctx;                      /* the program's own */
	int exit_code;
};

/*
 * Reads arguments, the file (-c, default etc/alphapulse.conf; a missing default file means defaults), environment
 * AP_SECTION__KEY and -o section.key=value, in rising order of weight. Handles -h, -V and -n.
 * Returns -1: go on; otherwise the exit code to leave with (messages are written, nothing is left to free).
 */
int ap_app_init(struct ap_app *app, const struct ap_app_spec *spec, int argc, char **argv);
/* Reads file, environment and -o arguments once more into *out (pair with ap_conf_done). False with a sentence in err. */
bool ap_app_conf_again(const struct ap_app *app, struct ap_conf *out, char *err, size_t errlen);
/* The value of a flag by name, NULL when not given. */
const char *ap_app_flag(const struct ap_app *app, const char *name);
/* This run has no loop (apctl, --file): SIGTERM, SIGINT and SIGHUP end it as they end any program. */
void ap_app_signals_plain(struct ap_app *app);
/* Runs the loop until ev_break; returns app->exit_code. */
int ap_app_run(struct ap_app *app);
void ap_app_done(struct ap_app *app);
/* sd_notify: "READY=1", "WATCHDOG=1", "STOPPING=1", "STATUS=..."; nothing when NOTIFY_SOCKET is not set.
 * From READY=1 on WATCHDOG=1 is sent at half of WATCHDOG_USEC. */
void ap_app_notify(struct ap_app *app, const char *state);
/*
 * Starts what happens every half of WATCHDOG_USEC: WATCHDOG=1 once READY=1 was said; and where it is ap-supervisor that listens,
 * a look whether it still does: gone for supervisor.orphan_ms, SIGTERM is raised. ap_app_run calls it.
 */
void ap_app_notify_watch(struct ap_app *app);
/* Wall clock, and a clock that never goes back (CLOCK_BOOTTIME), in ns. */
ap_ts ap_now(void);
int64_t ap_mono_ns(void);
/* Bytes nobody can guess (getrandom); never fails: a kernel without them is no place to work in. */
void ap_random(void *p, size_t n);
/* A pause before try number `attempt` (from 0), in s: runtime.backoff_min_ms doubled each time up to runtime.backoff_max_ms, half of it random. */
double ap_backoff_s(const struct ap_conf *conf, unsigned attempt);

#endif
