/*
 * symbol.c - one name for one instrument, whatever the venue calls it.
 *
 * Everything is in three tables: quote assets, sources with their habits, and assets with a second name.
 * Only dashes make a name canonical: "BTC-USDT" from a perpetuals venue stays what it says, while "BTCUSDT",
 * "BTC_USDT" and "BTC/USDT" become BTC-USDT-PERP there. Knows no list of instruments: a name it cannot
 * split is kept as it is ("SPY", "XBTM21").
 */
#include "symbol.h"

enum {
	Q_ANY = 1,              /* a quote asset everywhere */
	Q_BINANCE = 2,
	Q_KRAKEN = 4,
	Q_USD = 8,              /* US dollars: not on Binance's own markets, where every ...TUSD is TrueUSD */
	Q_RARE = 16,            /* TUSD, BUSD: on other venues DOTUSD and BNBUSD are dollars */
};

/* Longest first, so that the first match is the longest. */
static const struct {
	const char *name;
	uint8_t len, where;
} quotes[] = {
	{ "FDUSD", 5, Q_ANY }, { "USDT", 4, Q_ANY }, { "USDC", 4, Q_ANY }, { "BUSD", 4, Q_RARE }, { "TUSD", 4, Q_RARE },
	{ "USDP", 4, Q_ANY }, { "USDS", 4, Q_BINANCE }, { "BIDR", 4, Q_ANY }, { "IDRT", 4, Q_ANY }, { "BKRW", 4, Q_BINANCE },
	{ "BVND", 4, Q_BINANCE }, { "GYEN", 4, Q_BINANCE }, { "DOGE", 4, Q_BINANCE }, { "EURI", 4, Q_BINANCE },
	{ "USD", 3, Q_USD }, { "EUR", 3, Q_ANY }, { "GBP", 3, Q_ANY }, { "JPY", 3, Q_ANY }, { "TRY", 3, Q_ANY },
	{ "BRL", 3, Q_ANY }, { "AUD", 3, Q_ANY }, { "CAD", 3, Q_ANY }, { "CHF", 3, Q_ANY }, { "KRW", 3, Q_ANY },
	{ "RUB", 3, Q_ANY }, { "UAH", 3, Q_ANY }, { "NGN", 3, Q_ANY }, { "ZAR", 3, Q_ANY }, { "PLN", 3, Q_ANY },
	{ "MXN", 3, Q_ANY }, { "ARS", 3, Q_ANY }, { "BTC", 3, Q_ANY }, { "XBT", 3, Q_ANY }, { "ETH", 3, Q_ANY },
	{ "BNB", 3, Q_ANY }, { "DAI", 3, Q_ANY }, { "PAX", 3, Q_BINANCE }, { "TRX", 3, Q_BINANCE },
	{ "XRP", 3, Q_BINANCE }, { "VAI", 3, Q_BINANCE }, { "DOT", 3, Q_BINANCE | Q_KRAKEN },
};

enum {
	F_PERP = 1,             /* what is not dated is a perpetual */
	F_XBT = 2,              /* XBT and XDG are their names of BTC and DOGE */
	F_XZ = 4,               /* XXBTZUSD: X and Z before three-letter assets */
	F_SWAP = 8,             /* -SWAP is a perpetual */
	F_MONTHS = 16,          /* BTCUSDU21: futures with a month letter and a year */
	F_USDC_PERP = 32,       /* BTCPERP is settled in USDC */
	F_PREFIX = 64,          /* PI_ PF_ perpetual, FI_ FF_ dated */
	F_SPOT_UNDERLINE = 128, /* XBT_USDT is spot where XBTUSDT is a perpetual */
};

struct venue_rules {
	const char *source;
	size_t source_len;
	unsigned quotes, flags;
};

