// SPDX-License-Identifier: GPL-2.0-only
/*
 * The examples of Documentation/, compiled from its text and run: what is promised there is
 * what happens.  What they call that is not there in a test is defined before them.
 */
#include <linux/completion.h>
#include <linux/device.h>
#include <linux/firmware.h>
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/poll.h>
#include <linux/xarray.h>

#include "bgcompile.h"
#include "test_gate.h"

/* What the examples take for granted */

static struct bgtoken_wq *pump_wq, *button_wq;

struct foo_image {
	struct kref kref;
};

struct foo_index {
	int entries;
};

static struct test_gate parsing;	/* holds foo_parse() */
static atomic_t images, indexes;
static bool fail_start;		/* foo_start() gets no memory */

static struct foo_image *foo_image_load(void)
{
	struct foo_image *image = kzalloc(sizeof(*image), GFP_KERNEL);

	if (!image)
		return NULL;
	if (READ_ONCE(fail_start))
		test_fail_alloc(1);	/* the next, which is the job's */
	kref_init(&image->kref);
	atomic_inc(&images);
	return image;
}

static struct foo_image *foo_image_get(struct foo_image *image)
{
	kref_get(&image->kref);
	return image;
}

static void foo_image_free(struct kref *kref)
{
	kfree(container_of(kref, struct foo_image, kref));
	atomic_dec(&images);
}

static void foo_image_put(struct foo_image *image)
{
	kref_put(&image->kref, foo_image_free);
}

static struct foo_index *foo_parse(struct foo_image *image)
{
	struct foo_index *index = kzalloc(sizeof(*index), GFP_KERNEL);

	test_gate_pass(&parsing);
	if (index) {
		index->entries = 1;
		atomic_inc(&indexes);
	}
	return index;
}

static void foo_index_free(struct foo_index *index)
{
	if (!index)
		return;
	kfree(index);
	atomic_dec(&indexes);
}

struct meter;

static struct test_gate fitting;	/* holds meter_slope_of() */
static int powered_down;

static int meter_slope_of(const int *readings)
{
	test_gate_pass(&fitting);
	return readings[1] - readings[0];
}

static void meter_power_down(struct meter *meter)
{
	powered_down++;
}

struct rule_text {
	struct kref kref;
};

struct rule_code {
	int index;
};

static struct test_gate making;		/* holds rule_code_make() */
static atomic_t texts, codes;

static struct rule_text *rule_text_get(struct rule_text *text)
{
	kref_get(&text->kref);
	return text;
}

static void rule_text_free(struct kref *kref)
{
	kfree(container_of(kref, struct rule_text, kref));
	atomic_dec(&texts);
}

static void rule_text_put(struct rule_text *text)
{
	kref_put(&text->kref, rule_text_free);
}

static struct rule_code *rule_code_make(struct rule_text *text, int index)
{
	struct rule_code *code = kzalloc(sizeof(*code), GFP_KERNEL);

	test_gate_pass(&making);
	if (code) {
		code->index = index;
		atomic_inc(&codes);
	}
	return code;
}

static void rule_code_free(struct rule_code *code)
{
	if (!code)
		return;
	kfree(code);
	atomic_dec(&codes);
}

static struct bgtoken_wq *foo_wq;

static void foo_unregister(void);

struct pump;

#define PUMP_PERIOD	(3600 * HZ)	/* never comes */

static struct test_gate filtering;	/* holds pump_filter() */
static int samples;			/* each has its number for a level */

static int pump_sample(struct pump *pump)
{
	return ++samples;
}

static int pump_filter(int level)
{
	test_gate_pass(&filtering);
	return level;
}

struct fence;
static void fence_free(struct kref *kref);

/* An interrupt line that a test raises; a handler is there until the device goes. */
static struct {
	irq_handler_t handler;
	void *data;
	bool raised_last;	/* as it is freed: the latest that one can come */
} line;

static irqreturn_t raise_line(void)
{
	irqreturn_t ret = IRQ_NONE;
	unsigned long flags;

	local_irq_save(flags);
	if (line.handler)
		ret = line.handler(1, line.data);	/* KASAN sees what is gone */
	local_irq_restore(flags);
	return ret;
}

static void free_line(void *unused)
{
	raise_line();
	line.raised_last = true;
	line.handler = NULL;
}

