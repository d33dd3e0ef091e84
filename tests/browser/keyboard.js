// With the keyboard alone: Tab to the button, Enter. A tab that was opened before, and still
// shows both buttons, tells what happened instead of undoing it.
'use strict';

const assert = require('node:assert');

// What the element that has the focus says.
const focused = (page) => page.evaluate(() => document.activeElement.textContent);
const title = (page) => page.locator('h1').textContent();

module.exports = async ({ open, visit, link }) => {
	const page = await open();
	const older = await open();
	await visit(older, link);
	await visit(page, link);
	assert.equal(await title(page), 'Your mail has not been sent yet');
	await page.keyboard.press('Tab');
	assert.equal(await focused(page), 'Do not send it');
	await page.keyboard.press('Tab');
	assert.equal(await focused(page), 'Send it to 40 people');
	await page.keyboard.press('Enter');
	await page.getByText('You sent it at').waitFor();
	assert.equal(await title(page), 'Your mail was sent');
	assert.equal(page.url(), link);
	assert.equal(await page.locator('button').count(), 0);

	await older.getByRole('button', { name: 'Do not send it' }).click();
	await older.getByText('You sent it at').waitFor();
	assert.equal(await title(older), 'Too late to stop it');
	assert.equal(older.url(), `${link}?late=undo`);
};
