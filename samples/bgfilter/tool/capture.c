// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"
#include "common.h"

#define LIVE_TIMEOUT_MS	100
#define DRAIN_TURNS	1024	/* each takes what the ring has, or a block of it */

/* libpcap goes back to its poll() after EINTR unless it is told to leave. */
static pcap_t *live;

static void break_live(void)
{
	pcap_breakloop(live);
}

/*
 * A capture file may be a pipe that nobody writes to.  A signal ends a read that
 * waits; one that is about to begin finds the end of the file.
 */
static int file_fd, null_fd = -1;

static void end_file(void)
{
	dup2(null_fd, file_fd);
}

int link_by_name(const char *name)
{
	int link = pcap_datalink_name_to_val(name);

	if (link < 0)
		say("no link type \"%s\"", name);
	return link;
}

int capture_open_file(struct capture *capture, const char *path)
{
	char error[PCAP_ERRBUF_SIZE] = "";

	*capture = (struct capture){ .name = path };
	if (null_fd < 0)
		null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null_fd < 0)
		return bad_system("/dev/null: %s", strerror(errno));
	errno = 0;
	capture->pcap = pcap_open_offline(path, error);
	if (!capture->pcap && errno == ENOMEM)
		return bad_system("%s: %s", path, error);
	if (capture->pcap) {
		file_fd = fileno(pcap_file(capture->pcap));
		on_interrupt = end_file;
		return EXIT_OK;
	}
	/* libpcap names the file in some of its messages. */
	if (!strncmp(error, path, strlen(path)))
		return bad_input("%s", error);
	return bad_input("%s: %s", path, error);
}

static int activate(struct capture *capture)
{
	int ret = pcap_activate(capture->pcap);
	const char *error = pcap_geterr(capture->pcap);

	if (ret >= 0)
		return EXIT_OK;
	return bad_system("%s: %s", capture->name,
			  *error ? error : pcap_statustostr(ret));
}

static int set_link(struct capture *capture, const char *name)
{
	int link;

	/* As tcpdump does: it says more than the default, and may not be there. */
	if (!name) {
		if (!strcmp(capture->name, "any"))
			pcap_set_datalink(capture->pcap, DLT_LINUX_SLL2);
		return EXIT_OK;
	}
	link = link_by_name(name);
	if (link < 0)
		return EXIT_BAD_INPUT;
	if (!pcap_set_datalink(capture->pcap, link))
		return EXIT_OK;
	return bad_input("%s: %s", capture->name, pcap_geterr(capture->pcap));
}

int capture_open_live(struct capture *capture,
		      const struct live_options *options)
{
	char error[PCAP_ERRBUF_SIZE] = "";
	int ret;

	*capture = (struct capture){ .name = options->interface, .live = true };
	capture->pcap = pcap_create(options->interface, error);
	if (!capture->pcap)
		return bad_system("%s: %s", options->interface, error);
	pcap_set_snaplen(capture->pcap, options->snaplen);
	pcap_set_timeout(capture->pcap, LIVE_TIMEOUT_MS);
	pcap_set_promisc(capture->pcap, !options->not_promiscuous);
	pcap_set_immediate_mode(capture->pcap, 1);
	ret = activate(capture);
	if (!ret)
		ret = set_link(capture, options->link);
	if (ret) {
		capture_close(capture);
		return ret;
	}
	live = capture->pcap;
	on_interrupt = break_live;
	return EXIT_OK;
}

static int next_error(struct capture *capture)
{
	const char *error = pcap_geterr(capture->pcap);

	if (capture->live)
		return -bad_system("%s: %s", capture->name, error);
	return -bad_input("%s: %s", capture->name, error);
}

static void throw_away(u_char *user, const struct pcap_pkthdr *header,
		       const u_char *data)
{
	(void)user;
	(void)header;
	(void)data;
}

static int dropped(struct capture *capture, uint32_t *count)
{
	struct pcap_stat stat;

	if (pcap_stats(capture->pcap, &stat))
		return bad_system("%s: %s", capture->name, pcap_geterr(capture->pcap));
	*count = stat.ps_drop;
	return EXIT_OK;
}