static int request_line(struct device *dev, unsigned int irq, irq_handler_t handler,
			unsigned long flags, const char *name, void *data)
{
	line.handler = handler;
	line.data = data;
	return devm_add_action_or_reset(dev, free_line, NULL);
}

#define devm_request_irq		request_line

/* A firmware that is there when a test says so. */
static struct {
	void (*done)(const struct firmware *fw, void *context);
	void *context;
	int err;
} firmware;

static int request_firmware_later(struct module *module, bool uevent, const char *name,
				  struct device *dev, gfp_t gfp, void *context,
				  void (*done)(const struct firmware *fw, void *context))
{
	firmware.context = context;
	firmware.done = done;
	return firmware.err;
}

static void release_nothing(const struct firmware *fw)
{
}

#define request_firmware_nowait		request_firmware_later
#define release_firmware		release_nothing

/* Stands for a URB, which completes when a test says so. */
struct transfer {
	void (*complete)(struct transfer *transfer);
	void *context;
	size_t length;
	int submitted;
	int err;		/* of the next submission */
};

static int transfer_submit(struct transfer *transfer)
{
	if (!transfer->err)
		transfer->submitted++;
	return transfer->err;
}

static void complete_transfer(void *arg)
{
	struct transfer *transfer = arg;

	transfer->complete(transfer);
}

/* The text of the document, and what comes of it */

#include "doc_examples.h"

struct doc_test {
	struct platform_device *pdev;
	struct test_thread thread;
	struct file file;
	long result;
	long live_tokens, live_works;
};

/* A driver's device, whose managed resources go when the test says so. */
static struct device *test_device(struct kunit *test)
{
	struct doc_test *t = test->priv;

	t->pdev = platform_device_alloc("bgtoken_doc_test", PLATFORM_DEVID_AUTO);
	KUNIT_ASSERT_NOT_NULL(test, t->pdev);
	KUNIT_ASSERT_EQ(test, platform_device_add(t->pdev), 0);
	return &t->pdev->dev;
}

static void unbind(struct doc_test *t)
{
	devres_release_group(&t->pdev->dev, NULL);
}

/* Returns when its samples are being fitted. */
static struct meter *bind_meter(struct kunit *test)
{
	struct device *dev = test_device(test);

	KUNIT_ASSERT_NOT_NULL(test, devres_open_group(dev, NULL, GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, meter_probe(dev), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&fitting, 1));
	return dev_get_drvdata(dev);
}

static void unbind_meter(struct doc_test *t)
{
	meter_remove(&t->pdev->dev);
	unbind(t);
}

static int slope_of(struct bgtoken *token)
{
	scoped_cond_bgtoken(return 0, token, struct meter *, meter)
		return meter->slope;
	return 0;
}

static void meter_is_fitted(struct kunit *test)
{
	struct meter *meter = bind_meter(test);

	scoped_bgtoken(meter->token, struct meter *, alive)
		alive->samples[1] = 7;		/* of the next fit, in a second */
	test_gate_open(&fitting);
	KUNIT_EXPECT_TRUE(test, test_until(slope_of(meter->token) == 7));
	unbind_meter(test->priv);
	KUNIT_EXPECT_EQ(test, powered_down, 1);
}

static void meter_may_go_while_its_samples_are_fitted(struct kunit *test)
{
	bind_meter(test);
	unbind_meter(test->priv);
	test_gate_open(&fitting);
	bgtoken_wq_flush(meter_wq);
}

static struct rules *new_rules(struct kunit *test)
{
	struct rules *rules = kzalloc(sizeof(*rules), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, rules);
	rules->text = kzalloc(sizeof(*rules->text), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, rules->text);
	kref_init(&rules->text->kref);
	atomic_inc(&texts);
	KUNIT_ASSERT_EQ(test, rules_init(rules), 0);
	for (i = 0; i < ARRAY_SIZE(rules->code); i++)
		KUNIT_EXPECT_EQ(test, rules_add(rules, i), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&making, 1));
	return rules;
}

