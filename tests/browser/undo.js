// Stopped by a click, looked at again and again: it stays stopped.
'use strict';

const assert = require('node:assert');

const title = (page) => page.locator('h1').textContent();

module.exports = async ({ open, visit, link }) => {
	const page = await open();
	await visit(page, link);
	await page.getByRole('button', { name: 'Do not send it' }).click();
	await page.getByText('You stopped it at').waitFor(); // once the queue was looked at
	assert.equal(await title(page), 'Your mail was stopped');
	for (let i = 0; i < 5; i++) {
		await page.reload();
		assert.equal(await title(page), 'Your mail was stopped');
	}
	await page.goBack();
	await page.goto(link);
	assert.equal(await title(page), 'Your mail was stopped');
	await page.getByText('I changed my mind').waitFor();
	assert.equal(await page.getByRole('button').count(), 0); // none to press before it is opened
};
