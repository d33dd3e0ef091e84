// Pages that everybody can use: axe-core finds no barrier on those with buttons, light or dark,
// and on those after a press.
'use strict';

const assert = require('node:assert');
const { source } = require('axe-core');

async function violationsOn(page) {
	// in one go: between two, the page may be another one
	return (await page.evaluate(`${source}\n;globalThis.axe.run()`)).violations;
}

// A page that is about to change loads itself anew, on a slow machine in the middle of this.
const isReload = (error) => error.message.includes('Execution context was destroyed');

async function inspect(page, what, tries = 10) {
	let violations;
	try {
		violations = await violationsOn(page);
	} catch (error) {
		if (tries === 0 || !isReload(error))
			throw error;
		await page.waitForLoadState();
		return inspect(page, what, tries - 1);
	}
	return assert.deepEqual(violations.map((one) => `${one.id}: ${one.help}`), [], what);
}

module.exports = async ({ open, visit, link }) => {
	for (const colorScheme of ['light', 'dark']) {
		const page = await open({ colorScheme, viewport: { width: 320, height: 256 } });
		await visit(page, link);
		await inspect(page, `${colorScheme}: held`);
	}
	const page = await open();
	await visit(page, link);
	await page.getByRole('button', { name: /not send it/ }).click();
	await page.getByText('You stopped it at').waitFor();
	await inspect(page, 'just stopped');
	await page.getByText('I changed my mind').click();
	await inspect(page, 'stopped, the way back open');
};