static void rules_are_compiled(struct kunit *test)
{
	struct rules *rules = new_rules(test);
	int i;

	test_gate_open(&making);
	KUNIT_EXPECT_GT(test, bgcompile_wait_timeout(&rules->compile, BGCOMPILE_BASELINE_FINISHED,
						     TEST_TIMEOUT), 0L);
	for (i = 0; i < ARRAY_SIZE(rules->code); i++) {
		KUNIT_EXPECT_NOT_NULL(test, rules->code[i]);
		if (rules->code[i])
			KUNIT_EXPECT_EQ(test, rules->code[i]->index, i);
	}
	rules_close(rules);
}

static void rules_may_go_while_they_are_compiled(struct kunit *test)
{
	rules_close(new_rules(test));
	KUNIT_EXPECT_EQ(test, atomic_read(&texts), 1);		/* a task has it */
	test_gate_open(&making);
	bgtoken_wq_flush(rules_wq);
	KUNIT_EXPECT_EQ(test, atomic_read(&texts), 0);
}

static struct doc_test *bound;	/* has a foo */

static void foo_unregister(void)
{
	if (!bound)
		return;
	foo_remove(&bound->pdev->dev);
	unbind(bound);
	bound = NULL;
}

/* Returns when its job parses. */
static struct foo *bind_foo(struct kunit *test)
{
	struct device *dev = test_device(test);

	KUNIT_ASSERT_NOT_NULL(test, devres_open_group(dev, NULL, GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, foo_probe(dev), 0);
	bound = test->priv;
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&parsing, 1));
	return dev_get_drvdata(dev);
}

static void foo_job_gives_its_index_to_foo(struct kunit *test)
{
	struct foo *foo = bind_foo(test);

	test_gate_open(&parsing);
	bgtoken_wq_flush(foo_wq);
	KUNIT_EXPECT_NOT_NULL(test, foo->index);
	KUNIT_EXPECT_EQ(test, atomic_read(&indexes), 1);
	foo_unregister();
	KUNIT_EXPECT_EQ(test, atomic_read(&images), 0);
}

static void foo_may_go_while_its_job_parses(struct kunit *test)
{
	bind_foo(test);
	foo_unregister();
	KUNIT_EXPECT_EQ(test, atomic_read(&images), 1);		/* the job has it */
	test_gate_open(&parsing);
	bgtoken_wq_flush(foo_wq);
	KUNIT_EXPECT_EQ(test, atomic_read(&images), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&indexes), 0);
}

static void foo_that_cannot_start_leaves_nothing(struct kunit *test)
{
	struct device *dev = test_device(test);
	struct test_failslab failslab;
	int err;

	test_need_failslab(test);
	test_failslab_begin(&failslab);
	KUNIT_EXPECT_NOT_NULL(test, devres_open_group(dev, NULL, GFP_KERNEL));
	WRITE_ONCE(fail_start, true);
	err = foo_probe(dev);
	WRITE_ONCE(fail_start, false);
	test_fail_stop();
	test_failslab_end(&failslab);
	KUNIT_EXPECT_EQ(test, err, -ENOMEM);
	KUNIT_EXPECT_EQ(test, atomic_read(&images), 0);
	unbind(test->priv);
}

static void read_gauge(void *arg)
{
	struct doc_test *t = arg;

	WRITE_ONCE(t->result, gauge_read(&t->file));
}

static struct gauge *new_gauge(struct kunit *test)
{
	struct gauge *gauge = kzalloc(sizeof(*gauge), GFP_KERNEL);
	struct doc_test *t = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, gauge);
	KUNIT_ASSERT_EQ(test, gauge_add(gauge), 0);
	gauge_open(gauge, &t->file);
	test_thread_start(test, &t->thread, -1, read_gauge, t);
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&t->thread));
	return gauge;
}

static u32 poll_gauge(struct doc_test *t)
{
	return (__force u32)gauge_poll(&t->file, NULL);
}

static void gauge_read_ends_with_a_value(struct kunit *test)
{
	struct gauge *gauge = new_gauge(test);
	struct doc_test *t = test->priv;

	scoped_bgtoken(gauge->token, struct gauge *, alive)
		gauge_measured(alive, 42);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->thread));
	KUNIT_EXPECT_EQ(test, t->result, 42L);
	KUNIT_EXPECT_FALSE(test, gauge->ready);
	KUNIT_EXPECT_EQ(test, poll_gauge(t), 0U);
	scoped_bgtoken(gauge->token, struct gauge *, alive)
		gauge_measured(alive, 43);
	KUNIT_EXPECT_EQ(test, poll_gauge(t), (__force u32)(EPOLLIN | EPOLLRDNORM));
	KUNIT_EXPECT_EQ(test, gauge_reset(&t->file), 0);
	gauge_remove(gauge);
	KUNIT_EXPECT_EQ(test, poll_gauge(t), (__force u32)(EPOLLHUP | EPOLLERR));
	KUNIT_EXPECT_EQ(test, gauge_read(&t->file), -ENODEV);
	KUNIT_EXPECT_EQ(test, gauge_reset(&t->file), -ENODEV);
	gauge_release(&t->file);
}

