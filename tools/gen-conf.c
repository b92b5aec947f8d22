/*
 * gen-conf.c - prints etc/alphapulse.conf (every option at its default) or, with the argument "man",
 * its manual page etc/alphapulse.conf.5. Both come from the option table alone.
 */
#include <stdio.h>
#include <string.h>

#include "../common/core/conf.h"

/* What a section is about, in the order of the table. */
static const char *const about[][2] = {
	{ "data", "the data set and where the pipeline keeps its files" },
	{ "redis", "the Redis that joins the stages" },
	{ "pg", "the PostgreSQL (or TimescaleDB) that keeps everything" },
	{ "log", "log lines: logfmt, one event a line" },
	{ "runtime", "what all stages share: reading, leases, deadlines, back-pressure" },
	{ "ingest", "ap-ingest: the way in" },
	{ "journal", "the journal of ap-ingest: what is accepted, on disk (docs/journal.md)" },
	{ "normalize", "ap-normalize: raw messages into trades" },
	{ "candle", "ap-candle: trades into candles" },
	{ "indicators", "ap-indicators: candles into indicators, patterns and signals" },
	{ "persist", "ap-persist: streams into PostgreSQL" },
	{ "metrics", "ap-metrics: /metrics, alerts, system metrics" },
	{ "supervisor", "ap-supervisor: starts, watches and ends the others" },
	{ "api", "ap-api: REST, WebSocket and the page" },
};

static const char *about_section(const char *section)
{
	for (size_t i = 0; i < sizeof about / sizeof about[0]; i++)
		if (strcmp(about[i][0], section) == 0)
			return about[i][1];
	return "";
}

static void range(const struct ap_opt *o, char *out, size_t cap)
{
	if (o->type == AP_OPT_U64)
		snprintf(out, cap, "%llu to %llu%s%s", (unsigned long long)o->lo, (unsigned long long)o->hi, o->unit[0] != '\0' ? " " : "", o->unit);
	else if (o->type == AP_OPT_ENUM)
		snprintf(out, cap, "%s", o->unit);
	else if (o->type == AP_OPT_BOOL)
		snprintf(out, cap, "true or false");
	else if (o->type == AP_OPT_LIST)
		snprintf(out, cap, "a list");
	else
		snprintf(out, cap, "text%s%s", o->unit[0] != '\0' ? ": " : "", o->unit);
}

static void value(const struct ap_opt *o)
{
	if (o->type == AP_OPT_U64)
		printf("%s%s", o->dflt, strlen(o->dflt) > 9 ? "L" : "");
	else if (o->type == AP_OPT_BOOL)
		printf("%s", o->dflt);
	else if (o->type == AP_OPT_LIST)
		printf("%s", o->dflt[0] != '\0' ? o->dflt : "( )");
	else
		printf("\"%s\"", o->dflt);
}

static bool in_section(const struct ap_opt *o, const char *section)
{
	return strcmp(o->section, section) == 0;
}

/* The first row of a section, which is where the section is printed; rows of one section need not be neighbours. */
static bool first_of_section(size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (in_section(&ap_opts[k], ap_opts[i].section))
			return false;
	return true;
}

static void print_sample(void)
{
	char r[400];
	printf("# Every option of AlphaPulse at its default, made from the option table. Any of them may be left out.\n"
	       "# The command line (-o section.key=value) and the environment (AP_SECTION__KEY) outweigh this file.\n");
	for (size_t i = 0; i < ap_opts_n; i++) {
		if (!first_of_section(i))
			continue;
		printf("\n# %s\n%s = {\n", about_section(ap_opts[i].section), ap_opts[i].section);
		for (size_t k = i; k < ap_opts_n; k++) {
			if (!in_section(&ap_opts[k], ap_opts[i].section))
				continue;
			range(&ap_opts[k], r, sizeof r);
			printf("\t# %s (%s)\n\t%s = ", ap_opts[k].help, r, ap_opts[k].key);
			value(&ap_opts[k]);
			printf(";\n");
		}
		printf("};\n");
	}
}

/* mdoc reads a leading . or ' and every backslash as its own, and wants a sentence to begin on a line of its own. */
static void mdoc_text(const char *s)
{
	if (*s == '.' || *s == '\'')
		fputs("\\&", stdout);
	for (; *s != '\0'; s++) {
		bool ends = *s == '.' && s[1] == ' ' && s[2] >= 'A' && s[2] <= 'Z';

		fputs(*s == '\\' ? "\\e" : ends ? ".\n" : (char[]){ *s, '\0' }, stdout);
		s += ends;
	}
}

static void print_man(void)
{
	char r[400];
	printf(".Dd $Mdocdate$\n.Dt ALPHAPULSE.CONF 5\n.Os\n.Sh NAME\n.Nm alphapulse.conf\n.Nd every option of AlphaPulse\n.Sh DESCRIPTION\n"
	       "The file is in the format of libconfig: sections in braces, settings ended by semicolons.\n"
	       "An option is also set by\n.Fl o Ar section.key=value\non the command line, or by\n.Ev AP_SECTION__KEY\nin the environment; the command line weighs most.\n"
	       "An unknown key is an error that names the file and the line.\n");
	for (size_t i = 0; i < ap_opts_n; i++) {
		if (!first_of_section(i))
			continue;
		printf(".Ss %s\n%s%s:\n.Bl -tag -width Ds\n", ap_opts[i].section, "Concerns ", about_section(ap_opts[i].section));
		for (size_t k = i; k < ap_opts_n; k++) {
			if (!in_section(&ap_opts[k], ap_opts[i].section))
				continue;
			range(&ap_opts[k], r, sizeof r);
			printf(".It Cm %s\n", ap_opts[k].key);
			mdoc_text(ap_opts[k].help);
			printf(".\nAllowed: ");
			mdoc_text(r);
			printf(".\nDefault: ");
			mdoc_text(ap_opts[k].dflt[0] != '\0' ? ap_opts[k].dflt : "empty");
			printf(".\n");
		}
		printf(".El\n");
	}
	printf(".Sh SEE ALSO\n.Xr ap-ingest 1 ,\n.Xr ap-supervisor 1 ,\n.Xr apctl 1\n");
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "man") == 0)
		print_man();
	else
		print_sample();
	return 0;
}