static const struct venue_rules rules[] = {
	{ "binance", 7, Q_ANY | Q_BINANCE | Q_RARE, 0 },
	{ "binance_us", 10, Q_ANY | Q_USD | Q_RARE, 0 },
	{ "binance_futures", 15, Q_ANY | Q_USD | Q_RARE, F_PERP },
	{ "binance_usdm", 12, Q_ANY | Q_USD | Q_RARE, F_PERP },
	{ "binance_coinm", 13, Q_ANY | Q_USD, F_PERP },
	{ "binance_delivery", 16, Q_ANY | Q_USD, F_PERP },
	{ "coinbase", 8, Q_ANY | Q_USD, 0 },
	{ "kraken", 6, Q_ANY | Q_USD | Q_KRAKEN, F_XBT | F_XZ },
	{ "kraken_futures", 14, Q_ANY | Q_USD, F_XBT | F_PREFIX },
	{ "bybit", 5, Q_ANY | Q_USD, F_PERP | F_MONTHS | F_USDC_PERP },
	{ "bybit_spot", 10, Q_ANY | Q_USD, 0 },
	{ "okx", 3, Q_ANY | Q_USD, F_SWAP },
	{ "okex", 4, Q_ANY | Q_USD, F_SWAP },
	{ "bitmex", 6, Q_ANY | Q_USD, F_PERP | F_XBT | F_MONTHS | F_SPOT_UNDERLINE },
	{ "bitstamp", 8, Q_ANY | Q_USD, 0 },
	{ "bitfinex", 8, Q_ANY | Q_USD, 0 },
	{ "gemini", 6, Q_ANY | Q_USD, 0 },
};

static const struct venue_rules general = { "", 0, Q_ANY | Q_USD | Q_RARE, 0 };

/* Where a name could be read two ways: bases that do trade against TrueUSD, bases that end in B. */
static const char *const tusd_bases[] = { "ADA", "BCH", "BNB", "BTC", "EOS", "ETH", "LTC", "PAX", "SOL", "TRX", "USDC", "USDT", "XRP" };
static const char *const b_bases[] = { "ARB", "BNB", "ORB", "SHIB", "TRB" };

/* A piece of a name. */
typedef struct {
	const char *p;
	size_t n;
} piece;

static bool piece_is(piece a, const char *s)
{
	size_t n = strlen(s);
	return a.n == n && memcmp(a.p, s, n) == 0;
}

static bool listed(piece a, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (piece_is(a, list[i]))
			return true;
	return false;
}
#define LISTED(a, list) listed((a), (list), sizeof (list) / sizeof (list)[0])

static bool all_digits(piece a)
{
	for (size_t i = 0; i < a.n; i++)
		if (a.p[i] < '0' || a.p[i] > '9')
			return false;
	return a.n > 0;
}

static bool is_expiry(piece a)
{
	return all_digits(a) && (a.n == 6 || a.n == 8);
}

/* Could `name`, cut before quote q, be read with plain dollars and rather should be? */
static bool rather_usd(const struct venue_rules *r, piece base, const char *quote)
{
	piece with_b = { base.p, base.n + 1 };
	if (!(r->quotes & Q_USD))
		return false;
	return quote[0] == 'T' ? !LISTED(base, tusd_bases) : LISTED(with_b, b_bases);
}

/* BTCUSDT → BTC, USDT by the longest quote asset that leaves a base. */
static bool split(const struct venue_rules *r, piece name, piece *base, piece *quote)
{
	for (size_t i = 0; i < sizeof quotes / sizeof quotes[0]; i++) {
		size_t len = quotes[i].len;
		piece b = { name.p, name.n - len };
		if (!(quotes[i].where & r->quotes) || name.n <= len ||
		    memcmp(name.p + b.n, quotes[i].name, len) != 0)
			continue;
		if ((quotes[i].where & Q_RARE) && rather_usd(r, b, quotes[i].name))
			continue;
		/* One letter before three is rather a name of its own (GBTC), unless a venue of pairs says it. */
		if (b.n == 1 && len < 4 && r == &general)
			continue;
		*base = b;
		*quote = (piece){ name.p + b.n, len };
		return true;
	}
	return false;
}

/* An asset's first name: XBT → BTC, where the venue has such names. */
static piece asset(const struct venue_rules *r, piece a)
{
	if (!(r->flags & F_XBT))
		return a;
	if (piece_is(a, "XBT"))
		return (piece){ "BTC", 3 };
	if (piece_is(a, "XDG"))
		return (piece){ "DOGE", 4 };
	return a;
}

struct joined {
	char *out;
	size_t n;
	bool bad;
};