static void gauge_may_go_while_it_is_read(struct kunit *test)
{
	struct gauge *gauge = new_gauge(test);
	struct doc_test *t = test->priv;

	gauge_remove(gauge);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->thread));
	KUNIT_EXPECT_EQ(test, t->result, (long)-ENODEV);
	gauge_release(&t->file);
}

/* Returns when its first poll filters. */
static struct device *bind_pump(struct kunit *test)
{
	struct device *dev = test_device(test);

	KUNIT_ASSERT_NOT_NULL(test, devres_open_group(dev, NULL, GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, pump_probe(dev), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&filtering, 1));
	return dev;
}

static void unbind_pump(struct kunit *test, struct device *dev)
{
	pump_remove(dev);
	unbind(test->priv);
}

/* Its poll runs to the end. */
static void let_filter(struct pump *pump)
{
	test_gate_open(&filtering);
	bgtoken_flush_work(&pump->poll->dwork.work);
}

static bool pump_is_armed(struct pump *pump)
{
	return timer_pending(&pump->poll->dwork.timer);
}

static void pump_is_left_alone_while_suspended(struct kunit *test)
{
	struct device *dev = bind_pump(test);
	struct pump *pump = dev_get_drvdata(dev);

	let_filter(pump);
	KUNIT_EXPECT_EQ(test, pump->level, 1);
	KUNIT_EXPECT_TRUE(test, pump_is_armed(pump));
	KUNIT_EXPECT_EQ(test, pump_suspend(dev), 0);
	KUNIT_EXPECT_FALSE(test, pump_is_armed(pump));
	scoped_bgtoken(pump->token, struct pump *, alive)
		KUNIT_FAIL(test, "a scope while suspended");
	KUNIT_EXPECT_EQ(test, pump_resume(dev), 0);
	bgtoken_flush_work(&pump->poll->dwork.work);
	KUNIT_EXPECT_EQ(test, pump->level, 2);
	KUNIT_EXPECT_TRUE(test, pump_is_armed(pump));
	unbind_pump(test, dev);
}

static void pump_is_given_after_a_pause_what_its_poll_has_kept(struct kunit *test)
{
	struct device *dev = bind_pump(test);
	struct pump *pump = dev_get_drvdata(dev);

	KUNIT_EXPECT_EQ(test, pump_suspend(dev), 0);
	let_filter(pump);
	KUNIT_EXPECT_EQ(test, pump->level, 0);
	KUNIT_EXPECT_FALSE(test, pump_is_armed(pump));
	KUNIT_EXPECT_EQ(test, pump_resume(dev), 0);
	bgtoken_flush_work(&pump->poll->dwork.work);
	KUNIT_EXPECT_EQ(test, pump->level, 1);
	KUNIT_EXPECT_EQ(test, samples, 1);
	KUNIT_EXPECT_TRUE(test, pump_is_armed(pump));
	unbind_pump(test, dev);
}

static void pump_that_is_resumed_during_a_poll_goes_on_polling(struct kunit *test)
{
	struct device *dev = bind_pump(test);
	struct pump *pump = dev_get_drvdata(dev);

	KUNIT_EXPECT_EQ(test, pump_suspend(dev), 0);
	KUNIT_EXPECT_EQ(test, pump_resume(dev), 0);
	let_filter(pump);
	/* The first was handed over, or the second would not have been taken. */
	KUNIT_EXPECT_EQ(test, pump->level, 2);
	KUNIT_EXPECT_EQ(test, samples, 2);
	KUNIT_EXPECT_TRUE(test, pump_is_armed(pump));
	unbind_pump(test, dev);
}

static void pump_may_go_while_it_polls(struct kunit *test)
{
	struct device *dev = bind_pump(test);

	unbind_pump(test, dev);		/* the poll has a reference of its own */
	test_gate_open(&filtering);
}

