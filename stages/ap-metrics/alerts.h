/*
 * alerts.h - which metrics mean trouble: a table of rules over the metrics, and what is raised at present.
 *
 * Pure: the time is handed in; what changed is told to a callback.
 */
#ifndef AP_METRICS_ALERTS_H
#define AP_METRICS_ALERTS_H

#include "mtable.h"

enum { ALERTS_MAX = 1024, ALERT_SUBJECT = 200, ALERT_COMPONENTS = 32 };

/* How a rule looks at a series. */
enum alert_how {
	ALERT_ABOVE,            /* value > limit for hold_s */
	ALERT_BELOW,            /* value < limit for hold_s */
	ALERT_RISES,            /* it has grown; over once it has not for hold_s */
	ALERT_RESTS,            /* it has not grown for hold_s */
	ALERT_SILENT,           /* no process of the component has reported for hold_s */
};

struct alert_rule {
	const char *type;       /* "lag_high" */
	const char *severity;   /* "warning", "critical" */
	const char *component;  /* NULL: any */
	const char *name;       /* the metric; NULL for ALERT_SILENT */
	enum alert_how how;
	double limit;
	int hold_s;
	const char *message;    /* a sentence for people */
};
extern const struct alert_rule alert_rules[];
extern const size_t alert_rules_n;

struct alert {
	const struct alert_rule *rule;
	char component[40];     /* whose series it is */
	char subject[ALERT_SUBJECT];    /* instance and labels: which one */
	bool raised;
	bool seen;              /* its series is still there */
	double value;           /* last looked at */
	int64_t since_ns;       /* bad since; RISES: when it last grew; RESTS: when it last grew or was first seen */
};

struct alerts {
	struct alert a[ALERTS_MAX];
	size_t n;
	struct alert_seen {     /* components that should be there, and when one of their processes last reported */
		char name[40];
		int64_t ts_ns;
	} comp[ALERT_COMPONENTS];
	size_t comps;
	uint64_t refused;       /* subjects that found no room */
};

/* An alert was raised or cleared. */
typedef void alert_fn(void *ctx, const struct alert *a);

/* Nothing raised. expect: "ap-ingest=1 ap-persist=2 …", components whose absence is an alert too; others once seen. */
void alerts_init(struct alerts *al, const char *expect, int64_t now_ns);
/* Looks at everything again; fn is called for each change. */
void alerts_look(struct alerts *al, const struct mtable *t, int64_t now_ns, alert_fn *fn, void *ctx);

#endif
