// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include "common.h"
#include "filters.h"

/* What a matching program returns; it only has to be more than 0. */
#define SNAPLEN		262144

#define SHOWN		120

/* Cuts white space at both ends, in place. */
static char *trim(char *line)
{
	char *end = line + strlen(line);

	while (end > line && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return line + strspn(line, " \t\r\n\v\f");
}

/* Room doubles: at every power of two the array is full. */
static void *grow(void *array, uint32_t used, uint32_t more, size_t size)
{
	uint64_t room = 64;
	uint64_t need = (uint64_t)used + more;

	if (used)
		while (room < used)
			room *= 2;
	if (array && need <= room)
		return array;
	while (room < need)
		room *= 2;
	return must_realloc(array, room, size);
}

static int add(struct filters *filters, const char *text, unsigned int line,
	       const struct bpf_program *prog)
{
	struct set *set = &filters->set;
	uint32_t n = set->nr_progs;

	if (n == BGFILTER_MAX_FILTERS)
		return bad_input("%s:%u: more than %u filters", filters->path,
				 line, BGFILTER_MAX_FILTERS);
	if (prog->bf_len > BGFILTER_MAX_PROG)
		return bad_input("%s:%u: the filter has %u instructions, and %u are the limit",
				 filters->path, line, prog->bf_len,
				 BGFILTER_MAX_PROG);
	if (prog->bf_len > BGFILTER_MAX_INSNS - set->nr_insns)
		return bad_input("%s:%u: more than %u instructions in all",
				 filters->path, line, BGFILTER_MAX_INSNS);

	filters->filters = grow(filters->filters, n, 1,
				sizeof(*filters->filters));
	set->progs = grow(set->progs, n, 1, sizeof(*set->progs));
	set->insns = grow(set->insns, set->nr_insns, prog->bf_len,
			  sizeof(*set->insns));

	filters->filters[n].text = must_strdup(text);
	filters->filters[n].line = line;
	set->progs[n].first = set->nr_insns;
	set->progs[n].len = prog->bf_len;
	memcpy(set->insns + set->nr_insns, prog->bf_insns,
	       prog->bf_len * sizeof(*set->insns));
	set->nr_progs = n + 1;
	set->nr_insns += prog->bf_len;
	return EXIT_OK;
}

static int compile(struct filters *filters, pcap_t *pcap, const char *text,
		   unsigned int line)
{
	struct bpf_program prog;
	int ret;

	if (pcap_compile(pcap, &prog, text, 1, PCAP_NETMASK_UNKNOWN) < 0)
		return bad_input("%s:%u: %s", filters->path, line,
				 pcap_geterr(pcap));
	ret = add(filters, text, line, &prog);
	pcap_freecode(&prog);
	return ret;
}

static int read_lines(struct filters *filters, FILE *file, pcap_t *pcap)
{
	unsigned int number = 0;
	size_t room = 0;
	char *line = NULL;
	int ret = EXIT_OK;
	ssize_t len;

	while (!ret && !interrupted &&
	       (len = getline(&line, &room, file)) >= 0) {
		char *text;

		number++;
		if (strlen(line) != (size_t)len) {
			ret = bad_input("%s:%u: a NUL byte", filters->path,
					number);
			break;
		}
		text = trim(line);
		if (*text && *text != '#')
			ret = compile(filters, pcap, text, number);
	}
	if (!ret && interrupted)
		ret = EXIT_INTERRUPTED;
	else if (!ret && ferror(file))
		ret = bad_input("%s: %s", filters->path, strerror(errno));
	free(line);
	return ret;
}

int filters_read(struct filters *filters, const char *path)
{
	/* No interface: no loads that only Linux knows. */
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, SNAPLEN);
	FILE *file;
	int ret;

	memset(filters, 0, sizeof(*filters));
	filters->path = path;
	if (!pcap)
		return bad_system("out of memory");
	file = fopen(path, "r");
	if (!file) {
		pcap_close(pcap);
		return bad_input("%s: %s", path, strerror(errno));
	}
	ret = read_lines(filters, file, pcap);
	if (!ret && !filters->set.nr_progs)
		ret = bad_input("%s: no filters", path);
	fclose(file);
	pcap_close(pcap);
	if (ret)
		filters_free(filters);
	return ret;
}

void filters_free(struct filters *filters)
{
	for (uint32_t i = 0; i < filters->set.nr_progs; i++)
		free(filters->filters[i].text);
	free(filters->filters);
	free(filters->set.progs);
	free(filters->set.insns);
	memset(filters, 0, sizeof(*filters));
}

const char *filter_shown(const struct filter *filter)
{
	static char text[SHOWN + sizeof("...")];
	bool cut = strlen(filter->text) > SHOWN;

	snprintf(text, sizeof(text), "%.*s%s", SHOWN, filter->text,
		 cut ? "..." : "");
	return text;
}

int filters_load(const struct filters *filters, int fd, uint32_t tiers)
{
	const struct filter *f;
	uint32_t failed;
	int ret = device_load(fd, &filters->set, tiers, &failed);

	if (!ret)
		return EXIT_OK;
	if ((ret != -EINVAL && ret != -E2BIG) ||
	    failed >= filters->set.nr_progs)
		return bad_system("cannot load the filters: %s",
				  strerror(-ret));
	f = &filters->filters[failed];
	return bad_input("%s:%u: the kernel refuses the filter: %s: %s",
			 filters->path, f->line, strerror(-ret),
			 filter_shown(f));
}