static void press_button(void *button)
{
	button_irq(1, button);
}

static void button_counts_what_comes_in_interrupts(struct kunit *test)
{
	struct button button = {};

	button.token = bgtoken_create(&button, BGTOKEN_MUTEX, GFP_KERNEL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(button.token));
	KUNIT_EXPECT_TRUE(test, test_call_in(TEST_HARDIRQ, press_button, &button));
	KUNIT_EXPECT_TRUE(test, test_call_in(TEST_SOFTIRQ, press_button, &button));
	bgtoken_wq_flush(button_wq);
	KUNIT_EXPECT_EQ(test, button.presses, 2);
	bgtoken_cancel(button.token);
	KUNIT_EXPECT_TRUE(test, test_call_in(TEST_HARDIRQ, press_button, &button));
	KUNIT_EXPECT_EQ(test, button.presses, 2);
	bgtoken_put(button.token);
}

static void relay_goes_after_its_interrupt(struct kunit *test)
{
	struct device *dev = test_device(test);
	struct doc_test *t = test->priv;
	struct bgtoken *token;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "its interrupts are threads");
	KUNIT_ASSERT_NOT_NULL(test, devres_open_group(dev, NULL, GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, relay_probe(dev, 1), 0);
	token = line.data;
	raise_line();
	scoped_bgtoken_irqsave(token, struct relay *, relay)
		KUNIT_EXPECT_EQ(test, relay->clicks, 1);
	unbind(t);
	KUNIT_EXPECT_TRUE(test, line.raised_last);
}

static void port_may_go_before_the_card_whose_interrupt_it_handles(struct kunit *test)
{
	struct device *card = test_device(test);
	struct doc_test *t = test->priv;
	struct bgtoken *token;
	struct port *port;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "its interrupts are threads");
	KUNIT_ASSERT_NOT_NULL(test, devres_open_group(card, NULL, GFP_KERNEL));
	port = kzalloc(sizeof(*port), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, port);
	KUNIT_ASSERT_EQ(test, port_add(port, card, 1), 0);
	token = port->token;
	KUNIT_EXPECT_EQ(test, raise_line(), IRQ_HANDLED);
	KUNIT_EXPECT_EQ(test, port->events, 1);
	port_remove(port);
	KUNIT_EXPECT_EQ(test, kref_read(&token->kref), 1U);	/* the card's */
	KUNIT_EXPECT_EQ(test, raise_line(), IRQ_NONE);
	unbind(t);
	KUNIT_EXPECT_TRUE(test, line.raised_last);
}

static void session_is_found_until_it_is_closed(struct kunit *test)
{
	struct session *session = kzalloc(sizeof(*session), GFP_KERNEL);
	struct bgtoken *found;

	KUNIT_ASSERT_NOT_NULL(test, session);
	session->id = 7;
	KUNIT_ASSERT_EQ(test, session_add(session), 0);
	found = session_find(7);
	KUNIT_EXPECT_PTR_EQ(test, found, session->token);
	KUNIT_EXPECT_NULL(test, session_find(8));
	session_close(session);
	KUNIT_EXPECT_NULL(test, session_find(7));
	KUNIT_EXPECT_NULL(test, bgtoken_enter(found));
	bgtoken_put(found);
	xa_destroy(&sessions);
}

