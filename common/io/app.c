/*
 * app.c - arguments, configuration, loop and signals of every program. Knows no program by name.
 */
#include "app.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "conf_file.h"

#define DEFAULT_FILE "etc/alphapulse.conf"

enum { FLAG_BASE = 1000 };

extern char **environ;

/* What the command line says, before any of it is believed. */
struct args {
	const char *file;
	bool check_only;
};

ap_ts ap_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (ap_ts){ (int64_t)t.tv_sec * 1000000000 + t.tv_nsec };
}

int64_t ap_mono_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void ap_random(void *p, size_t n)
{
	uint8_t *at = p;

	while (n > 0) {
		ssize_t got = getrandom(at, n, 0);
		assert(got > 0 || errno == EINTR);
		if (got > 0) {
			at += got;
			n -= (size_t)got;
		}
	}
}

double ap_backoff_s(const struct ap_conf *conf, unsigned attempt)
{
	double ms = (double)conf->runtime_backoff_min_ms, most = (double)conf->runtime_backoff_max_ms;
	uint32_t dice;

	for (unsigned i = 0; i < attempt && ms < most; i++)
		ms *= 2;
	if (ms > most)
		ms = most;
	ap_random(&dice, sizeof dice);
	return ms / 2000 * (1 + (double)dice / (double)UINT32_MAX);
}

static size_t flags_count(const struct ap_app_spec *spec)
{
	size_t n = 0;

	while (spec->flags != NULL && spec->flags[n].name != NULL)
		n++;
	assert(n <= AP_FLAGS_MAX);
	return n;
}

/* Is the word `section` in the blank-separated list? */
static bool listed(const char *list, const char *section)
{
	size_t len = strlen(section);

	for (const char *p = list; p != NULL && *p != '\0'; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");
		if (n == len && memcmp(p, section, n) == 0)
			return true;
		p += n;
	}
	return false;
}

static void help_options(const struct ap_app_spec *spec)
{
	printf("\noptions of the configuration (file: section = { key = value; }; -o section.key=value; AP_SECTION__KEY)\n");
	for (size_t i = 0; i < ap_opts_n; i++) {
		const struct ap_opt *o = &ap_opts[i];
		char name[96], range[200] = "";
		if (!listed(spec->sections, o->section))
			continue;
		snprintf(name, sizeof name, "%s.%s", o->section, o->key);
		if (o->type == AP_OPT_U64)
			snprintf(range, sizeof range, ", %llu to %llu%s%s", (unsigned long long)o->lo,
				 (unsigned long long)o->hi, *o->unit == '\0' ? "" : " ", o->unit);
		else if (o->type == AP_OPT_ENUM)
			snprintf(range, sizeof range, ", one of %s", o->unit);
		printf("  %-26s %s (default %s%s)\n", name, o->help, *o->dflt == '\0' ? "empty" : o->dflt, range);
	}
}

static void help(const struct ap_app_spec *spec)
{
	printf("usage: %s [-c FILE] [-o section.key=value]... [-n] [-V] [-h]%s%s%s\n%s\n\n"
	       "  -c FILE                    configuration file (default " DEFAULT_FILE ")\n"
	       "  -o section.key=value       set one option, may be repeated; wins over file and environment\n"
	       "  -n                         check the configuration and exit: 0 fine, 100 not\n"
	       "  -V                         print the version and exit\n"
	       "  -h, --help                 print this and exit\n",
	       spec->name, flags_count(spec) > 0 ? " [OPTION]..." : "", spec->operands != NULL ? " " : "",
	       spec->operands != NULL ? spec->operands : "", spec->summary);
	for (size_t i = 0; i < flags_count(spec); i++) {
		char name[64];
		snprintf(name, sizeof name, "--%s%s%s", spec->flags[i].name, spec->flags[i].arg != NULL ? " " : "",
			 spec->flags[i].arg != NULL ? spec->flags[i].arg : "");
		printf("  %-26s %s\n", name, spec->flags[i].help);
	}
	help_options(spec);
	printf("\nexit codes: 0 done, 100 a mistake in usage or configuration, 111 try again (a server is away)\n");
}

static int mistake(const struct ap_app *app, const char *what)
{
	fprintf(stderr, "%s: %s\n", app->spec->name, what);
	return AP_EX_MISTAKE;
}

static size_t longs_fill(const struct ap_app_spec *spec, struct option *longs)
{
	size_t n = flags_count(spec);

	for (size_t i = 0; i < n; i++)
		longs[i] = (struct option){ spec->flags[i].name, spec->flags[i].arg == NULL ? no_argument : required_argument,
					    NULL, FLAG_BASE + (int)i };
	longs[n++] = (struct option){ "help", no_argument, NULL, 'h' };
	longs[n++] = (struct option){ "version", no_argument, NULL, 'V' };
	longs[n] = (struct option){ NULL, 0, NULL, 0 };
	return n;
}

/* -1: go on. */
static int args_read(struct ap_app *app, struct args *a, int argc, char **argv)
{
	struct option longs[AP_FLAGS_MAX + 3];
	char say[200];
	int c;

	longs_fill(app->spec, longs);
	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":c:o:nVh", longs, NULL)) != -1) {
		if (c >= FLAG_BASE) {
			app->flag_val[c - FLAG_BASE] = optarg == NULL ? "" : optarg;
		} else if (c == 'c') {
			a->file = optarg;
		} else if (c == 'o' && app->over_n < AP_OVER_MAX) {
			app->over[app->over_n++] = optarg;
		} else if (c == 'n') {
			a->check_only = true;
		} else if (c == 'V') {
			printf("%s %s\n", app->spec->name, AP_VERSION);
			return AP_EX_OK;
		} else if (c == 'h') {
			help(app->spec);
			return AP_EX_OK;
		} else {
			snprintf(say, sizeof say, "%s %s; see --help",
				 c == ':' ? "a value is missing after" : c == 'o' ? "too many options at" : "unknown option",
				 argv[optind - 1]);
			return mistake(app, say);
		}
	}
	app->argc_rest = argc - optind;
	app->argv_rest = argv + optind;
	if (app->argc_rest > 0 && app->spec->operands == NULL) {
		snprintf(say, sizeof say, "unexpected argument %s; see --help", argv[optind]);
		return mistake(app, say);
	}
	return -1;
}

