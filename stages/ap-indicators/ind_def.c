/*
 * ind_def.c - the registry: the groups one after the other.
 */
#include <string.h>
#include "stages/ap-indicators/ind_impl.h"

static const struct ind_group *const groups[] = {
	&ind_group_average, &ind_group_momentum, &ind_group_direction, &ind_group_range, &ind_group_volume,
	&ind_group_stat, &ind_group_cycle
};

const struct ind_def *ind_def_at(size_t i)
{
	for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
		if (i < groups[g]->n)
			return &groups[g]->defs[i];
		i -= groups[g]->n;
	}
	return NULL;
}

const char *ind_def_group(const struct ind_def *d)
{
	for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++)
		for (size_t i = 0; i < groups[g]->n; i++)
			if (&groups[g]->defs[i] == d)
				return groups[g]->title;
	return "";
}

const struct ind_def *ind_find(const char *name)
{
	const struct ind_def *d;

	for (size_t i = 0; (d = ind_def_at(i)) != NULL; i++)
		if (strcmp(d->name, name) == 0)
			return d;
	return NULL;
}

size_t ind_def_params(const struct ind_def *d)
{
	size_t n = 0;

	while (n < IND_PARAM_MAX && d->params[n].name != NULL)
		n++;
	return n;
}

size_t ind_def_outputs(const struct ind_def *d)
{
	size_t n = 0;

	while (n < IND_OUT_MAX && d->outputs[n] != NULL)
		n++;
	return n;
}