static void loader_may_go_before_its_firmware_comes(struct kunit *test)
{
	static const struct firmware fw = { .size = 99 };
	struct loader *loader = kzalloc(sizeof(*loader), GFP_KERNEL);
	struct bgtoken *token;

	KUNIT_ASSERT_NOT_NULL(test, loader);
	token = bgtoken_create(loader, BGTOKEN_MUTEX, GFP_KERNEL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	loader->token = token;
	KUNIT_EXPECT_EQ(test, loader_start(loader), 0);
	firmware.done(&fw, firmware.context);
	KUNIT_EXPECT_EQ(test, loader->loaded, (size_t)99);

	firmware.err = -EBUSY;
	KUNIT_EXPECT_EQ(test, loader_start(loader), -EBUSY);
	firmware.err = 0;
	KUNIT_EXPECT_EQ(test, kref_read(&token->kref), 1U);

	KUNIT_EXPECT_EQ(test, loader_start(loader), 0);
	bgtoken_cancel(token);
	bgtoken_put(token);
	kfree(loader);
	firmware.done(&fw, firmware.context);	/* the last put is its own */
}

static void modem_may_go_before_its_transfer_completes(struct kunit *test)
{
	struct transfer transfer = { .length = 8 };
	struct modem *modem = kzalloc(sizeof(*modem), GFP_KERNEL);
	struct bgtoken *token;

	KUNIT_ASSERT_NOT_NULL(test, modem);
	token = bgtoken_create(modem, BGTOKEN_SPIN, GFP_KERNEL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	modem->token = token;
	KUNIT_EXPECT_EQ(test, modem_start(modem, &transfer), 0);
	KUNIT_EXPECT_TRUE(test, test_call_in(TEST_HARDIRQ, complete_transfer, &transfer));
	KUNIT_EXPECT_TRUE(test, test_call_in(TEST_SOFTIRQ, complete_transfer, &transfer));
	KUNIT_EXPECT_EQ(test, modem->received, (size_t)16);
	KUNIT_EXPECT_EQ(test, transfer.submitted, 3);
	KUNIT_EXPECT_EQ(test, kref_read(&token->kref), 2U);

	transfer.err = -ENODEV;
	KUNIT_EXPECT_TRUE(test, test_call_in(TEST_HARDIRQ, complete_transfer, &transfer));
	KUNIT_EXPECT_EQ(test, kref_read(&token->kref), 1U);
	KUNIT_EXPECT_EQ(test, modem_start(modem, &transfer), -ENODEV);
	KUNIT_EXPECT_EQ(test, kref_read(&token->kref), 1U);
	transfer.err = 0;

	KUNIT_EXPECT_EQ(test, modem_start(modem, &transfer), 0);
	bgtoken_cancel(token);
	bgtoken_put(token);
	kfree(modem);
	/* The last put is its own. */
	KUNIT_EXPECT_TRUE(test, test_call_in(TEST_HARDIRQ, complete_transfer, &transfer));
	KUNIT_EXPECT_EQ(test, transfer.submitted, 4);
}

static void link_tries_three_times_or_until_it_is_stopped(struct kunit *test)
{
	struct link link = {};

	link.token = bgtoken_create(&link, BGTOKEN_SPIN, GFP_KERNEL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(link.token));
	KUNIT_EXPECT_EQ(test, link_start(&link), 0);
	KUNIT_EXPECT_TRUE(test, test_until(READ_ONCE(link.tries) == 3));
	bgtoken_timer_mod(link.retry, jiffies + 3600 * HZ);
	link_stop(&link);
	KUNIT_EXPECT_EQ(test, link.tries, 3);
	bgtoken_put(link.token);
	bgtoken_barrier();
}

static void fence_free(struct kref *kref)
{
	kfree(container_of(kref, struct fence, kref));
}

static int blit_and(struct kunit *test, bool cancel)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);
	struct blit *blit = kzalloc(sizeof(*blit), GFP_KERNEL);
	struct fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);
	int result;

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	KUNIT_ASSERT_NOT_NULL(test, blit);
	KUNIT_ASSERT_NOT_NULL(test, fence);
	kref_init(&fence->kref);
	init_completion(&fence->done);
	fence->result = 1;
	kref_get(&fence->kref);
	blit->fence = fence;		/* blit_release() */
	bgtoken_work_init(&blit->work, token, blit_run, blit_release);
	if (cancel)
		bgtoken_cancel(token);
	bgtoken_queue_work(foo_wq, &blit->work);
	bgtoken_work_put(&blit->work);
	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&fence->done, TEST_TIMEOUT), 0UL);
	result = fence->result;
	kref_put(&fence->kref, fence_free);
	bgtoken_put(token);
	return result;
}

static void blit_is_done_whatever_becomes_of_it(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, blit_and(test, false), 0);
	KUNIT_EXPECT_EQ(test, blit_and(test, true), -ECANCELED);
}

static void wait_for_frame(void *arg)
{
	struct doc_test *t = arg;
	struct bgtoken *token = t->file.private_data;

	scoped_bgtoken(token, struct stream *, stream)
		t->result = wait_for_completion_timeout(&stream->frame, TEST_HOLD);
}