static void join(struct joined *j, piece a)
{
	size_t dash = j->n > 0;
	if (a.n == 0 || a.n + dash > AP_SYMBOL_MAX - j->n) {
		j->bad = true;
		return;
	}
	if (dash)
		j->out[j->n++] = '-';
	memcpy(j->out + j->n, a.p, a.n);
	j->n += a.n;
}

static const piece perp = { "PERP", 4 }, none = { "", 0 };

static size_t compose(const struct venue_rules *r, char *out, piece base, piece quote, piece tail)
{
	struct joined j = { out, 0, false };
	join(&j, asset(r, base));
	join(&j, asset(r, quote));
	if (tail.n > 0)
		join(&j, tail);
	return j.bad ? 0 : j.n;
}

/* Already in pieces: `sep` becomes a dash. Assets get their first names, SWAP becomes PERP where the venue says so. */
static size_t rejoin(const struct venue_rules *r, char *out, piece name, char sep, piece tail)
{
	struct joined j = { out, 0, false };
	for (size_t i = 0, from = 0, k = 0; i <= name.n; i++) {
		piece a = { name.p + from, i - from };
		if (i < name.n && name.p[i] != sep)
			continue;
		if (k > 0 && i == name.n && (r->flags & F_SWAP) && piece_is(a, "SWAP"))
			a = perp;
		join(&j, k < 2 ? asset(r, a) : a);
		from = i + 1;
		k++;
	}
	if (tail.n > 0)
		join(&j, (r->flags & F_SWAP) && piece_is(tail, "SWAP") ? perp : tail);
	return j.bad ? 0 : j.n;
}

/* Kraken's long names: XXBTZUSD, XETHXXBT, USDTZUSD - four letters and four. */
static bool split_xz(piece name, piece *base, piece *quote)
{
	static const char *const long_quotes[] = { "ZUSD", "ZEUR", "ZGBP", "ZJPY", "ZCAD", "ZAUD", "ZCHF", "XXBT", "XETH" };
	piece q = { name.p + 4, 4 };
	if (name.n != 8 || !LISTED(q, long_quotes))
		return false;
	*base = name.p[0] == 'X' || name.p[0] == 'Z' ? (piece){ name.p + 1, 3 } : (piece){ name.p, 4 };
	*quote = (piece){ q.p + 1, 3 };
	return true;
}

/* BTCUSDU21 → BTC, USD, U21 */
static bool split_month(const struct venue_rules *r, piece name, piece *base, piece *quote, piece *tail)
{
	static const char months[] = "FGHJKMNQUVXZ";
	piece year;
	if (name.n < 4)
		return false;
	year = (piece){ name.p + name.n - 2, 2 };
	*tail = (piece){ name.p + name.n - 3, 3 };
	if (!all_digits(year) || memchr(months, tail->p[0], sizeof months - 1) == NULL)
		return false;
	return split(r, (piece){ name.p, name.n - 3 }, base, quote);
}

static size_t canon_plain(const struct venue_rules *r, char *out, piece name)
{
	struct joined j = { out, 0, false };
	piece base, quote, tail;
	if ((r->flags & F_XZ) && split_xz(name, &base, &quote))
		return compose(r, out, base, quote, none);
	if ((r->flags & F_MONTHS) && split_month(r, name, &base, &quote, &tail))
		return compose(r, out, base, quote, tail);
	if ((r->flags & F_USDC_PERP) && name.n > 4 && memcmp(name.p + name.n - 4, "PERP", 4) == 0)
		return compose(r, out, (piece){ name.p, name.n - 4 }, (piece){ "USDC", 4 }, perp);
	if (split(r, name, &base, &quote))
		return compose(r, out, base, quote, r->flags & F_PERP ? perp : none);
	join(&j, asset(r, name));
	return j.bad ? 0 : j.n;
}

