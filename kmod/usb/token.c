// SPDX-License-Identifier: GPL-2.0
/*
 * Tells the guard when the administrator's USB device is plugged in or pulled. The device is only
 * recognised by what it says of itself, which another device could say as well: the guard asks for the
 * passphrase besides.
 *
 * Notifications come from a work queue of the USB core. While real-time tasks hog every core they don't
 * come at all: key chord, SysRq and serial line do. A device that is not authorised (usbguard,
 * authorized_default=0) says no serial number and is not recognised.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/usb.h>

#include "../channel.h"

#define SERIAL_BYTES 127 /* a USB string has 126 characters */

static char *token_setting = "";
module_param_named(token, token_setting, charp, 0444);
MODULE_PARM_DESC(token, "the token as VENDOR:PRODUCT:SERIAL, e.g. 46f4:0001:A1B2C3; see lsusb -v");

static u16 token_vendor, token_product;
static const char *token_serial;

static DEFINE_MUTEX(token_lock);
static const struct usb_device *token_device; /* NULL: not plugged in; only compared */

static bool token_is(const struct usb_device *device)
{
	return le16_to_cpu(device->descriptor.idVendor) == token_vendor &&
	       le16_to_cpu(device->descriptor.idProduct) == token_product && device->serial &&
	       !strcmp(device->serial, token_serial);
}

/* The first that is the token, and not the one that goes. */
static int token_find(struct usb_device *device, void *gone)
{
	if (!token_device && device != gone && token_is(device))
		token_device = device;
	return token_device ? 1 : 0;
}

static int token_notify(struct notifier_block *unused, unsigned long action, void *device)
{
	mutex_lock(&token_lock);
	if (action == USB_DEVICE_ADD && !token_device && token_is(device)) {
		token_device = device;
		pinfold_guard_token(true, true);
	}
	if (action == USB_DEVICE_REMOVE && device == token_device) {
		token_device = NULL;
		pinfold_guard_token(false, true);
		/* There may be a second one that says the same of itself. */
		usb_for_each_dev(device, token_find);
		if (token_device)
			pinfold_guard_token(true, true);
	}
	mutex_unlock(&token_lock);
	return NOTIFY_OK;
}

static struct notifier_block token_block = {
	.notifier_call = token_notify,
};

/* "46f4:0001:A1B2C3": twice four digits; what remains after the second colon is the serial number. */
static int __init token_parse(void)
{
	u8 ids[2][2];

	token_serial = token_setting + strlen("46f4:0001:");
	if (strlen(token_setting) <= strlen("46f4:0001:") || strlen(token_serial) >= SERIAL_BYTES ||
	    hex2bin(ids[0], token_setting, 2) || token_setting[4] != ':' ||
	    hex2bin(ids[1], token_setting + 5, 2) || token_setting[9] != ':') {
		pr_err("token=%s: vendor, product and serial number are needed, e.g. "
		       "token=46f4:0001:A1B2C3\n",
		       token_setting);
		return -EINVAL;
	}
	token_vendor = ids[0][0] << 8 | ids[0][1];
	token_product = ids[1][0] << 8 | ids[1][1];
	return 0;
}

static int __init token_init(void)
{
	int r;

	r = token_parse();
	if (r)
		return r;
	usb_register_notify(&token_block);
	mutex_lock(&token_lock);
	usb_for_each_dev(NULL, token_find);
	pinfold_guard_token(token_device, true);
	mutex_unlock(&token_lock);
	return 0;
}

static void __exit token_exit(void)
{
	usb_unregister_notify(&token_block);
	pinfold_guard_token(false, false);
}

module_init(token_init);
module_exit(token_exit);

MODULE_DESCRIPTION("Pinfold guard: USB token");
MODULE_LICENSE("GPL");