/* A scope waits for what only the remover will produce now. */
static void stream_may_go_while_a_scope_waits_for_a_frame(struct kunit *test)
{
	struct stream *stream = kzalloc(sizeof(*stream), GFP_KERNEL);
	struct doc_test *t = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, stream);
	init_completion(&stream->frame);
	stream->token = bgtoken_create(stream, BGTOKEN_MUTEX, GFP_KERNEL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(stream->token));
	t->file.private_data = bgtoken_get(stream->token);
	test_thread_start(test, &t->thread, -1, wait_for_frame, t);
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&t->thread));
	stream_disconnect(stream);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->thread));
	KUNIT_EXPECT_GT(test, t->result, 0L);
	bgtoken_put(t->file.private_data);
}

/* The suite */

static int doc_test_init(struct kunit *test)
{
	struct doc_test *t = kzalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	test->priv = t;
	t->live_tokens = test_live(bgtoken_live_tokens);
	t->live_works = test_live(bgtoken_live_works);
	test_gate_init(&parsing);
	test_gate_init(&filtering);
	test_gate_init(&fitting);
	test_gate_init(&making);
	samples = 0;
	powered_down = 0;
	line.raised_last = false;
	foo_wq = bgtoken_wq_create("bgtoken_doc", WQ_UNBOUND, 0);
	pump_wq = foo_wq;
	button_wq = foo_wq;
	meter_wq = foo_wq;
	rules_wq = foo_wq;
	return PTR_ERR_OR_ZERO(foo_wq);
}

static void doc_test_exit(struct kunit *test)
{
	struct doc_test *t = test->priv;

	if (!t)
		return;
	test_gate_open(&parsing);
	test_gate_open(&filtering);
	test_gate_open(&fitting);
	test_gate_open(&making);
	if (!test_thread_join(&t->thread)) {
		KUNIT_FAIL(test, "a thread left behind");
		return;
	}
	foo_exit();
	if (t->pdev)
		platform_device_unregister(t->pdev);
	KUNIT_EXPECT_EQ(test, atomic_read(&images), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&indexes), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&texts), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&codes), 0);
	test_nothing_left(test, bgtoken_live_tokens, t->live_tokens);
	test_nothing_left(test, bgtoken_live_works, t->live_works);
	kfree(t);
}

static struct kunit_case doc_test_cases[] = {
	KUNIT_CASE(meter_is_fitted),
	KUNIT_CASE(meter_may_go_while_its_samples_are_fitted),
	KUNIT_CASE(rules_are_compiled),
	KUNIT_CASE(rules_may_go_while_they_are_compiled),
	KUNIT_CASE(foo_job_gives_its_index_to_foo),
	KUNIT_CASE(foo_may_go_while_its_job_parses),
	KUNIT_CASE(foo_that_cannot_start_leaves_nothing),
	KUNIT_CASE(gauge_read_ends_with_a_value),
	KUNIT_CASE(gauge_may_go_while_it_is_read),
	KUNIT_CASE(pump_is_left_alone_while_suspended),
	KUNIT_CASE(pump_is_given_after_a_pause_what_its_poll_has_kept),
	KUNIT_CASE(pump_that_is_resumed_during_a_poll_goes_on_polling),
	KUNIT_CASE(pump_may_go_while_it_polls),
	KUNIT_CASE(button_counts_what_comes_in_interrupts),
	KUNIT_CASE(relay_goes_after_its_interrupt),
	KUNIT_CASE(port_may_go_before_the_card_whose_interrupt_it_handles),
	KUNIT_CASE(session_is_found_until_it_is_closed),
	KUNIT_CASE(loader_may_go_before_its_firmware_comes),
	KUNIT_CASE(modem_may_go_before_its_transfer_completes),
	KUNIT_CASE(link_tries_three_times_or_until_it_is_stopped),
	KUNIT_CASE(blit_is_done_whatever_becomes_of_it),
	KUNIT_CASE(stream_may_go_while_a_scope_waits_for_a_frame),
	{}
};

static struct kunit_suite doc_test_suite = {
	.name = "bgtoken_doc",
	.init = doc_test_init,
	.exit = doc_test_exit,
	.test_cases = doc_test_cases,
};

kunit_test_suite(doc_test_suite);

MODULE_DESCRIPTION("KUnit tests of bgtoken: the examples of its documents");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
COMPAT_IMPORT_NS(BGCOMPILE);
