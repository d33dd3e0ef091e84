// On a phone, in the dark, without scripts: stopped by one tap; sent after all by four, after a
// moment in which there is nothing to tap.
'use strict';

const assert = require('node:assert');

const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true,
	colorScheme: 'dark', javaScriptEnabled: false };

module.exports = async ({ open, visit, link }) => {
	const page = await open(PHONE);
	await visit(page, link);
	for (const button of await page.getByRole('button').all()) {
		const box = await button.boundingBox();
		assert(box.height >= 44 && box.width >= 200, 'a button that is hard to hit');
		assert(box.x >= 0 && box.x + box.width <= 360, 'a button beyond the edge');
	}
	await page.getByRole('button', { name: 'Do not send it' }).tap();
	await page.getByText('You stopped it at').waitFor();
	assert.equal(await page.getByRole('button').count(), 0);
	await page.getByText('I changed my mind').tap(); // the page looks again by itself
	await page.getByRole('button', { name: 'Send it after all' }).tap();
	await page.getByText('You stopped it at').waitFor(); // the browser asks for the tick
	await page.getByText('Yes, send it to 40 people after all').tap();
	await page.getByRole('button', { name: 'Send it after all' }).tap();
	await page.getByText('You sent it at').waitFor();
};
