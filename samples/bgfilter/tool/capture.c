// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bgfilter_uapi.h"
#include "capture.h"
#include "common.h"

#define LIVE_SNAPLEN	262144
#define LIVE_TIMEOUT_MS	100

/* libpcap goes back to its poll() after EINTR unless it is told to leave. */
static pcap_t *live;

static void break_live(void)
{
	pcap_breakloop(live);
}

static int check_link(struct capture *capture)
{
	int link = pcap_datalink(capture->pcap);
	const char *name = pcap_datalink_val_to_name(link);

	if (link == DLT_EN10MB)
		return EXIT_OK;
	return bad_input("%s: link type %d (%s), not Ethernet (EN10MB)",
			 capture->name, link, name ? name : "unknown");
}

int capture_open_file(struct capture *capture, const char *path)
{
	char error[PCAP_ERRBUF_SIZE] = "";
	int ret;

	*capture = (struct capture){ .name = path };
	capture->pcap = pcap_open_offline(path, error);
	if (!capture->pcap) {
		/* libpcap names the file in some of its messages. */
		if (!strncmp(error, path, strlen(path)))
			return bad_input("%s", error);
		return bad_input("%s: %s", path, error);
	}
	ret = check_link(capture);
	if (ret)
		capture_close(capture);
	return ret;
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

int capture_open_live(struct capture *capture, const char *interface,
		      const char *write_path)
{
	char error[PCAP_ERRBUF_SIZE] = "";
	int ret;

	*capture = (struct capture){ .name = interface, .live = true };
	capture->pcap = pcap_create(interface, error);
	if (!capture->pcap)
		return bad_system("%s: %s", interface, error);
	pcap_set_snaplen(capture->pcap, LIVE_SNAPLEN);
	pcap_set_timeout(capture->pcap, LIVE_TIMEOUT_MS);
	pcap_set_immediate_mode(capture->pcap, 1);
	ret = activate(capture);
	if (!ret)
		ret = check_link(capture);
	if (!ret && pcap_setnonblock(capture->pcap, 0, error) < 0)
		ret = bad_system("%s: %s", interface, error);
	if (!ret && write_path) {
		capture->dumper = pcap_dump_open(capture->pcap, write_path);
		if (!capture->dumper)
			ret = bad_system("%s", pcap_geterr(capture->pcap));
	}
	if (ret) {
		capture_close(capture);
		return ret;
	}
	live = capture->pcap;
	on_interrupt = break_live;
	say("listening on %s", interface);
	return EXIT_OK;
}

static int next_error(struct capture *capture)
{
	const char *error = pcap_geterr(capture->pcap);

	if (capture->live)
		return -bad_system("%s: %s", capture->name, error);
	return -bad_input("%s: %s", capture->name, error);
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

	if (capture->dumper)
		pcap_dump((u_char *)capture->dumper, header, data);
	packet->data = data;
	packet->cap_len = header->caplen;
	packet->wire_len = header->len;
	/* A file may say anything. */
	if (packet->wire_len < packet->cap_len)
		packet->wire_len = packet->cap_len;
	packet->cut = packet->cap_len > BGFILTER_MAX_PACKET;
	if (packet->cut)
		packet->cap_len = BGFILTER_MAX_PACKET;
	return 1;
}

int capture_close(struct capture *capture)
{
	int ret = EXIT_OK;

	if (capture->dumper) {
		if (pcap_dump_flush(capture->dumper) < 0)
			ret = bad_system("cannot write the capture: %s",
					 strerror(errno));
		pcap_dump_close(capture->dumper);
	}
	on_interrupt = NULL;
	if (capture->pcap)
		pcap_close(capture->pcap);
	capture->dumper = NULL;
	capture->pcap = NULL;
	return ret;
}
