// Opens pages in a browser at several widths and prints what is wrong with each, as JSON:
// what axe has against it, formulas without layout, anything wider than the window, messages on the console.
// usage: node browser.mjs BROWSER PAGE.html [PICTURE.png]
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import puppeteer from 'puppeteer-core';

const [executablePath, page, picture] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const browser = await puppeteer.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
const found = [];
for (const width of [390, 1280]) {
  for (const scheme of ['light', 'dark']) {
    const tab = await browser.newPage();
    const note = (what) => found.push(`${width} px, ${scheme}: ${what}`);
    tab.on('console', (message) => note(`console: ${message.text()}`));
    tab.on('pageerror', (error) => note(`error: ${error}`));
    tab.on('request', (request) => { if (!request.url().startsWith('file:')) note(`asks for ${request.url()}`); });
    await tab.setViewport({ width, height: 900 });
    await tab.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    await tab.goto(pathToFileURL(page).href);
    const { formulas, flat, wider } = await tab.evaluate(() => {
      const all = [...document.querySelectorAll('math')];
      return {
        formulas: all.length,
        flat: all.filter((m) => m.getBoundingClientRect().height < 4).map((m) => m.textContent),
        wider: document.documentElement.scrollWidth - window.innerWidth,
      };
    });
    if (!formulas) note('no formula');
    if (flat.length) note(`formulas without layout: ${flat}`);
    if (wider > 0) note(`${wider} px wider than the window`);
    await tab.evaluate(axe);
    const { violations } = await tab.evaluate(() => globalThis.axe.run());
    const heavy = violations.filter((v) => v.impact !== 'minor'); // axe takes a formula in a cell for an empty cell
    for (const v of heavy) note(`axe: ${v.id} (${v.impact}): ${v.nodes[0].html.slice(0, 200)}`);
    if (picture && width === 1280 && scheme === 'light') await tab.screenshot({ path: picture, fullPage: true });
    await tab.close();
  }
}
await browser.close();
console.log(JSON.stringify(found));