/* BTC_USDT, BTCUSDT_210924, BTCUSD_PERP, PI_XBTUSD */
static size_t canon_underline(const struct venue_rules *r, char *out, piece name)
{
	const char *cut = memchr(name.p, '_', name.n);
	piece head = { name.p, (size_t)(cut - name.p) }, rest = { cut + 1, name.n - head.n - 1 }, base, quote;
	bool two = memchr(rest.p, '_', rest.n) == NULL;
	if ((r->flags & F_PREFIX) && head.n == 2 && (head.p[0] == 'P' || head.p[0] == 'F')) {
		const char *end = memchr(rest.p, '_', rest.n);
		piece pair = { rest.p, end == NULL ? rest.n : (size_t)(end - rest.p) };
		piece tail = end == NULL ? perp : (piece){ end + 1, rest.n - pair.n - 1 };
		if (split(r, pair, &base, &quote))
			return compose(r, out, base, quote, tail);
	}
	if (two && (is_expiry(rest) || piece_is(rest, "PERP")) && split(r, head, &base, &quote))
		return compose(r, out, base, quote, rest);
	return rejoin(r, out, name, '_', two && (r->flags & F_PERP) && !(r->flags & F_SPOT_UNDERLINE) ? perp : none);
}

/* BTC/USDT, and ccxt's BTC/USDT:USDT (a perpetual) and BTC/USDT:USDT-210924 (dated) */
static size_t canon_slash(const struct venue_rules *r, char *out, piece name)
{
	const char *colon = memchr(name.p, ':', name.n), *dash;
	piece pair = { name.p, colon == NULL ? name.n : (size_t)(colon - name.p) };
	if (memchr(pair.p, '/', pair.n) == NULL || memchr(pair.p, '-', pair.n) != NULL)
		return 0;
	if (colon == NULL)
		return rejoin(r, out, pair, '/', r->flags & F_PERP ? perp : none);
	dash = memchr(colon, '-', name.n - pair.n);
	if (dash == NULL)
		return rejoin(r, out, pair, '/', perp);
	if (dash + 1 == name.p + name.n)
		return 0;
	return rejoin(r, out, pair, '/', (piece){ dash + 1, (size_t)(name.p + name.n - dash - 1) });
}

static const struct venue_rules *rules_of(ap_str source)
{
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
		if (source.len == rules[i].source_len && memcmp(source.p, rules[i].source, source.len) == 0)
			return &rules[i];
	return &general;
}

bool ap_symbol_has_rules(ap_str source)
{
	return rules_of(source) != &general;
}

enum { HAS_DASH = 1, HAS_UNDERLINE = 2, HAS_SLASH = 4, HAS_COLON = 8, HAS_OTHER = 16 };

static unsigned separator(char c)
{
	switch (c) {
	case '.': return 0;
	case '-': return HAS_DASH;
	case '_': return HAS_UNDERLINE;
	case '/': return HAS_SLASH;
	case ':': return HAS_COLON;
	default: return HAS_OTHER;
	}
}

/* Copies in upper case; tells which separators there are. */
static unsigned upper(ap_str in, char *out)
{
	unsigned has = 0;
	for (size_t i = 0; i < in.len; i++) {
		char c = in.p[i];
		if (c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		else if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')))
			has |= separator(c);
		out[i] = c;
	}
	return has;
}

static size_t canon(const struct venue_rules *r, char *out, piece name, unsigned has)
{
	if (has & HAS_SLASH)
		return canon_slash(r, out, name);
	if (has & HAS_COLON)
		return 0;
	if (has & HAS_DASH)
		return rejoin(r, out, name, '-', none);
	if (has & HAS_UNDERLINE)
		return canon_underline(r, out, name);
	return canon_plain(r, out, name);
}

/* Pieces of [A-Z0-9._], none empty. */
static bool is_canonical(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] == '/' || p[i] == ':' || (p[i] == '-' && (i == 0 || i + 1 == n || p[i + 1] == '-')))
			return false;
	return true;
}

size_t ap_symbol_canon(ap_str source, ap_str venue, char out[AP_SYMBOL_MAX])
{
	char text[AP_SYMBOL_MAX] = "";
	unsigned has;
	size_t n;
	if (venue.len == 0 || venue.len > AP_SYMBOL_MAX)
		return 0;
	has = upper(venue, text);
	if (has & HAS_OTHER)
		return 0;
	n = canon(rules_of(source), out, (piece){ text, venue.len }, has);
	return is_canonical(out, n) ? n : 0;
}

size_t ap_source_canon(ap_str source, char out[AP_SOURCE_MAX])
{
	if (source.len == 0 || source.len > AP_SOURCE_MAX)
		return 0;
	for (size_t i = 0; i < source.len; i++) {
		char c = source.p[i];
		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		else if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-'))
			return 0;
		out[i] = c;
	}
	return source.len;
}
