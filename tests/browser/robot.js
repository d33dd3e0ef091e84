// A program that stops the mail and then presses every button of every page it gets, ten pages
// long, also those that a person does not see yet: nothing is sent, since it ticks no box.
'use strict';

const assert = require('node:assert');

// The buttons that the page has, seen or not.
const names = (page) => page.$$eval('button', (buttons) => buttons.map((one) => one.value));

async function press(page, name, isForced) {
	await page.$eval(`button[value="${name}"]`, (button, force) => {
		button.form.noValidate = force;
		button.click();
	}, isForced);
	await page.waitForTimeout(300);
	await page.waitForLoadState();
}

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