/* What comes meanwhile need not be waited for: that might go on for ever. */
int capture_begin(struct capture *capture)
{
	char error[PCAP_ERRBUF_SIZE] = "";
	unsigned int turns = DRAIN_TURNS;
	int ret;

	if (!capture->live)
		return EXIT_OK;
	if (pcap_setnonblock(capture->pcap, 1, error) < 0)
		return bad_system("%s: %s", capture->name, error);
	do
		ret = pcap_dispatch(capture->pcap, -1, throw_away, NULL);
	while (ret > 0 && --turns);
	if (ret < 0 && ret != PCAP_ERROR_BREAK)
		return -next_error(capture);
	capture->counted = !dropped(capture, &capture->dropped_before);
	if (pcap_setnonblock(capture->pcap, 0, error) < 0)
		return bad_system("%s: %s", capture->name, error);
	return EXIT_OK;
}

bool capture_dropped(struct capture *capture, uint32_t *count)
{
	if (!capture->counted || dropped(capture, count))
		return false;
	*count -= capture->dropped_before;
	return true;
}

int capture_write(struct capture *capture, const char *path)
{
	capture->write_path = path;
	capture->dumper = pcap_dump_open(capture->pcap, path);
	if (capture->dumper)
		return EXIT_OK;
	return bad_system("%s", pcap_geterr(capture->pcap));
}

bpf_u_int32 capture_netmask(const struct capture *capture)
{
	char error[PCAP_ERRBUF_SIZE];
	bpf_u_int32 net, mask;

	if (!capture->live)
		return 0;
	if (pcap_lookupnet(capture->name, &net, &mask, error) < 0) {
		say("no netmask: %s", error);	/* which names the interface */
		return 0;
	}
	/*
	 * pcap_compile() compares with values that BPF has loaded: they are in
	 * the byte order of the host, as the mask has to be.
	 */
	return ntohl(mask);
}

static int dump_error(const struct capture *capture, int err)
{
	return bad_system("cannot write %s: %s", capture->write_path,
			  err ? strerror(err) : "an error before this one");
}

/* libpcap does not say whether it could write: its file does. */
int capture_dump(struct capture *capture, const struct packet *packet)
{
	if (!capture->dumper)
		return EXIT_OK;
	errno = 0;
	pcap_dump((u_char *)capture->dumper, packet->header, packet->data);
	if (!ferror(pcap_dump_file(capture->dumper)))
		return EXIT_OK;
	return dump_error(capture, errno);
}

int capture_next(struct capture *capture, struct packet *packet)
{
	struct pcap_pkthdr *header;
	const u_char *data;
	int ret;

	do {
		if (interrupted)
			return 0;
		ret = pcap_next_ex(capture->pcap, &header, &data);
	} while (ret == 0);		/* live, and nothing came */
	if (ret == PCAP_ERROR_BREAK)
		return 0;
	if (ret < 0)
		return interrupted ? 0 : next_error(capture);

	*packet = (struct packet){
		.header = header,
		.data = data,
		.cap_len = header->caplen,
		.wire_len = header->len,
	};
	return 1;
}

static int close_dump(struct capture *capture)
{
	FILE *file = pcap_dump_file(capture->dumper);
	int ret = EXIT_OK;

	if (ferror(file))	/* that was said */
		ret = EXIT_SYSTEM;
	else if (pcap_dump_flush(capture->dumper) < 0)
		ret = dump_error(capture, errno);
	/* A file system may put off an error until then; a pipe has none. */
	else if (fsync(fileno(file)) && errno != EINVAL && errno != EROFS)
		ret = dump_error(capture, errno);
	pcap_dump_close(capture->dumper);
	return ret;
}

int capture_close(struct capture *capture)
{
	int ret = EXIT_OK;

	if (capture->dumper)
		ret = close_dump(capture);
	on_interrupt = NULL;
	if (capture->pcap)
		pcap_close(capture->pcap);
	capture->dumper = NULL;
	capture->pcap = NULL;
	return ret;
}
