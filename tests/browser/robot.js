// A program that stops the mail and then presses every button of every page it gets, ten pages
// long, also those that a person does not see yet: nothing is sent, since it ticks no box.
'use strict';

const assert = require('node:assert');

// The page reloads itself now and then: what that interrupts is done again.
async function uninterrupted(page, act) {
	for (let tries = 1; ; tries++) {
		try {
			return await act();
		} catch (error) {
			if (tries === 30 || !/navigation|ERR_ABORTED/.test(error.message))
				throw error;
			await page.waitForLoadState().catch(() => {});
			await page.waitForTimeout(200);
		}
	}
}

// The buttons that the page has, seen or not.
const names = (page) => uninterrupted(
	page,
	() => page.$$eval('button', (buttons) => buttons.map((one) => one.value)));

// Returns when the page that answers is there; a form without its tick is not sent unless forced.
async function pressOnce(page, name, isForced) {
	const button = await page.$(`button[value="${name}"]`);
	const isSent = button && await button.evaluate((one, force) => {
		one.form.noValidate = force;
		return force || one.form.checkValidity();
	}, isForced);
	const click = () => button?.evaluate((one) => one.click());
	await (isSent ? Promise.all([page.waitForNavigation(), click()]) : click());
}

const press = (page, name, isForced) => uninterrupted(
	page, () => pressOnce(page, name, isForced));

module.exports = async ({ open, link, complaints }) => {
	const page = await open();
	await page.goto(link);
	await press(page, 'undo', false);
	for (let step = 0; step < 10; step++) {
		for (const isForced of [false, true])
			for (const name of await names(page)) {
				await press(page, name, isForced);
				await page.goto(link);
			}
		await page.waitForTimeout(700);
		await page.goto(link);
		await page.getByText('You stopped it at').waitFor(); // the queue was looked at
		assert.equal(await page.locator('h1').textContent(), 'Your mail was stopped');
	}
	assert.deepEqual(await names(page), ['restore'], 'the way back was never there');
	// the browser notes the 400 itself, and the box that it cannot show
	const others = complaints.filter((line) => !/status of 400|not focusable/.test(line));
	complaints.splice(0, complaints.length, ...others);
};