static bool conf_fill(const struct ap_app *app, struct ap_conf *conf, char *err, size_t errlen)
{
	if (app->conf_path != NULL && !ap_conf_file(conf, app->conf_path, err, errlen))
		return false;
	if (!ap_conf_env(conf, (const char *const *)environ, err, errlen))
		return false;
	for (size_t i = 0; i < app->over_n; i++)
		if (!ap_conf_assign(conf, app->over[i], err, errlen))
			return false;
	if (app->spec->check == NULL || app->spec->check(app->spec->check_ctx, conf, err, errlen))
		return true;
	if (app->conf_path != NULL)
		ap_conf_place(conf, app->conf_path, err, errlen);
	return false;
}

static bool conf_read(struct ap_app *app, const struct args *a, char *err, size_t errlen)
{
	app->conf_path = a->file != NULL ? a->file : access(DEFAULT_FILE, F_OK) == 0 ? DEFAULT_FILE : NULL;
	return conf_fill(app, &app->conf, err, errlen);
}

bool ap_app_conf_again(const struct ap_app *app, struct ap_conf *out, char *err, size_t errlen)
{
	ap_conf_init(out);
	if (conf_fill(app, out, err, errlen))
		return true;
	ap_conf_done(out);
	return false;
}

static void stop_cb(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct ap_app *app = w->data;

	(void)revents;
	ap_log(&app->log, AP_INFO, "stop", KV_S("signal", w->signum == SIGTERM ? "TERM" : "INT"));
	ap_app_notify(app, "STOPPING=1");
	if (app->on_stop != NULL)
		app->on_stop(app);
	else
		ev_break(loop, EVBREAK_ALL);
}

static void hup_cb(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct ap_app *app = w->data;

	(void)loop, (void)revents;
	if (!ap_log_open(app->conf.log_file))
		ap_log(&app->log, AP_ERROR, "log_not_opened", KV_S("path", app->conf.log_file), KV_S("next", "the_old_file_goes_on"));
	if (app->on_hup != NULL)
		app->on_hup(app);
}

static void signals_start(struct ap_app *app)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	sigaction(SIGPIPE, &ignore, NULL);
	ev_signal_init(&app->sig_term, stop_cb, SIGTERM);
	ev_signal_init(&app->sig_int, stop_cb, SIGINT);
	ev_signal_init(&app->sig_hup, hup_cb, SIGHUP);
	app->sig_term.data = app->sig_int.data = app->sig_hup.data = app;
	ev_signal_start(app->loop, &app->sig_term);
	ev_signal_start(app->loop, &app->sig_int);
	ev_signal_start(app->loop, &app->sig_hup);
}

int ap_app_init(struct ap_app *app, const struct ap_app_spec *spec, int argc, char **argv)
{
	struct args a = { 0 };
	char err[512] = "";

	*app = (struct ap_app){ .spec = spec, .log = { .app = spec->name, .least = AP_INFO } };
	int rc = args_read(app, &a, argc, argv);
	if (rc != -1)
		return rc;
	ap_conf_init(&app->conf);
	if (!conf_read(app, &a, err, sizeof err)) {
		rc = mistake(app, err);
	} else if (a.check_only) {
		printf("%s: the configuration is fine\n", spec->name);
		rc = AP_EX_OK;
	}
	if (rc != -1) {
		ap_conf_done(&app->conf);
		return rc;
	}
	app->log.least = (enum ap_lvl)app->conf.log_level;
	if (!ap_log_open(app->conf.log_file)) {
		snprintf(err, sizeof err, "log.file = \"%s\": %s", app->conf.log_file, strerror(errno));
		ap_conf_done(&app->conf);
		return mistake(app, err);
	}
	app->loop = ev_default_loop(EVFLAG_AUTO);
	if (app->loop == NULL) {
		ap_conf_done(&app->conf);
		fprintf(stderr, "%s: no event loop could be made\n", spec->name);
		return AP_EX_AGAIN;
	}
	signals_start(app);
	return -1;
}

const char *ap_app_flag(const struct ap_app *app, const char *name)
{
	for (size_t i = 0; i < flags_count(app->spec); i++)
		if (strcmp(app->spec->flags[i].name, name) == 0)
			return app->flag_val[i];
	assert(strcmp(name, "a flag that the program declared") == 0);
	return NULL;
}

int ap_app_run(struct ap_app *app)
{
	ap_app_notify_watch(app);
	ev_run(app->loop, 0);
	return app->exit_code;
}

void ap_app_signals_plain(struct ap_app *app)
{
	ev_signal_stop(app->loop, &app->sig_term);
	ev_signal_stop(app->loop, &app->sig_int);
	ev_signal_stop(app->loop, &app->sig_hup);
}

void ap_app_done(struct ap_app *app)
{
	ev_timer_stop(app->loop, &app->watchdog);
	ap_app_signals_plain(app);
	ap_conf_done(&app->conf);
}
