/*
 * load.c - sends trades into a pipeline's TCP socket and, when asked, times how long each takes to come out
 * as a forming candle on the WebSocket.
 *
 *   load TCP_HOST:PORT TRADES SYMBOLS RATE [API_HOST:PORT]
 *
 * RATE 0: as fast as the socket takes them. Prints one JSON line. With an API address it subscribes to the 1m candles of its
 * symbols: a candle that counts n trades proves that the n-th trade of that symbol and minute has arrived.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/core/hist.h"
#include "dial.h"

enum { SYMBOLS_MAX = 64, MINUTES = 4, PER_MINUTE = 1 << 20, IN_MAX = 4 << 20, OUT_MAX = 1 << 16 };

struct sent {
	int64_t minute;         /* of the trades' time */
	uint32_t n;             /* trades of that minute */
	int64_t *at_ns;         /* when the k-th left, from 0 */
	uint32_t seen;          /* how many are known to have come out */
};

struct load {
	int tcp, ws;
	uint64_t trades, done, matched;
	unsigned symbols, rate;
	struct sent sent[SYMBOLS_MAX][MINUTES];
	struct ap_hist lat_us;
	char *in;
	size_t in_len;
};

static int64_t clock_ns(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int connect_to(const char *where)
{
	int on = 1, fd = dial_at(where);

	if (fd != -1)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

static bool send_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

/* A client's text frame, masked with zeros as the protocol allows. */
static bool ws_send(int fd, const char *text)
{
	char frame[256];
	size_t n = strlen(text);
	assert(n < 126);
	frame[0] = (char)0x81;
	frame[1] = (char)(0x80 | n);
	memset(frame + 2, 0, 4);
	memcpy(frame + 6, text, n);
	return send_all(fd, frame, n + 6);
}

static bool ws_open(struct load *l, const char *api)
{
	char text[512];
	l->ws = connect_to(api);
	snprintf(text, sizeof text,
		 "GET /ws/streaming HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", api);
	if (l->ws == -1 || !send_all(l->ws, text, strlen(text)))
		return false;
	size_t n = 0;
	while (n < sizeof text - 1 && (n < 4 || memcmp(text + n - 4, "\r\n\r\n", 4) != 0)) {
		if (recv(l->ws, text + n, 1, 0) != 1)
			return false;
		n++;
	}
	text[n] = '\0';
	if (strstr(text, " 101 ") == NULL)
		return false;
	for (unsigned s = 0; s < l->symbols; s++) {
		snprintf(text, sizeof text, "{\"action\":\"subscribe\",\"symbol\":\"LOAD%u-USD\",\"timeframe\":\"1m\"}", s);
		if (!ws_send(l->ws, text))
			return false;
	}
	return fcntl(l->ws, F_SETFL, O_NONBLOCK) == 0;
}

static struct sent *slot_of(struct load *l, unsigned sym, int64_t minute)
{
	for (int i = 0; i < MINUTES; i++)
		if (l->sent[sym][i].minute == minute)
			return &l->sent[sym][i];
	return NULL;
}

static struct sent *slot_for(struct load *l, unsigned sym, int64_t minute)
{
	struct sent *s = slot_of(l, sym, minute);
	if (s != NULL)
		return s;
	s = &l->sent[sym][minute % MINUTES];
	if (s->at_ns == NULL)
		s->at_ns = calloc(PER_MINUTE, sizeof *s->at_ns);
	assert(s->at_ns != NULL);
	s->minute = minute;
	s->n = s->seen = 0;
	return s;
}

/* A number behind "key": in a JSON text; -1: it is not there. */
static int64_t number(const char *p, const char *end, const char *key)
{
	const char *at = memmem(p, (size_t)(end - p), key, strlen(key));
	return at != NULL ? strtoll(at + strlen(key), NULL, 10) : -1;
}

/* RFC 3339 in UTC to minutes; open_time of a 1m candle. */
static int64_t minute_of(const char *p, const char *end)
{
	static const char key[] = "\"open_time\":\"";
	const char *at = memmem(p, (size_t)(end - p), key, sizeof key - 1);
	struct tm tm = { 0 };
	return at != NULL && strptime(at + sizeof key - 1, "%Y-%m-%dT%H:%M:%S", &tm) != NULL ? (int64_t)timegm(&tm) / 60 : -1;
}

static void message(struct load *l, const char *p, size_t n)
{
	const char *end = p + n;
	int64_t now = clock_ns(CLOCK_MONOTONIC), minute = minute_of(p, end);
	int64_t sym = number(p, end, "\"symbol\":\"LOAD"), count = number(p, end, "\"trade_count\":");
	if (memmem(p, n, "\"candle\"", 8) == NULL || sym < 0 || sym >= l->symbols || count <= 0)
		return;
	struct sent *s = slot_of(l, (unsigned)sym, minute);
	if (s == NULL)
		return;
	for (; s->seen < count && s->seen < s->n; s->seen++, l->matched++)
		ap_hist_add(&l->lat_us, (uint64_t)(now - s->at_ns[s->seen]) / 1000);
}

/* Takes whole frames off the front of what came in. */
static void frames(struct load *l)
{
	size_t at = 0;
	while (l->in_len - at >= 2) {
		const uint8_t *f = (const uint8_t *)l->in + at;
		size_t head = 2, n = f[1] & 0x7f;
		if (n == 126)
			head = 4;
		else if (n == 127)
			head = 10;
		if (l->in_len - at < head)
			break;
		if (head > 2) {
			n = 0;
			for (size_t i = 2; i < head; i++)
				n = n << 8 | f[i];
		}
		if (l->in_len - at < head + n)
			break;
		if ((f[0] & 0xf) == 1)
			message(l, (const char *)f + head, n);
		at += head + n;
	}
	memmove(l->in, l->in + at, l->in_len - at);
	l->in_len -= at;
}

static void drink(struct load *l)
{
	ssize_t n;
	while (l->ws != -1 && (n = recv(l->ws, l->in + l->in_len, IN_MAX - l->in_len, 0)) > 0) {
		l->in_len += (size_t)n;
		frames(l);
	}
}

/* Composes up to k trades, notes when they leave, sends them in one write. */
static bool send_some(struct load *l, uint64_t k)
{
	static char out[OUT_MAX];
	size_t len = 0;
	int64_t wall_ms = clock_ns(CLOCK_REALTIME) / 1000000, now = clock_ns(CLOCK_MONOTONIC);
	for (; k > 0 && l->done < l->trades && len < OUT_MAX - 256; k--, l->done++) {
		unsigned sym = (unsigned)(l->done % l->symbols);
		if (l->ws != -1) {
			struct sent *s = slot_for(l, sym, wall_ms / 60000);
			if (s->n < PER_MINUTE)
				s->at_ns[s->n++] = now;
		}
		len += (size_t)snprintf(out + len, OUT_MAX - len,
					"{\"source\":\"load\",\"symbol\":\"LOAD%u-USD\",\"price\":\"%u.%02u\",\"quantity\":\"0.%03u\","
					"\"timestamp\":%" PRId64 ",\"trade_id\":\"%" PRId64 "-%" PRIu64 "\"}\n",
					sym, 100 + (unsigned)(l->done / 7 % 50), (unsigned)(l->done % 100), 1 + (unsigned)(l->done % 999), wall_ms,
					now / 1000000, l->done);
	}
	return send_all(l->tcp, out, len);
}

static void report(const struct load *l, int64_t took_ns)
{
	printf("{\"trades\":%" PRIu64 ",\"seconds\":%.3f,\"sent_per_s\":%.0f", l->done, (double)took_ns / 1e9,
	       (double)l->done * 1e9 / (double)took_ns);
	if (l->ws != -1)
		printf(",\"matched\":%" PRIu64 ",\"latency_us\":{\"p50\":%" PRIu64 ",\"p90\":%" PRIu64 ",\"p99\":%" PRIu64 ",\"p999\":%" PRIu64
		       ",\"max\":%" PRIu64 "}", l->matched, ap_hist_quantile(&l->lat_us, 0.5), ap_hist_quantile(&l->lat_us, 0.9),
		       ap_hist_quantile(&l->lat_us, 0.99), ap_hist_quantile(&l->lat_us, 0.999), l->lat_us.max);
	printf("}\n");
}

int main(int argc, char **argv)
{
	static struct load l = { .tcp = -1, .ws = -1 };
	if (argc < 5) {
		fprintf(stderr, "usage: load TCP_HOST:PORT TRADES SYMBOLS RATE [API_HOST:PORT]\n");
		return 100;
	}
	l.trades = strtoull(argv[2], NULL, 10);
	l.symbols = (unsigned)strtoul(argv[3], NULL, 10);
	l.rate = (unsigned)strtoul(argv[4], NULL, 10);
	l.in = malloc(IN_MAX);
	ap_hist_init(&l.lat_us);
	if (l.symbols == 0 || l.symbols > SYMBOLS_MAX || l.in == NULL)
		return 100;
	if ((l.tcp = connect_to(argv[1])) == -1 || (argc > 5 && !ws_open(&l, argv[5]))) {
		fprintf(stderr, "load: no connection\n");
		return 111;
	}
	int64_t began = clock_ns(CLOCK_MONOTONIC), last = began;
	while (l.done < l.trades) {
		int64_t now = clock_ns(CLOCK_MONOTONIC);
		uint64_t due = l.rate == 0 ? UINT64_MAX : (uint64_t)(now - began) * l.rate / 1000000000 + 1;
		if (due > l.done && !send_some(&l, due - l.done))
			return 111;
		drink(&l);
		struct pollfd p = { l.ws, POLLIN, 0 };
		if (l.rate != 0)
			poll(&p, 1, 1);
		last = clock_ns(CLOCK_MONOTONIC);
	}
	/* What is still on its way, for at most five seconds. */
	for (int i = 0; i < 500 && l.ws != -1 && l.matched < l.done; i++) {
		struct pollfd p = { l.ws, POLLIN, 0 };
		poll(&p, 1, 10);
		drink(&l);
	}
	report(&l, last - began);
	return 0;
}
