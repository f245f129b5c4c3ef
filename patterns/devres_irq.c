// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs: 7563f7e0e9fc (13 power supplies)
 * caught by: KASAN: (slab-)?use-after-free in charger_irq\+0x
 * before: devres frees the supply, and the interrupt after it, as it was requested first
 * after: the handler is given the token, and .remove() cancels it before devres begins
 */
#include <linux/device.h>
#include <linux/interrupt.h>
#include <linux/irq.h>

#include "pattern.h"

static int charger_line;	/* its interrupt */

/* The device tells that its power goes: an interrupt while devres is under way. */
static void power_off(void *unused)
{
	generic_handle_irq_safe(charger_line);
}

struct supply {
	int changes;
};

/* Stands for devm_power_supply_register(). */
static struct supply *devm_supply(struct device *dev)
{
	return devm_kzalloc(dev, sizeof(struct supply), GFP_KERNEL);
}

/* What is bound and unbound again; there is no .remove() before. */
static int bind_and_unbind(int (*probe)(struct device *dev),
			   void (*remove)(struct device *dev))
{
	struct device *dev = root_device_register("pattern");
	int err = -ENOMEM;

	charger_line = irq_alloc_desc(NUMA_NO_NODE);
	if (IS_ERR(dev) || charger_line < 0)
		return err;
	irq_set_chip_and_handler(charger_line, &dummy_irq_chip, handle_simple_irq);
	if (devres_open_group(dev, NULL, GFP_KERNEL)) {
		err = probe(dev);
		if (!err) {
			generic_handle_irq_safe(charger_line);
			if (remove)
				remove(dev);
		}
		devres_release_group(dev, NULL);
	}
	irq_free_desc(charger_line);
	root_device_unregister(dev);
	return err;
}

/* Before */

struct charger {
	struct supply *supply;
};

static irqreturn_t charger_irq(int irq, void *data)
{
	struct charger *charger = data;

	if (charger->supply)
		charger->supply->changes++;
	return IRQ_HANDLED;
}

static int charger_probe(struct device *dev)
{
	struct charger *charger = devm_kzalloc(dev, sizeof(*charger), GFP_KERNEL);

	if (!charger ||
	    devm_request_irq(dev, charger_line, charger_irq, 0, "pattern", charger) ||
	    devm_add_action(dev, power_off, NULL))
		return -ENOMEM;
	charger->supply = devm_supply(dev);		/* too late: the bug */
	return charger->supply ? 0 : -ENOMEM;
}

static int before(void)
{
	return bind_and_unbind(charger_probe, NULL);
}

/* After */

struct token_charger {
	struct bgtoken *token;
	struct supply *supply;
};

static int interrupts, changes;

static irqreturn_t token_charger_irq(int irq, void *data)
{
	struct bgtoken *token = data;

	interrupts++;
	scoped_bgtoken_irqsave(token, struct token_charger *, charger) {
		if (charger->supply)
			changes = ++charger->supply->changes;
	}
	return IRQ_HANDLED;
}

static int token_charger_probe(struct device *dev)
{
	struct token_charger *charger = devm_kzalloc(dev, sizeof(*charger), GFP_KERNEL);
	struct supply *supply;

	if (!charger)
		return -ENOMEM;
	dev_set_drvdata(dev, charger);
	/* Before the interrupt, which is freed while the token is still there. */
	charger->token = devm_bgtoken_create(dev, charger, BGTOKEN_SPIN);
	if (IS_ERR(charger->token) ||
	    devm_request_irq(dev, charger_line, token_charger_irq, 0, "pattern",
			     charger->token) ||
	    devm_add_action(dev, power_off, NULL))
		return -ENOMEM;
	supply = devm_supply(dev);
	if (!supply)
		return -ENOMEM;
	scoped_bgtoken_irqsave(charger->token, struct token_charger *, alive)
		alive->supply = supply;
	return 0;
}

static void token_charger_remove(struct device *dev)
{
	struct token_charger *charger = dev_get_drvdata(dev);

	bgtoken_cancel(charger->token);			/* devres puts it */
}

static int after(void)
{
	int err;

	interrupts = 0;
	err = bind_and_unbind(token_charger_probe, token_charger_remove);
	pattern_expect(err || (interrupts == 2 && changes == 1));
	return err;
}

static const struct pattern devres_irq = { before, after };

module_pattern(devres_irq, "an interrupt that comes after what it uses was freed");
