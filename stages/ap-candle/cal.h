/*
 * cal.h - calendars: in which zone, and in which trading hours, a series' intervals lie.
 *
 * Up to one hour, intervals follow the zone's offset and are cut where it changes; longer ones follow its wall clock, so a
 * day has 23 or 25 hours at the change, and a 4h bar 3 or 5. With trading hours, intervals begin at the open and end with
 * the close at the latest, a day is one session, and there is nothing outside. Weeks and months are those of the zone, or,
 * where a session begins on the evening before its day, as much earlier.
 */
#ifndef AP_CANDLE_CAL_H
#define AP_CANDLE_CAL_H

#include "common/core/buf.h"
#include "tf.h"
#include "zone.h"

enum { CANDLE_CALS_MAX = 17, CANDLE_HOLIDAYS_MAX = 2000 };

/* A day on which trading ends early. */
struct candle_early {
	int32_t day, close_s;
};

struct candle_cal {
	struct candle_zone zone;
	bool zoned;                     /* false: UTC, and zone is empty */
	bool session;                   /* the rest says when trading is on */
	uint8_t days;                   /* bit 0: Sunday */
	int32_t open_s, close_s;        /* of the local day, open < close; open < 0: on the evening before */
	int32_t *holiday;               /* ascending, days since 1970 */
	uint32_t holidays;
	struct candle_early *early;     /* ascending */
	uint32_t earlies;
	char *symbols, *sources;        /* patterns of the series it is for; NULL: all */
};

/* The first is for everybody else. */
struct candle_cals {
	struct candle_cal v[CANDLE_CALS_MAX];
	uint32_t n;
};

/* Puts the bytes of a zone's TZif file into *into; false: there is no such zone. */
typedef bool candle_zone_reader(void *ctx, const char *name, struct ap_buf *into);

/* Reads candle.zone and candle.sessions. read may be NULL: then only UTC and rules are known. False with a sentence in err. */
bool candle_cals_parse(struct candle_cals *c, ap_str zone, ap_str sessions, candle_zone_reader *read, void *ctx, char *err, size_t errlen);
void candle_cals_done(struct candle_cals *c);
const struct candle_cal *candle_cals_pick(const struct candle_cals *c, ap_str source, ap_str symbol);
/* No interval that the base must nest in begins or ends off these steps, ms. */
int64_t candle_cals_step_ms(const struct candle_cals *c);

/* Whether trading is on. */
bool candle_cal_on(const struct candle_cal *c, int64_t t_ms);
/*
 * The interval that holds t. False: trading is off; then *open_ms = *close_ms = when it is on again.
 */
bool candle_cal_at(const struct candle_cal *c, const struct candle_tf *tf, int64_t t_ms, int64_t *open_ms, int64_t *close_ms);

#endif
