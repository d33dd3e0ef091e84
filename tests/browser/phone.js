// On a phone, in the dark, without scripts: stopped by one tap, sent after all by another.
'use strict';

const assert = require('node:assert');

const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true,
	colorScheme: 'dark', javaScriptEnabled: false };

module.exports = async ({ open, link }) => {
	const page = await open(PHONE);
	await page.goto(link);
	for (const button of await page.getByRole('button').all()) {
		const box = await button.boundingBox();
		assert(box.height >= 44 && box.width >= 200, 'a button that is hard to hit');
		assert(box.x >= 0 && box.x + box.width <= 360, 'a button beyond the edge');
	}
	await page.getByRole('button', { name: 'Do not send it' }).tap();
	await page.getByText('You stopped it at').waitFor();
	await page.getByRole('button', { name: 'Send it after all to 40 people' }).tap();
	await page.getByText('You sent it at').waitFor();
};
