// Plays one scenario file in the system's Chromium: node play.js SCENARIO.js LINK...
//
// A scenario exports async ({ open, visit, link, links }) => ...; open(options) gives a page in a context
// of its own, visit(page, link) goes there, link is the first of the links. Whatever the browser complains about, in any page, fails the scenario.
'use strict';

const path = require('node:path');
const { chromium } = require('playwright-core');

const CHROMIUM = process.env.CHROMIUM || '/usr/bin/chromium';
const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-sync',
	'--disable-background-networking', '--disable-component-update'];

// A page that loads itself anew can do so while it is left for another: its load is waited for,
// and the way is gone again.
function uninterrupted(page, navigate) {
	return async (...where) => {
		for (let tries = 1; ; tries++) {
			try {
				return await navigate(...where);
			} catch (error) {
				if (tries === 30 || !/another navigation|ERR_ABORTED/.test(error.message))
					throw error;
				await page.waitForLoadState().catch(() => {});
				await page.waitForTimeout(200);
			}
		}
	};
}

// A page that writes down what is wrong with it, and what it loads besides itself.
async function openPage(browser, options, complaints) {
	const page = await (await browser.newContext(options)).newPage();
	page.setDefaultTimeout(15000);
	for (const name of ['goto', 'reload', 'goBack'])
		page[name] = uninterrupted(page, page[name].bind(page));
	page.on('console', (message) => {
		if (['error', 'warning'].includes(message.type()))
			complaints.push(`console: ${message.text()}`);
	});
	page.on('pageerror', (error) => complaints.push(`script: ${error}`));
	page.on('request', (request) => {
		if (request.resourceType() !== 'document')
			complaints.push(`loads ${request.url()}`);
	});
	return page;
}

// Shows a page that will not load itself anew, as those do whose mail is being looked at.
async function visit(page, link) {
	while ((await page.goto(link)).headers().refresh)
		await page.waitForTimeout(500);
}

async function main(scenario, links) {
	const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });
	const complaints = [];
	const open = (options) => openPage(browser, options, complaints);
	try {
		await require(path.resolve(scenario))({ open, visit, link: links[0], links, complaints });
	} finally {
		await browser.close();
	}
	if (complaints.length)
		throw new Error(`the browser complains: ${complaints.join('; ')}`);
}

main(process.argv[2], process.argv.slice(3)).catch((error) => {
	console.log(error.message || error);
	process.exitCode = 1;
});
