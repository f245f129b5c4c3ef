// SPDX-License-Identifier: GPL-2.0-only
/*
 * A test of the driver's shutdown: insert this while the device computes.  The device must
 * be kept off the memory, as it is before a kexec, until the driver's resume, which has it
 * go on.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/pci.h>

static unsigned int wait_ms = 3000;
module_param(wait_ms, uint, 0444);
MODULE_PARM_DESC(wait_ms, "how long the device is watched after the shutdown, in ms (3000)");

static bool is_master(struct pci_dev *pdev)
{
	u16 command;

	pci_read_config_word(pdev, PCI_COMMAND, &command);
	return command & PCI_COMMAND_MASTER;
}

/* Under its lock: what the PCI core does before a kexec; then, as there is none, a resume. */
static int shut_down(struct pci_dev *pdev)
{
	struct device *dev = &pdev->dev;
	unsigned int ms;
	int err = 0;

	if (!dev->driver || !to_pci_driver(dev->driver)->shutdown || !dev->driver->pm ||
	    !dev->driver->pm->resume)
		return -EINVAL;
	dev->bus->shutdown(dev);
	pci_clear_master(pdev);
	for (ms = 0; ms < wait_ms && !err; ms += 20) {
		msleep(20);
		if (is_master(pdev))
			err = -EIO;
	}
	return err ?: dev->driver->pm->resume(dev);
}

static int __init bgedu_shutdown_init(void)
{
	struct pci_dev *pdev = pci_get_device(0x1234, 0x11e8, NULL);
	int err;

	if (!pdev)
		return -ENODEV;
	device_lock(&pdev->dev);
	err = shut_down(pdev);
	device_unlock(&pdev->dev);
	pci_dev_put(pdev);
	return err;
}
module_init(bgedu_shutdown_init);

static void __exit bgedu_shutdown_exit(void)
{
}
module_exit(bgedu_shutdown_exit);

MODULE_DESCRIPTION("A test of bgedu's shutdown");
MODULE_AUTHOR("the bgtoken developers");
MODULE_LICENSE("GPL");
