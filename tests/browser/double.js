// A double click, by a real mouse, on the button that stops the mail: it stays stopped, at every
// size and speed. Where that button was, the next pages have nothing to press; and on the way
// back no step lies where the one before it was.
'use strict';

const assert = require('node:assert');

const SIZES = [[1366, 650], [1280, 720], [360, 640], [1920, 1080], [320, 256]];
const GAPS = [100, 200, 350, 800]; // milliseconds between the two clicks
const HELD = /^Your mail has not/;

const title = (page) => page.locator('h1').textContent();

// In the window, as a pointer sees it.
async function box(page, name, tries = 10) {
	const button = page.getByRole('button', { name });
	try {
		await button.scrollIntoViewIfNeeded();
		return await button.boundingBox();
	} catch (error) { // the page loads itself anew, while the mail is looked at
		if (tries === 0 || !error.message.includes('not attached'))
			throw error;
		return box(page, name, tries - 1);
	}
}

function overlap(one, other) {
	return one.x < other.x + other.width && other.x < one.x + one.width &&
		one.y < other.y + other.height && other.y < one.y + one.height;
}

async function clickTwice(page, link, gap) {
	await page.goto(link);
	assert.match(await title(page), HELD);
	const undo = await box(page, /not send it/);
	const [x, y] = [undo.x + undo.width / 2, undo.y + undo.height / 2];
	await page.mouse.click(x, y);
	await page.waitForTimeout(gap);
	await page.mouse.click(x, y);
	await page.waitForTimeout(500);
	await page.goto(link);
	await page.getByText('You stopped it at').waitFor(); // once the queue was looked at
	assert.equal(await title(page), 'Your mail was stopped', `after ${gap} ms`);
	return undo;
}

// The way back, once it is there, does not lie where the pointer was.
async function lookBack(page, undo, size) {
	await page.getByText('I changed my mind').waitFor();
	assert.equal(await page.getByRole('button').count(), 0, 'a button at once');
	const summary = await page.getByText('I changed my mind').boundingBox();
	assert(!overlap(summary, undo), `${size}: it opens where the button was`);
	await page.mouse.click(undo.x + undo.width / 2, undo.y + undo.height / 2);
	assert.equal(await page.getByRole('button').count(), 0, `${size}: a click opened it`);
	await page.getByText('I changed my mind').click();
	const steps = [page.locator('summary'), page.getByText('Yes, send it'), page.getByRole('button')];
	for (let i = 0; i < steps.length; i++) {
		const [one, next] = await Promise.all([i, (i + 1) % 3].map((k) => steps[k].boundingBox()));
		assert(!overlap(one, next), `${size}: step ${i + 1} lies where another is`);
	}
}

module.exports = async ({ open, links }) => {
	const left = [...links];
	for (const [width, height] of SIZES) {
		const page = await open({ viewport: { width, height } });
		let undo;
		for (const gap of GAPS)
			undo = await clickTwice(page, left.shift(), gap);
		await lookBack(page, undo, `${width}x${height}`);
		await page.close();
	}
};
